package proxy

import (
	"errors"
	"sync"
	"syscall"
	"time"
)

// goneAfter is how long an answer may take before the agent's end is looked for. Most do not take so long.
const goneAfter = time.Second

// watchAgent calls gone when the agent closes its connection while it waits for an answer, which would else be held
// open for nobody. It looks at a request without a body only: reading a body finds out by itself. The caller calls stop
// before it reads from the connection again, as often as it likes.
func (x *exchange) watchAgent(gone func()) (stop func()) {
	if !x.body.ended() {
		return func() {}
	}
	_ = x.s.c.SetReadDeadline(time.Time{})
	done := make(chan struct{})
	timer := time.AfterFunc(goneAfter, func() {
		defer close(done)
		if x.s.closed() {
			gone()
		}
	})
	return sync.OnceFunc(func() {
		if !timer.Stop() {
			_ = x.s.c.SetReadDeadline(time.Unix(1, 0))
			<-done
		}
	})
}

// closed waits for bytes, the end or the deadline of the connection, takes nothing, and reports the end.
func (s *session) closed() (end bool) {
	raw, err := s.c.SyscallConn()
	if err != nil {
		return false
	}
	var b [1]byte
	_ = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		if errors.Is(err, syscall.EAGAIN) {
			return false
		}
		end = n <= 0
		return true
	})
	return end
}
