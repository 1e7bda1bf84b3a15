//go:build machine

package egress

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
)

// isolation of the agents.
var isolation = map[string]string{"n1": "namespace", "n2": "namespace", "u1": "user", "u2": "user"}

// both are the agents that make the attempts: one of each kind of isolation.
var both = []string{"n1", "u1"}

// specText is a fleet of agents that do what a test tells them.
const specText = `{
  version: 'fleet/v1', project: 'demo',
  activation: { health: '2s', deadman: '60s', job: '45s' },
  harnesses: {
    orders: { program: 'attempter', interactive: ['attempter', '{{prompt}}'], headless: ['attempter', '{{prompt}}'],
              turnEnd: 'exit' },
  },
  defaults: { harness: 'orders', mode: 'headless', iteration: '10s', session: '2h', prompt: 'serve' },
  agents: {
    n1: { isolation: 'namespace' }, n2: { isolation: 'namespace' },
    u1: { isolation: 'user' }, u2: { isolation: 'user' },
  },
  egress: {
    allow: [
      'web.test', 'xn--bcher-kva.test', '*.wild.test', '*.many.test', 'registry.test', 'api.anthropic.com',
      { host: 'alt.test', ports: [8443] },
      { host: 'ssh.test', ports: [22], protocol: 'raw' }, { host: 'echo.test', ports: [7], protocol: 'raw' },
      { host: 'silent.test', ports: [9], protocol: 'raw' },
      'git.test', { host: 'git.test', ports: [2222], protocol: 'raw' },
      { host: 'api.test', methods: ['GET', 'POST'], paths: ['/v1/*'] },
      { host: 'any.api.test', paths: ['/*'] }, { host: '*.leaf.test', paths: ['/*'] },
      { host: 'expired.api.test', methods: ['GET'] }, { host: 'selfsigned.api.test', methods: ['GET'] },
      { host: 'wrongname.api.test', methods: ['GET'] },
      '*.ssrf.test', '*.ssrf6.test', 'lan.test',
      { host: 'home.test', private: true }, { host: 'home-meta.test', private: true },
      { host: '10.9.8.7', ports: [80], private: true },
      { host: 'few.test', limits: { requestsPerDay: 3 } }, { host: 'small.test', limits: { bytesUpPerDay: '64K' } },
    ],
    deny: ['bad.wild.test', { host: 'api.test', ports: [443, 80], paths: ['/v1/secret', '/v1/secret/*'] }],
  },
}`

// lab is a machine with origins on which the agents run.
type lab struct {
	*e2e.Host
	t   testing.TB
	net *origins.Net
}

// boot makes a machine and switches it to the fleet, with changes to the spec.
func boot(t testing.TB, o machine.Options, changes ...string) *lab {
	t.Helper()
	l := begin(t, o)
	l.Switch(l.Build(spec(changes...)))
	return l
}

// begin makes a machine without a fleet.
func begin(t testing.TB, o machine.Options) *lab {
	t.Helper()
	o.Files = append(o.Files, origins.File(), machine.File{Outside: "/proc/self/exe", Inside: "/usr/local/bin/" + program})
	l := &lab{Host: e2e.New(t, machinetest.Options{Options: o}), t: t}
	l.net = origins.Start(t, l.M)
	l.net.Public("web.test", "xn--bcher-kva.test", "x.wild.test", "a.b.wild.test", "wild.test", "bad.wild.test", "registry.test", "api.anthropic.com",
		"alt.test", "ssh.test", "echo.test", "silent.test", "git.test", "api.test", "any.api.test", "expired.api.test", "selfsigned.api.test",
		"wrongname.api.test", "few.test", "small.test", "evil.test", "sub.web.test", "web.test.evil.test", "notweb.test", "many.test")
	l.net.Names(map[string]origins.Answer{
		"home.test": {Addresses: []string{"10.1.2.3"}}, "home-meta.test": {Addresses: []string{"169.254.169.254"}},
		"lan.test": {Addresses: []string{"10.1.2.3"}},
	})
	return l
}

func spec(changes ...string) string {
	return strings.Join(append([]string{specText, origins.Spec}, changes...), " + ")
}

// on returns the lab for a subtest.
func (l *lab) on(t testing.TB) *lab { return &lab{Host: l.On(t), t: t, net: l.net.On(t)} }

// agent returns an agent that takes orders.
func (l *lab) agent(t testing.TB, key string) *agent {
	t.Helper()
	a := &agent{lab: l.on(t), key: key}
	a.await()
	out, exit := a.sh(order{Script: `echo "${HTTP_PROXY#http://}"`})
	if exit != 0 {
		t.Fatal(out)
	}
	a.proxy = strings.TrimSpace(out)
	a.dns = "127.0.0.1:53" // in each mode
	return a
}

// await waits until the agent takes orders.
func (a *agent) await() {
	a.t.Helper()
	a.Eventually("agent "+a.key+" takes orders", 60*time.Second, func() error {
		c, _, err := a.give(order{Op: "none"})
		if err == nil {
			c.Close()
		}
		return err
	})
}

// lasting is the test that runs, as the machine sees it that several tests share: what is to be done at its end is done
// at the end of all.
type lasting struct {
	testing.TB
	ends []func()
}

func (l *lasting) Cleanup(f func()) { l.ends = append(l.ends, f) }
func (l *lasting) Failed() bool     { return false } // at its end no test is left to log to

// pool is a machine that tests share, one after the other.
type pool struct {
	sync.Mutex
	lasting lasting
	begun   bool // a test has tried to make it
	changed bool // it may have another fleet
	make    func(t testing.TB, o machine.Options) *lab
	lab     *lab
}

// steady is the machine of tests that leave it as it was, churned that of tests that switch and break gates, sealed that
// of agents with secrets.
var (
	steady  = pool{make: plain}
	churned = pool{make: plain}
	sealed  = pool{make: withSecrets}
)

func plain(t testing.TB, o machine.Options) *lab { return boot(t, o) }

// share returns the machine of tests that leave it as it was.
func share(t *testing.T) *lab {
	t.Helper()
	l := steady.take(t)
	if steady.changed {
		l.Switch(l.Build(spec()), "--now")
		steady.changed = false
	}
	return l
}

// churn returns the machine of tests that change it, with the fleet of specText in force. Where machines are limited to
// one it is that of the others.
func churn(t *testing.T) *lab {
	t.Helper()
	p := &churned
	if oneMachine() {
		p = &steady
	}
	l := p.take(t)
	l.Switch(l.Build(spec()), "--now")
	p.changed = true
	return l
}

// oneMachine tells whether machines are limited to one. All three together need no more than are allowed by default; a test
// here that made one of its own besides would wait for ever.
func oneMachine() bool { return os.Getenv("FLEET_TEST_MACHINES") == "1" }

func (p *pool) take(t *testing.T) *lab {
	t.Helper()
	p.Lock()
	t.Cleanup(p.Unlock)
	p.lasting.TB = t
	if p.begun && p.lab == nil {
		t.Fatal("another test could not make the machine that tests share")
	}
	if p.begun = true; p.lab == nil {
		p.lab = p.make(&p.lasting, clients(t))
		p.lab.serveSSH()
	}
	l := p.lab.on(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the gates' journal:\n%s", l.journal("-n", "60"))
		}
	})
	return l
}

// endShared ends the machines that tests shared.
func endShared() {
	for _, p := range []*pool{&steady, &churned, &sealed} {
		for _, end := range slices.Backward(p.lasting.ends) {
			end()
		}
	}
}

// journal is what the gates have written.
func (l *lab) journal(args ...string) string {
	c, cancel := ctx()
	defer cancel()
	out, errOut, err := l.Run(c, append([]string{"journalctl", "-q", "--no-pager", "--namespace=fleet-demo"}, args...)...)
	return out + errOut + text(err)
}

// each runs a test for one agent of each kind of isolation.
func each(t *testing.T, f func(t *testing.T, a *agent)) {
	t.Helper()
	l := share(t)
	for _, key := range both {
		t.Run(key+"-"+isolation[key], func(t *testing.T) { f(t, l.agent(t, key)) })
	}
}

// records are those that the journal has of the agent, from a point in time on.
func (a *agent) records(since time.Time) []audit.Entry {
	a.t.Helper()
	out := a.entries()
	return slices.DeleteFunc(out, func(e audit.Entry) bool { return e.Time.Before(since) })
}

// news returns what tells the records that the journal has of the agent from now on.
func (a *agent) news() func() []audit.Entry {
	a.t.Helper()
	time.Sleep(100 * time.Millisecond) // a gate's records take some milliseconds
	var last time.Time
	if all := a.entries(); len(all) > 0 {
		last = all[len(all)-1].Time
	}
	return func() []audit.Entry {
		return slices.DeleteFunc(a.entries(), func(e audit.Entry) bool { return !e.Time.After(last) })
	}
}

var errNoRecord = errors.New("there is no such record")
