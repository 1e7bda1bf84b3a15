package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-gate/internal/audit"
	"fleet/cmd/fleet-gate/internal/dns"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/listen"
	"fleet/cmd/fleet-gate/internal/names"
	"fleet/cmd/fleet-gate/internal/outgoing"
	"fleet/cmd/fleet-gate/internal/proxy"
	"fleet/schemas/policy"
)

// gate is the running gate of one agent.
type gate struct {
	o       options
	log     *logrus.Logger
	policy  *policy.Policy
	sockets *listen.Sockets
	server  *listen.Server
	audit   *audit.Log
	names   *names.Table
	judge   *judge.Judge
	dialer  *outgoing.Dialer
	proxy   *proxy.Proxy
}

// load reads a policy and makes it ready.
func load(path string) (*policy.Policy, *policy.Matcher, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, policy.MaxSize+1))
	if err != nil {
		return nil, nil, err
	}
	p, err := policy.Parse(b)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	m, err := p.Compile()
	return p, m, err
}

// open makes everything that a gate needs, or fails: no agent has half a gate.
func open(o options, log *logrus.Logger) (g *gate, err error) {
	g = &gate{o: o, log: log}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	p, m, err := load(o.policy)
	if err != nil {
		return g, err
	}
	limit, err := connections()
	if err != nil {
		return g, err
	}
	if g.sockets, err = listen.Inherited(o.ports); err != nil {
		return g, err
	}
	if g.names, err = names.Open(statePath(o)); err != nil {
		return g, err
	}
	j, err := audit.OpenJournal(o.journal)
	if err != nil {
		return g, fmt.Errorf("journal: %w", err)
	}
	g.policy = p
	g.audit = audit.New(j, audit.Of{Project: p.Project, Agent: p.Agent, UID: p.UID})
	g.judge = judge.New(m, g.audit)
	g.dialer = outgoing.New(g.judge, outgoing.Options{DNS: p.DNS, Upstream: p.Upstream})
	g.proxy = proxy.New(proxy.Options{Judge: g.judge, Names: g.names, Dialer: g.dialer, Idle: o.tunnelIdle})
	d := dns.New(g.judge, g.names)
	g.server = listen.New(g.sockets, listen.Handlers{
		Proxy: g.proxy.Requests, Transparent: g.proxy.Redirected, DNSStream: d.Stream, DNS: d.Datagram,
	}, listen.Options{Idle: o.idle, Max: limit, Log: log})
	return g, nil
}

func (g *gate) close() {
	if g.sockets != nil {
		g.sockets.Close()
	}
	if g.audit != nil {
		g.audit.Close()
	}
	if g.names != nil {
		g.names.Close()
	}
}

// reload puts the policy file in force. With one that cannot be read the old one stays.
func (g *gate) reload() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // fails for no clock that the kernel has
	notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
	status := ""
	if cut, err := g.replace(); err != nil {
		g.log.WithError(err).Error("the policy cannot be read; the one before stays in force")
		status = "policy cannot be read, the one before stays in force"
	} else {
		g.log.WithField("cut", cut).Info("policy replaced")
		status = g.status()
	}
	notify("READY=1\nSTATUS=" + status)
}

func (g *gate) replace() (cut int, err error) {
	p, m, err := load(g.o.policy)
	if err != nil {
		return 0, err
	}
	if p.Project != g.policy.Project || p.Agent != g.policy.Agent || p.UID != g.policy.UID {
		return 0, fmt.Errorf("%s: is the policy of %s %s with user %d, this gate is that of %s %s with user %d",
			g.o.policy, p.Project, p.Agent, p.UID, g.policy.Project, g.policy.Agent, g.policy.UID)
	}
	g.dialer.Configure(outgoing.Options{DNS: p.DNS, Upstream: p.Upstream})
	cut = g.judge.Replace(m)
	g.proxy.Replaced()
	g.policy = p
	return cut, nil
}

func (g *gate) status() string {
	return fmt.Sprintf("mode %s, %d rules allow, %d deny", g.policy.Mode, len(g.policy.Allow), len(g.policy.Deny))
}

// notify tells systemd, where there is one; it goes on without.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }
