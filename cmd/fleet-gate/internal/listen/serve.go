package listen

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Handlers serve what arrives. A stream belongs to its handler, which calls done exactly once when nothing of it is
// left; that may be after it returned. A datagram's answer is sent back unless it is empty.
type Handlers struct {
	Proxy       func(c *net.TCPConn, done func())
	Transparent func(c *net.TCPConn, done func())
	DNSStream   func(c *net.TCPConn, done func())
	DNS         func(query []byte, from netip.AddrPort) (answer []byte)
}

// Options of Serve.
type Options struct {
	Idle time.Duration // Serve returns after so long without a connection or a datagram; 0: never
	Max  int           // connections at once; more wait in the kernel's queue
	Log  *logrus.Logger
}

// maxDatagram is the largest query that is read: far more than any real one, which has one name of at most 255 bytes.
const maxDatagram = 4 << 10

// backoff is the pause after a failed accept, which is nearly always a lack of descriptors or memory: without it the
// gate would spin.
const backoff = 100 * time.Millisecond

// Server serves the sockets until it is idle or told to end.
type Server struct {
	sockets *Sockets
	h       Handlers
	o       Options
	slots   chan struct{} // one element for each open connection, and for each listener that waits for one
	open    atomic.Int64
	last    atomic.Int64 // time of the last arrival or end, nanoseconds of the monotonic clock since start
	start   time.Time
	failing atomic.Bool // accept fails; logged once
}

// New makes a server of the sockets.
func New(s *Sockets, h Handlers, o Options) *Server {
	slots := make(chan struct{}, o.Max+len(s.streams()))
	return &Server{sockets: s, h: h, o: o, slots: slots, start: time.Now()}
}

// Open is the number of connections that are not done.
func (s *Server) Open() int { return int(s.open.Load()) }

// Serve accepts until ctx is done or nothing has happened for Options.Idle, and returns whether it was idle. It accepts
// nothing any more then: a connection that comes in between waits in the socket for the next gate. Connections that
// are open when ctx is done are left to the caller.
func (s *Server) Serve(ctx context.Context) (idle bool) {
	s.touch()
	for {
		wait := s.round(ctx)
		if ctx.Err() != nil {
			return false
		}
		if wait <= 0 && s.Open() == 0 {
			return true
		}
	}
}

// round accepts until ctx is done or the server looks idle, stops accepting, and tells how long it has still to wait.
func (s *Server) round(ctx context.Context) time.Duration {
	s.deadline(time.Time{})
	var loops sync.WaitGroup
	each(&loops, s.sockets.Proxy, func(l *net.TCPListener) { s.accept(ctx, l, s.h.Proxy) })
	each(&loops, s.sockets.Transparent, func(l *net.TCPListener) { s.accept(ctx, l, s.h.Transparent) })
	each(&loops, s.sockets.DNSStream, func(l *net.TCPListener) { s.accept(ctx, l, s.h.DNSStream) })
	each(&loops, s.sockets.DNS, s.datagrams)
	s.untilIdle(ctx)
	s.deadline(time.Unix(1, 0)) // ends accept and read, and closes nothing
	loops.Wait()
	return s.left()
}

func each[T any](wg *sync.WaitGroup, list []T, f func(T)) {
	for _, v := range list {
		wg.Go(func() { f(v) })
	}
}

func (s *Server) deadline(t time.Time) {
	for _, l := range s.sockets.streams() {
		_ = l.SetDeadline(t)
	}
	for _, c := range s.sockets.DNS {
		_ = c.SetReadDeadline(t)
	}
}

func (s *Server) untilIdle(ctx context.Context) {
	if s.o.Idle == 0 {
		<-ctx.Done()
		return
	}
	for {
		wait := s.left()
		if s.Open() > 0 {
			wait = s.o.Idle
		} else if wait <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (s *Server) touch() { s.last.Store(int64(time.Since(s.start))) }

func (s *Server) left() time.Duration {
	return s.o.Idle - (time.Since(s.start) - time.Duration(s.last.Load()))
}

// accept takes a slot first, so that a connection too many stays in the kernel's queue and costs nothing.
func (s *Server) accept(ctx context.Context, l *net.TCPListener, serve func(*net.TCPConn, func())) {
	for {
		// Neither idle nor at its end is a server whose slots are all taken, but ctx may end it.
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		c, err := l.AcceptTCP()
		if err != nil {
			<-s.slots
			if ended(err) {
				return
			}
			s.failed(err)
			continue
		}
		s.failing.Store(false)
		s.open.Add(1)
		s.touch()
		go serve(c, s.done)
	}
}

func (s *Server) done() {
	s.touch()
	s.open.Add(-1)
	<-s.slots
}

func ended(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}

func (s *Server) failed(err error) {
	if !s.failing.Swap(true) {
		s.o.Log.WithError(err).Error("cannot accept connections; trying again")
	}
	time.Sleep(backoff)
}

func (s *Server) datagrams(c *net.UDPConn) {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ended(err) {
				return
			}
			s.failed(err)
			continue
		}
		s.touch()
		if answer := s.h.DNS(buf[:n], from); len(answer) > 0 {
			// An answer that cannot be sent is asked for again.
			_, _ = c.WriteToUDPAddrPort(answer, from)
		}
	}
}
