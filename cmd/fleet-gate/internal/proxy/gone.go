package proxy

import (
	"errors"
	"os"
	"sync"
	"time"
)

// goneAfter is how long an exchange may take before the agent's end is looked for. Most do not take so long.
const goneAfter = time.Second

// watch finds out that the agent closes its connection while it waits for an answer or takes one in, which would else
// be held open for nobody. As long as a body is to come, reading that finds it out by itself.
func (a *h1) watch(gone func()) (stop func()) {
	w := &goneWatch{a: a, gone: gone}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(goneAfter, w.look)
	return w.stop
}

type goneWatch struct {
	a       *h1
	gone    func()
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	done    chan struct{} // a look waits for bytes; nil where none does
}

func (w *goneWatch) look() {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return
	}
	if !w.a.b.ended() {
		w.timer.Reset(goneAfter)
		w.mu.Unlock()
		return
	}
	done := make(chan struct{})
	w.done = done
	_ = w.a.s.c.SetReadDeadline(time.Time{})
	w.mu.Unlock()
	defer close(done)
	// What comes is kept in the reader: it is the next request.
	if _, err := w.a.s.r.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		w.gone()
	}
}

// stop leaves the reader to the caller. It may be called again.
func (w *goneWatch) stop() {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return
	}
	w.stopped = true
	w.timer.Stop()
	done := w.done
	if done != nil {
		_ = w.a.s.c.SetReadDeadline(time.Unix(1, 0))
	}
	w.mu.Unlock()
	if done != nil {
		<-done
	}
}
