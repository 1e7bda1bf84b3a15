package listen

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-gate/internal/worker"
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

// logPause is how long a further run of failed accepts is not told of in the log.
const logPause = time.Minute

// Server serves the sockets until it is idle or told to end.
type Server struct {
	sockets *Sockets
	h       Handlers
	o       Options
	slots   chan struct{} // one element for each open connection, and for each listener that waits for one
	open    atomic.Int64
	last    atomic.Int64 // time of the last arrival or end, nanoseconds of the monotonic clock since start
	start   time.Time

	waited, failures atomic.Int64
	failedAt         atomic.Int64 // when a failed accept was logged, as last

	mu     sync.Mutex
	conns  map[*net.TCPConn]struct{} // that are not done
	loops  []*loop                   // of the round
	closed bool                      // no round runs
}

// loop is what takes from one socket.
type loop struct {
	busy atomic.Int64 // since when it does something else, as last; 0: it waits for the socket
	done atomic.Bool
}

// New makes a server of the sockets.
func New(s *Sockets, h Handlers, o Options) *Server {
	slots := make(chan struct{}, o.Max+len(s.streams()))
	return &Server{sockets: s, h: h, o: o, slots: slots, start: time.Now(), conns: map[*net.TCPConn]struct{}{}, closed: true}
}

// Open is the number of connections that are not done.
func (s *Server) Open() int { return int(s.open.Load()) }

// Waited is how many connections had to wait until another one ended, NotTaken how often none could be taken for another
// reason.
func (s *Server) Waited() int64   { return s.waited.Load() }
func (s *Server) NotTaken() int64 { return s.failures.Load() }

// CloseAll closes all connections, whatever they are at.
func (s *Server) CloseAll() {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
}

// Alive tells whether every socket is served: no loop has ended, and none has been busy with one thing for so long.
func (s *Server) Alive(limit time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return true
	}
	return !slices.ContainsFunc(s.loops, func(l *loop) bool {
		busy := l.busy.Load()
		return l.done.Load() || busy != 0 && time.Since(s.start)-time.Duration(busy) > limit
	})
}

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
	var wg sync.WaitGroup
	var loops []*loop
	each(&wg, &loops, s.sockets.Proxy, func(a *loop, l *net.TCPListener) { s.accept(ctx, a, l, s.h.Proxy) })
	each(&wg, &loops, s.sockets.Transparent, func(a *loop, l *net.TCPListener) { s.accept(ctx, a, l, s.h.Transparent) })
	each(&wg, &loops, s.sockets.DNSStream, func(a *loop, l *net.TCPListener) { s.accept(ctx, a, l, s.h.DNSStream) })
	each(&wg, &loops, s.sockets.DNS, s.datagrams)
	s.serving(loops, false)
	s.untilIdle(ctx)
	s.serving(nil, true)
	s.deadline(time.Unix(1, 0)) // ends accept and read, and closes nothing
	wg.Wait()
	return s.left()
}

func each[T any](wg *sync.WaitGroup, loops *[]*loop, list []T, f func(*loop, T)) {
	for _, v := range list {
		l := new(loop)
		*loops = append(*loops, l)
		wg.Go(func() {
			defer l.done.Store(true)
			f(l, v)
		})
	}
}

// serving notes the loops that are to be alive.
func (s *Server) serving(loops []*loop, closed bool) {
	s.mu.Lock()
	s.loops, s.closed = loops, closed
	s.mu.Unlock()
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
func (s *Server) accept(ctx context.Context, a *loop, l *net.TCPListener, serve func(*net.TCPConn, func())) {
	for {
		a.busy.Store(0)
		if !s.slot(ctx) {
			return
		}
		c, err := l.AcceptTCP()
		a.busy.Store(int64(time.Since(s.start)))
		if err != nil {
			<-s.slots
			if ended(err) {
				return
			}
			s.failed(err)
			continue
		}
		s.open.Add(1)
		s.touch()
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		worker.Go(func() { serve(c, func() { s.done(c) }) })
	}
}

// slot takes a slot. Neither idle nor at its end is a server whose slots are all taken, but ctx may end it.
func (s *Server) slot(ctx context.Context) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	s.waited.Add(1)
	select {
	case s.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) done(c *net.TCPConn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.touch()
	s.open.Add(-1)
	<-s.slots
}

func ended(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}

func (s *Server) failed(err error) {
	s.failures.Add(1)
	now := int64(time.Since(s.start))
	if last := s.failedAt.Load(); last == 0 || time.Duration(now-last) > logPause {
		s.failedAt.Store(now)
		s.o.Log.WithError(err).Error("cannot accept connections; trying again")
	}
	time.Sleep(backoff)
}

func (s *Server) datagrams(a *loop, c *net.UDPConn) {
	buf := make([]byte, maxDatagram)
	for {
		a.busy.Store(0)
		n, from, err := c.ReadFromUDPAddrPort(buf)
		a.busy.Store(int64(time.Since(s.start)))
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
