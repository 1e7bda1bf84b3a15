package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/control"
	"fleet/cmd/fleet-chat/internal/hub"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/fleet-chat/internal/tools"
	"fleet/cmd/fleet-chat/internal/wake"
	"fleet/cmd/internal/listen"
	"fleet/schemas/chat"
)

// instance is the running chat.
type instance struct {
	o       options
	log     *logrus.Logger
	config  *chat.Config
	store   *store.Store
	hub     *hub.Hub
	callers []*caller
	listen  *listen.Server
	control *control.Server

	mu      sync.Mutex
	closers []io.Closer
}

// open makes everything that the chat needs. After an error too, what it returns is to be closed.
func open(o options, log *logrus.Logger) (s *instance, err error) {
	s = &instance{o: o, log: log}
	if s.config, err = load(o.config); err != nil {
		return s, err
	}
	far, err := connect(s.config, o.credentials, log)
	if err != nil {
		return s, err
	}
	if s.store, err = store.Open(o.state, s.config); err != nil {
		return s, err
	}
	s.hub = hub.New(hub.Options{Config: s.config, Store: s.store, Backend: far, Wake: wake.New(s.config), Log: log})
	s.listen = listen.New(0, nil, log)
	s.control = control.New(s.hub.Operators(), log)
	s.keep(s.control)
	return s, s.offer()
}

// load reads the configuration.
func load(path string) (*chat.Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, chat.MaxSize+1))
	if err != nil {
		return nil, err
	}
	c, err := chat.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// offer serves each agent on its sockets, and operators on theirs.
func (s *instance) offer() error {
	names := []string{chat.ControlSocket}
	for i := range s.config.Agents {
		names = append(names, socketsOf(&s.config.Agents[i])...)
	}
	sockets, err := listen.Inherited(names)
	if err != nil {
		return err
	}
	operators := newServed(s, s.control)
	for _, l := range sockets[chat.ControlSocket] {
		s.keep(l)
		s.listen.Add(l, operators.take)
	}
	kit, most := tools.NewKit(&s.config.Limits, s.log), tools.MaxMessage(&s.config.Limits)
	for i := range s.config.Agents {
		a := &s.config.Agents[i]
		c := &caller{of: s, kit: kit, agent: s.hub.Agent(a.Key), most: most}
		s.callers = append(s.callers, c)
		local, err := listen.Of(sockets, a.Stdio, "unix")
		if err != nil {
			return err
		}
		remote, err := listen.Of(sockets, a.HTTP, "tcp")
		if err != nil {
			return err
		}
		for _, l := range append(local, remote...) {
			s.keep(l)
			s.listen.Add(l, c.takes(l))
		}
	}
	return nil
}

// socketsOf are the names of an agent's sockets, each once.
func socketsOf(a *chat.Agent) (names []string) {
	for _, name := range []string{a.HTTP, a.Stdio} {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (s *instance) keep(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, c)
}

// running is how many calls are open.
func (s *instance) running() (n int) {
	for _, c := range s.callers {
		if side := c.side.Load(); side != nil {
			n += side.Running()
		}
	}
	return n
}

// alive tells whether sockets are served and the store reads and writes; it hangs where that does.
func (s *instance) alive(time.Duration) bool {
	return s.listen.Alive() && s.store.Alive() == nil
}

// status is the line of systemctl status.
func (s *instance) status() string {
	return fmt.Sprintf("%d agents, %d channels, %s", len(s.config.Agents), len(s.config.Channels), s.config.Backend.Kind)
}

// close ends the sessions and closes the store. systemd keeps the sockets.
func (s *instance) close() error {
	var errs []error
	s.mu.Lock()
	for _, c := range s.closers {
		c.Close() // it may be closed already
	}
	s.mu.Unlock()
	for _, c := range s.callers {
		if side := c.side.Load(); side != nil {
			side.Close()
		}
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}
