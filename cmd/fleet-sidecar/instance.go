package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-sidecar/internal/calls"
	"fleet/cmd/fleet-sidecar/internal/credentials"
	"fleet/cmd/fleet-sidecar/internal/relay"
	"fleet/cmd/fleet-sidecar/internal/tool"
	"fleet/cmd/internal/listen"
	"fleet/cmd/internal/stdio"
	"fleet/cmd/internal/web"
	"fleet/schemas/sidecar"
)

// instance is the running sidecar.
type instance struct {
	o       options
	log     *logrus.Logger
	config  *sidecar.Config
	calls   *calls.Log
	tool    *tool.Tool
	relay   *relay.Relay
	listen  *listen.Server
	web     []*web.Server
	closers []io.Closer
}

// open makes everything that a sidecar needs, or fails. The tool is started when it is first needed.
func open(o options, log *logrus.Logger) (s *instance, err error) {
	s = &instance{o: o, log: log}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.config, err = load(o.config); err != nil {
		return s, err
	}
	secrets, err := credentials.Load(o.credentials, s.config.Tool.Secrets)
	if err != nil {
		return s, err
	}
	scrub := secrets.Scrubber()
	if s.calls, err = calls.Open(o.journal, o.runtime, s.config); err != nil {
		return s, err
	}
	if s.relay, err = relay.New(s.config, scrub, s.calls, log); err != nil {
		return s, err
	}
	s.tool = tool.New(tool.Options{
		Config: s.config, Secrets: secrets, Scrub: scrub, Home: o.home, Log: log, Notified: s.relay.Notified,
		Ready: o.ready, Grace: o.grace,
	})
	s.relay.Serve(s.tool)
	s.listen = listen.New(o.idle, s.busy, log)
	return s, s.offer()
}

// load reads the configuration.
func load(path string) (*sidecar.Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, sidecar.MaxSize+1))
	if err != nil {
		return nil, err
	}
	c, err := sidecar.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// offer serves each agent on its sockets.
func (s *instance) offer() error {
	var names []string
	for _, a := range s.config.Agents {
		for _, name := range []string{a.HTTP, a.Stdio} {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	sockets, err := listen.Inherited(names)
	if err != nil {
		return err
	}
	for _, a := range s.config.Agents {
		side := s.relay.Agent(a.Key)
		local, err := listen.Of(sockets, a.Stdio, "unix")
		if err != nil {
			return err
		}
		for _, l := range local {
			s.keep(l)
			s.listen.Add(l, func(c net.Conn) { stdio.Serve(side.Server(), c, s.config.MaxMessage) })
		}
		list, err := listen.Of(sockets, a.HTTP, "tcp")
		if err != nil {
			return err
		}
		if len(list) == 0 {
			continue
		}
		server := web.New(side.Server(), s.config.MaxMessage)
		s.web = append(s.web, server)
		for _, l := range list {
			s.keep(l)
			s.serve(server, l)
		}
	}
	return nil
}

func (s *instance) keep(c io.Closer) { s.closers = append(s.closers, c) }

// serve has a server take what a socket accepts.
func (s *instance) serve(server *web.Server, l listen.Listener) {
	q := listen.NewQueue(l.Addr())
	s.keep(q)
	s.listen.Add(l, func(c net.Conn) { q.Push(c) })
	go func() {
		if err := server.Serve(q); err != nil {
			s.log.Error(err)
		}
	}()
}

// busy tells whether a session or a call would be lost by an exit.
func (s *instance) busy() bool {
	n := s.relay.Running()
	for _, w := range s.web {
		n += w.Sessions()
	}
	return n > 0
}

// alive tells whether sockets are served and sessions can begin; it hangs where that does.
func (s *instance) alive(time.Duration) bool {
	s.busy()
	return s.listen.Alive()
}

// status is the line of systemctl status.
func (s *instance) status() string {
	return fmt.Sprintf("offers %s to %d agents", s.config.Name, len(s.config.Agents))
}

// endTime is how long calls may take to be told that the tool has ended.
const endTime = 2 * time.Second

// close ends the tool, the sessions and the records. systemd keeps the sockets.
func (s *instance) close() {
	for _, c := range s.closers {
		c.Close()
	}
	if s.relay != nil {
		s.relay.Close()
	}
	if s.tool != nil {
		s.tool.Close()
		for end := time.Now().Add(endTime); s.relay.Running() > 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // what was open is recorded as gone
		}
	}
	if s.calls != nil {
		if err := s.calls.Close(); err != nil {
			s.log.Error(err)
		}
	}
}
