package relay

import (
	"io"
	"sync/atomic"
	"testing"
	"time"
)

// EGR-J6: a tunnel ends with the last byte that may go up, in mid-stream; the other direction has no limit.
func TestJ6Limit(t *testing.T) {
	const limit = 3*bufferSize + 5
	client, c := pair(t)
	s, server := pair(t)
	tn := New(c, s, time.Minute)
	var left atomic.Int64
	left.Store(limit)
	tn.Limit(func(n int) int {
		may := min(int64(n), left.Load())
		left.Add(-may)
		return int(may)
	})
	end := make(chan Result, 1)
	go func() { end <- tn.Run([]byte("head")) }()
	down := random(2 * burst)
	go func() {
		server.Write(down)
	}()
	if _, err := io.ReadFull(client, make([]byte, len(down))); err != nil {
		t.Fatal(err)
	}
	go client.Write(random(1 << 20))
	got, _ := io.ReadAll(server)
	if len(got) != limit {
		t.Errorf("%d bytes went out, want %d", len(got), limit)
	}
	if r, want := result(t, end), (Result{Up: limit, Down: int64(len(down)), End: Spent}); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
}
