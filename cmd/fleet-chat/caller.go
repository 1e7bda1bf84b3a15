package main

import (
	"net"
	"sync"
	"sync/atomic"

	"fleet/cmd/fleet-chat/internal/hub"
	"fleet/cmd/fleet-chat/internal/tools"
	"fleet/cmd/internal/listen"
	"fleet/cmd/internal/stdio"
	"fleet/cmd/internal/web"
)

// caller is an agent at its sockets. What it needs is made at its first connection: of many agents few may ever come.
type caller struct {
	of    *instance
	kit   *tools.Kit
	agent *hub.Agent
	most  int // bytes of a message

	mu   sync.Mutex
	side atomic.Pointer[tools.Side]
	web  *served
}

// takes returns what serves a connection of a socket: over TCP as HTTP, over a Unix socket as stdio servers speak.
func (c *caller) takes(l net.Listener) func(net.Conn) {
	if l.Addr().Network() == "unix" {
		return func(conn net.Conn) { stdio.Serve(c.open().Server(), conn, c.most) }
	}
	return func(conn net.Conn) { c.http().take(conn) }
}

func (c *caller) open() *tools.Side {
	c.mu.Lock()
	defer c.mu.Unlock()
	if side := c.side.Load(); side != nil {
		return side
	}
	side := c.kit.Side(c.agent)
	c.side.Store(side)
	return side
}

func (c *caller) http() *served {
	side := c.open()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.web == nil {
		c.web = newServed(c.of, web.New(side.Server(), c.most))
	}
	return c.web
}

// served is a server that takes connections which were accepted already.
type served struct{ q *listen.Queue }

func newServed(s *instance, server interface{ Serve(l net.Listener) error }) *served {
	q := listen.NewQueue(nowhere{})
	s.keep(q)
	go func() {
		if err := server.Serve(q); err != nil {
			s.log.Error(err)
		}
	}()
	return &served{q}
}

func (s *served) take(c net.Conn) { s.q.Push(c) }

// nowhere is the address of no socket in particular.
type nowhere struct{}

func (nowhere) Network() string { return "socket" }
func (nowhere) String() string  { return "socket" }
