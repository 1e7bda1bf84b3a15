package listen

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// maxOpen connections of one socket are open at a time; more wait in the kernel's queue.
const maxOpen = 128

// backoff is the pause after a failed accept, which is nearly always a lack of descriptors or memory.
const backoff = 100 * time.Millisecond

// Server serves sockets.
type Server struct {
	idle    time.Duration
	busy    func() bool
	log     *logrus.Logger
	sockets []socket

	open atomic.Int64
	last atomic.Int64 // when a connection came or went, nanoseconds since start
	// ended has the loops that should run and do not.
	ended atomic.Int64
	start time.Time
}

type socket struct {
	l     Listener
	slots chan struct{}
	serve func(net.Conn)
}

// New makes a server that is idle after so long (0: never) without a connection while busy says no.
func New(idle time.Duration, busy func() bool, log *logrus.Logger) *Server {
	return &Server{idle: idle, busy: busy, log: log, start: time.Now()}
}

// Add adds a socket. serve owns what it is given; it is over when that is closed.
func (s *Server) Add(l Listener, serve func(net.Conn)) {
	s.sockets = append(s.sockets, socket{l, make(chan struct{}, maxOpen), serve})
}

// Alive tells whether each socket is served.
func (s *Server) Alive() bool { return s.ended.Load() == 0 }

// Serve accepts until ctx is done or it is idle, and returns whether it was idle. It accepts nothing any more then, and
// has closed no listener: a connection that comes waits in the socket for the next daemon.
func (s *Server) Serve(ctx context.Context) (idle bool) {
	s.touch()
	for {
		s.round(ctx)
		if ctx.Err() != nil {
			return false
		}
		if s.wait() <= 0 { // nothing has come while the loops ended
			return true
		}
	}
}

// round accepts until ctx is done or the server looks idle.
func (s *Server) round(ctx context.Context) {
	s.deadline(time.Time{})
	stop, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, k := range s.sockets {
		wg.Go(func() {
			k.accept(stop, s)
			if stop.Err() == nil {
				s.ended.Add(1)
			}
		})
	}
	s.untilIdle(ctx)
	cancel()
	s.deadline(time.Unix(1, 0)) // ends accept, and closes nothing
	wg.Wait()
}

func (s *Server) deadline(t time.Time) {
	for _, k := range s.sockets {
		_ = k.l.SetDeadline(t) // fails for one that is closed
	}
}

// look is how often a server that would be idle is asked whether it still is not.
const look = time.Second

func (s *Server) untilIdle(ctx context.Context) {
	for {
		wait := s.wait()
		if wait <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// wait is how long it is at least until the server is idle.
func (s *Server) wait() time.Duration {
	switch {
	case s.idle == 0:
		return time.Hour
	case s.open.Load() > 0 || s.busy():
		s.touch()
		return min(s.idle, look)
	}
	return s.idle - (time.Since(s.start) - time.Duration(s.last.Load()))
}

func (s *Server) touch() { s.last.Store(int64(time.Since(s.start))) }

// accept takes a slot first, so that a connection too many stays in the kernel's queue and costs nothing.
func (k *socket) accept(ctx context.Context, s *Server) {
	for {
		select {
		case k.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		c, err := k.l.Accept()
		if err != nil {
			<-k.slots
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.WithError(err).Error("cannot accept connections; trying again")
			time.Sleep(backoff)
			continue
		}
		s.open.Add(1)
		s.touch()
		go k.serve(&conn{Conn: c, done: func() {
			s.touch()
			s.open.Add(-1)
			<-k.slots
		}})
	}
}

// writeTime is how long a client may read nothing of what it is sent.
const writeTime = 30 * time.Second

// conn is a connection that counts.
type conn struct {
	net.Conn
	once sync.Once
	done func()
}

// NetConn is the connection itself.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Write writes, within writeTime.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close closes the connection.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.done)
	return err
}

// Queue is a listener of connections that were taken already.
type Queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	addr   net.Addr
}

// NewQueue makes one with the address of the real listener.
func NewQueue(addr net.Addr) *Queue {
	return &Queue{conns: make(chan net.Conn), closed: make(chan struct{}), addr: addr}
}

// Push hands on a connection.
func (q *Queue) Push(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.closed:
		c.Close()
	}
}

// Accept waits for a connection.
func (q *Queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (q *Queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr is the address of the real listener.
func (q *Queue) Addr() net.Addr { return q.addr }
