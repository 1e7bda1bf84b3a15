package worker

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// All functions run, also more at once than goroutines wait, of which no more stay than may.
func TestGo(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		var all, begun sync.WaitGroup
		hold := make(chan struct{})
		for range 10 * most {
			all.Add(1)
			begun.Add(1)
			Go(func() {
				defer all.Done()
				begun.Done()
				<-hold
			})
		}
		begun.Wait() // none has waited for another one to end
		close(hold)
		all.Wait()
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+most; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines more than before", runtime.NumGoroutine()-before)
		}
	}
	if n := waiting.Load(); n < 1 || n > most {
		t.Errorf("%d goroutines wait", n)
	}
}

// deep needs more stack than a goroutine has at first.
func deep(n int) byte {
	var room [256]byte
	room[n] = byte(n)
	if n > 0 {
		return deep(n-1) + room[n]
	}
	return room[0]
}

// BenchmarkGo compares with the go statement, for a function with a stack as connections have it.
func BenchmarkGo(b *testing.B) {
	for name, run := range map[string]func(func()){"worker": Go, "go": func(f func()) { go f() }} {
		b.Run(name, func(b *testing.B) {
			done := make(chan byte)
			for b.Loop() {
				run(func() { done <- deep(20) })
				<-done
			}
		})
	}
}
