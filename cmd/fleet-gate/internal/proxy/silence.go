package proxy

import (
	"sync"
	"time"
)

// limitSilence ends an exchange in which no byte went either way for as long as a tunnel may be idle.
func (x *exchange) limitSilence() (stop func()) {
	idle := x.s.p.Idle
	if idle == 0 {
		return func() {}
	}
	s := &silence{x: x, every: idle / looks}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(s.every, s.look)
	return s.stop
}

type silence struct {
	x     *exchange
	every time.Duration

	mu    sync.Mutex
	timer *time.Timer // nil at the end
	quiet int         // looks in a row in which no byte had gone
	seen  int64
}

func (s *silence) look() {
	s.mu.Lock()
	now := s.x.body.n.Load() + s.x.down.Load()
	if s.quiet++; now != s.seen {
		s.quiet, s.seen = 0, now
	}
	over := s.quiet >= looks && s.timer != nil
	if s.timer != nil && !over {
		s.timer.Reset(s.every)
	}
	s.mu.Unlock()
	if over {
		s.x.wasIdle.Store(true)
		s.x.cancel()
		s.x.a.cut()
	}
}

func (s *silence) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Stop()
	s.timer = nil
}
