//go:build machine

package egress

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
)

// unit is the agent's gate.
func (a *agent) unit() string { return "fleet-demo-" + a.key + "-gate.service" }

// gate returns the process of the agent's gate.
func (a *agent) gate() string {
	a.t.Helper()
	return a.Show(a.unit(), "MainPID")["MainPID"]
}

// get asks an allowed host, at once and without a second try.
func (a *agent) get(name string) {
	a.t.Helper()
	a.must(order{Script: "curl -sS --max-time 15 https://web.test/" + name, Plain: true}, "origin web.test GET /"+name)
}

// shut makes attempts that get through a hole, if there is one, and wants the origins to have seen nothing of them.
func (a *agent) shut() {
	a.t.Helper()
	a.net.Forget()
	for _, address := range []string{origins.Address + ":443", "1.1.1.1:80", "evil.test:443"} {
		c, d, err := a.give(order{Op: "dial", Network: "tcp", Address: address, Time: time.Second})
		if err != nil {
			a.t.Fatal(err)
		}
		if d.Error == "" {
			_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
			_ = greet(c, 0, clientHello("evil.test"))
		}
		c.Close()
	}
	_, _ = a.udp(origins.Address+":7", []byte("x"))
	if leak := leaks(a.net.Seen(), ""); leak != "" {
		a.t.Errorf("%s: meanwhile the origins saw %s", a.key, leak)
	}
}

// disturb does something to the gates of one agent of each kind, wants nothing to leave meanwhile and all to work after it,
// and nobody else to be touched.
func disturb(t *testing.T, l *lab, what string, do func(a *agent)) {
	t.Helper()
	all := l.agents(t)
	for _, key := range []string{"n1", "n2", "u1", "u2"} {
		all[key].get("before")
	}
	before := l.Invocations()
	for _, key := range both {
		t.Run(what+" "+key+"-"+isolation[key], func(t *testing.T) {
			a := all[key].on(t)
			was := l.InvocationID(a.unit())
			do(a)
			a.shut()
			a.get("after")
			a.blocked([]attempt{{"a host that is not listed", connect("evil.test:443"), "host-not-listed", ""}})
			if l.InvocationID(a.unit()) == was {
				t.Errorf("%s was not started anew", a.unit())
			}
		})
	}
	e2e.Untouched(t, before, l.Invocations(), slices.Concat(probes, gates(both...))...)
	all["n2"].get("other")
	all["u2"].get("other")
}

// E22: a gate that is killed, again and again, and one that is restarted. The sockets stay open: what an agent asks
// meanwhile waits and is answered.
func TestEGRE22Killed(t *testing.T) {
	t.Parallel()
	l := churn(t)
	disturb(t, l, "killed", func(a *agent) {
		for n := range 3 {
			a.MustRun("systemctl", "kill", "-s", "KILL", a.unit())
			a.shut()
			a.get(fmt.Sprint("killed", n))
		}
	})
	disturb(t, l, "restarted", func(a *agent) { a.MustRun("systemctl", "restart", a.unit()) })
	disturb(t, l, "stopped", func(a *agent) { a.MustRun("systemctl", "stop", a.unit()) })
}

// E22: a gate that hangs is killed by its watchdog, within 30 s. Nothing leaves meanwhile.
func TestEGRE22Hung(t *testing.T) {
	t.Parallel()
	l := churn(t)
	all := l.agents(t)
	was := map[string]string{}
	for _, key := range both {
		all[key].get("before")
		was[key] = l.InvocationID(all[key].unit())
		l.MustRun("systemctl", "kill", "-s", "STOP", all[key].unit())
	}
	began := time.Now()
	for _, key := range both {
		a := all[key]
		a.shut()
		l.Eventually("the gate of "+key+" is started anew", 60*time.Second, func() error {
			if now := l.InvocationID(a.unit()); now == was[key] || now == "" {
				return fmt.Errorf("it is not after %v", time.Since(began))
			}
			return nil
		})
		a.get("after")
	}
	all["n2"].get("other")
	if said := l.MustRun("journalctl", "-q", "--no-pager", "-o", "cat", "-u", all["n1"].unit()); !strings.Contains(said, "atchdog") {
		t.Errorf("nobody is told: %s", said)
	}
}

// E22: an upgrade of the gate's program restarts the gates and touches no agent.
func TestEGRE22Upgraded(t *testing.T) {
	t.Parallel()
	l := churn(t)
	all := l.agents(t)
	for _, key := range both {
		all[key].get("before")
	}
	before := l.Invocations()
	next := l.BuildWith(spec(), map[string]string{"fleet-gate": otherGate(t)})
	for key := range isolation {
		if got := l.Plan(next)[gates(key)[0]]; got != "restart" {
			t.Errorf("the plan of the gate of %s: %s", key, got)
		}
	}
	l.Switch(next)
	e2e.Untouched(t, before, l.Invocations(), slices.Concat(probes, gates("n1", "n2", "u1", "u2"), caUnits)...)
	for _, key := range both {
		all[key].shut()
		all[key].get("after")
		if l.Invocations()[all[key].unit()] == before[all[key].unit()] {
			t.Errorf("the gate of %s was not started anew", key)
		}
	}
}

// caUnits run the gate's program too.
var caUnits = []string{
	"fleet-demo-n1-ca.service", "fleet-demo-n2-ca.service", "fleet-demo-u1-ca.service", "fleet-demo-u2-ca.service", "fleet-demo-chat-ca.service",
}

// otherGate is the gate's program with other bytes: what stands behind the end of an ELF file is not looked at.
func otherGate(t *testing.T) string {
	t.Helper()
	path, err := machinetest.Program("", "fleet-gate")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "fleet-gate")
	if err := os.WriteFile(other, append(b, "another version"...), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return other
}

// E22, I5: a gate that has no descriptor left takes no connection, says so once, and goes on when there are some again. One
// that gets no memory ends and is started anew.
func TestEGRE22Starved(t *testing.T) {
	t.Parallel()
	l := churn(t)
	for _, key := range both {
		a := l.agent(t, key)
		a.get("before")
		before := l.InvocationID(a.unit())
		cursor := l.Sh("journalctl --namespace=fleet-demo -n 0 --show-cursor | sed -n 's/^-- cursor: //p'")
		a.limit("--nofile=120:")
		c, d, err := a.give(order{Op: "flood", Address: a.proxy, Count: 300, Payload: []byte("CONNECT web.test:443 HTTP/1.1\r\n"), Time: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if d.Exit < 100 {
			t.Errorf("%s: only %d connections", key, d.Exit)
		}
		l.agent(t, key[:1]+"2").get("other")
		c.Close()
		a.get("after") // the limit is still there, the connections are not
		l.Eventually("failed accepts", usually, func() error {
			if !strings.Contains(a.metrics(), "accept_errors_total") || strings.Contains(a.metrics(), `accept_errors_total{project="demo",agent="`+key+`"} 0`) {
				return fmt.Errorf("%s: none", key)
			}
			return nil
		})
		if l.InvocationID(a.unit()) != before {
			t.Errorf("%s: the gate was started anew", key)
		}
		l.MustRun("journalctl", "--namespace=fleet-demo", "--sync")
		if said := l.journal("--after-cursor="+cursor, "-o", "cat", "-u", a.unit()); strings.Count(said, "too many open files") != 1 {
			t.Errorf("%s: it is said %d times: %.600s", key, strings.Count(said, "too many open files"), said)
		}

		// The memory that it has, and not a page more.
		size := "$(($(awk '/^VmData/ { print $2 }' /proc/" + a.gate() + "/status) * 1024))"
		a.limit("--nofile=20000: --data=" + size + ":")
		c, _, err = a.give(order{Op: "flood", Address: a.proxy, Count: 6000, Payload: []byte("CONNECT web.test:443 HTTP/1.1\r\n"), Time: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		a.shut()
		a.get("fed")
		t.Logf("%s: started anew for lack of memory: %v", key, l.InvocationID(a.unit()) != before)
		l.agent(t, key[:1]+"2").get("other")
	}
}

// limit sets limits of the gate's process as its own user, who may lower them: there need not be CAP_SYS_RESOURCE.
func (a *agent) limit(limits string) {
	a.t.Helper()
	user := "demo-" + a.key + "-gate"
	a.Sh("setpriv --reuid=" + user + " --regid=" + user + " --clear-groups prlimit --pid " + a.gate() + " " + limits)
}
