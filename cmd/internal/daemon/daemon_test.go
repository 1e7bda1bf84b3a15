package daemon

import (
	"context"
	"testing"
	"time"
)

func TestBeat(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	signs, hang := make(chan bool, 100), make(chan struct{})
	healthy := make(chan bool, 3)
	healthy <- true
	healthy <- false
	healthy <- true
	go beat(ctx, 5*time.Millisecond, func(limit time.Duration) bool {
		select {
		case ok := <-healthy:
			return ok
		default:
			<-hang
			return true
		}
	}, func() { signs <- true })
	<-signs
	<-signs
	select {
	case <-signs:
		t.Error("a sign of life while it hangs")
	case <-time.After(100 * time.Millisecond):
	}
	close(hang)
	<-signs
}
