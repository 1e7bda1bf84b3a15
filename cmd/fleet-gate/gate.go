package main

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/activate/boottime"
	"fleet/cmd/fleet-gate/internal/audit"
	"fleet/cmd/fleet-gate/internal/broker"
	"fleet/cmd/fleet-gate/internal/budget"
	"fleet/cmd/fleet-gate/internal/ca"
	"fleet/cmd/fleet-gate/internal/control"
	"fleet/cmd/fleet-gate/internal/dns"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/keep"
	"fleet/cmd/fleet-gate/internal/listen"
	"fleet/cmd/fleet-gate/internal/names"
	"fleet/cmd/fleet-gate/internal/outgoing"
	"fleet/cmd/fleet-gate/internal/proxy"
	"fleet/cmd/fleet-gate/internal/tally"
	"fleet/cmd/fleet-gate/internal/vault"
	"fleet/schemas/egress"
)

// gate is the running gate of one agent.
type gate struct {
	o       options
	log     *logrus.Logger
	started time.Time
	sockets *listen.Sockets
	server  *listen.Server
	audit   *audit.Log
	tally   *tally.Tally
	counts  *keep.File
	budget  *budget.Book
	names   *names.Table
	vault   *vault.Vault
	judge   *judge.Judge
	dialer  *outgoing.Dialer
	ca      *ca.Minter
	proxy   *proxy.Proxy
	control *control.Server

	reloads, failed atomic.Int64 // policies read again, and those that could not be

	mu sync.Mutex
	switches
	rules rules
	alarm *boottime.Alarm // of the bypass that runs
	fault string          // why what was read last is not in force
}

// open makes everything that a gate needs, or fails: no agent has half a gate.
func open(o options, log *logrus.Logger) (g *gate, err error) {
	g = &gate{o: o, log: log, started: time.Now().UTC().Truncate(time.Second)}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.rules, err = load(o.policy); err != nil {
		return g, err
	}
	if g.vault, err = vault.Open(o.credentials, g.rules.policy.Secrets); err != nil {
		return g, err
	}
	limit, err := connections()
	if err != nil {
		return g, err
	}
	if g.sockets, err = listen.Inherited(o.ports); err != nil {
		return g, err
	}
	if err := g.openState(); err != nil {
		return g, err
	}
	g.budget.Configure(g.rules.matcher.Limits())
	p := g.rules.policy
	if g.audit, err = audit.Open(o.journal, o.runtime, audit.Of{Project: p.Project, Agent: p.Agent, UID: p.UID}); err != nil {
		return g, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.look()
	g.judge = judge.New(g.matcher(), g.tally.Over(g.audit))
	g.dialer = outgoing.New(g.judge, outgoing.Options{DNS: p.DNS, Upstream: p.Upstream})
	g.dialer.Dialled, g.dialer.Listeners = g.tally.Dialled, g.sockets.Here()
	pool, err := ca.Pool(o.roots)
	if err != nil {
		return g, err
	}
	g.proxy = proxy.New(proxy.Options{
		Judge: g.judge, Names: g.names, Dialer: g.dialer, Budget: g.budget, Idle: o.tunnelIdle, CA: g.ca, Roots: pool,
		Broker: broker.New(g.vault),
	})
	d := dns.New(g.judge, g.names)
	d.Answered = g.tally.Answered
	g.server = listen.New(g.sockets, listen.Handlers{
		Proxy: g.proxy.Requests, Transparent: g.proxy.Redirected, DNSStream: d.Stream, DNS: d.Datagram,
	}, listen.Options{Idle: o.idle, Max: limit, Log: log})
	if o.control != "" {
		g.control, err = control.Listen(o.control, control.Answers{Status: g.tell, Metrics: g.metrics}, log)
	}
	return g, err
}

// openState opens what the gate before has left.
func (g *gate) openState() (err error) {
	if g.names, err = names.Open(filepath.Join(g.o.state, "names")); err != nil {
		return err
	}
	if g.budget, err = budget.Open(filepath.Join(g.o.state, "budgets"), g.log); err != nil {
		return err
	}
	if g.ca, err = ca.NewMinter(g.o.state); err != nil {
		return err
	}
	if err := g.ca.Configure(ca.Hosts(g.rules.policy)); err != nil {
		return err
	}
	g.tally = tally.New(func() { g.counts.Changed() })
	g.counts = keep.New(filepath.Join(g.o.state, egress.CountsFile), g.tally.Encode, g.log)
	return g.counts.Load(egress.MaxCounts, g.tally.Parse)
}

func (g *gate) close() {
	if g.control != nil {
		g.control.Close()
	}
	if g.sockets != nil {
		g.sockets.Close()
	}
	if g.audit != nil {
		if err := g.audit.Close(); err != nil {
			g.log.Error(err)
		}
	}
	if g.counts != nil {
		_ = g.counts.Write() // logged
	}
	if g.budget != nil {
		_ = g.budget.Close() // logged
	}
	if g.names != nil {
		g.names.Close()
	}
}
