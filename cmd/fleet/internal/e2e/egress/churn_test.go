//go:build machine

package egress

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
)

// held is a connection of an agent that is looked at again after something has happened.
type held struct {
	t    testing.TB
	name string
	c    net.Conn
}

// hold opens a connection to a host that echoes, by a tunnel of any bytes.
func (a *agent) hold(name, address string) *held {
	a.t.Helper()
	c, err := a.dial("tcp", address)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { c.Close() })
	h := &held{a.t, a.key + " " + name, c}
	if strings.HasSuffix(address, ":22") {
		if _, err := readLine(c); err != nil {
			a.t.Fatal(err)
		}
	}
	return h
}

// holdTLS opens a connection to a host, speaks TLS and asks for a page.
func (a *agent) holdTLS(host string) *held {
	a.t.Helper()
	c, err := a.tls(host+":443", a.trusting(host))
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { c.Close() })
	h := &held{a.t, a.key + " " + host, c}
	h.asks(host)
	return h
}

// asks wants a page by the connection.
func (h *held) asks(host string) {
	h.t.Helper()
	if err := talk(h.c, "GET /v1/again HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		h.t.Errorf("%s: %v", h.name, err)
	}
}

// lives wants an echo.
func (h *held) lives() {
	h.t.Helper()
	_ = h.c.SetDeadline(time.Now().Add(usually))
	b := make([]byte, 4)
	if _, err := io.WriteString(h.c, "ping"); err != nil {
		h.t.Errorf("%s is cut: %v", h.name, err)
	} else if _, err := io.ReadFull(h.c, b); err != nil || !bytes.Equal(b, []byte("ping")) {
		h.t.Errorf("%s does not echo: %q, %v", h.name, b, err)
	}
}

// isCut wants the connection to have ended.
func (h *held) isCut() {
	h.t.Helper()
	_ = h.c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := h.c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		h.t.Errorf("%s goes on: %v", h.name, err)
	}
}

// agents returns all agents.
func (l *lab) agents(t testing.TB) map[string]*agent {
	t.Helper()
	all := map[string]*agent{}
	for key := range isolation {
		all[key] = l.agent(t, key)
	}
	return all
}

// gates are the units of the gates by agent.
func gates(keys ...string) (out []string) {
	for _, k := range keys {
		out = append(out, "fleet-demo-"+k+"-gate.service")
	}
	return out
}

// probes are run by each switch.
var probes = []string{"fleet-demo-n1-probe.service", "fleet-demo-n2-probe.service", "fleet-demo-u1-probe.service", "fleet-demo-u2-probe.service"}

// A9, E26, H4: only the allow list of agents changes. Their gates reload, they are not touched, what stays allowed stays
// open and what is not is cut.
func TestACTA9AllowList(t *testing.T) {
	t.Parallel()
	l := churn(t)
	all := l.agents(t)
	keep, gone, tls := map[string]*held{}, map[string]*held{}, map[string]*held{}
	for key, a := range all {
		keep[key], gone[key], tls[key] = a.hold("SSH", "ssh.test:22"), a.hold("echo", "echo.test:7"), a.holdTLS("web.test")
		keep[key].lives()
		gone[key].lives()
	}
	before, reloads := l.Invocations(), l.reloads()
	next := l.Build(spec(`{ agents+: { [k]+: { egress: { deny: ['echo.test', 'web.test'], allow: ['more.test'] } } for k in ['n1', 'u1'] } }`))
	plan := l.Plan(next)
	for _, unit := range gates("n1", "u1") {
		if plan[unit] != "reload" {
			t.Errorf("the plan of %s: %s", unit, plan[unit])
		}
	}
	for _, unit := range append(gates("n2", "u2"), "fleet-demo-n1.service", "fleet-demo-u1.service", "fleet-demo-n1-gate.socket") {
		if a := plan[unit]; a != "" && a != "none" {
			t.Errorf("the plan of %s: %s", unit, a)
		}
	}
	l.Switch(next)
	e2e.Untouched(t, before, l.Invocations(), probes...)
	for key := range all {
		keep[key].lives()
		if key == "n1" || key == "u1" {
			gone[key].isCut()
			tls[key].isCut()
		} else {
			gone[key].lives()
			tls[key].asks("web.test")
		}
	}
	l.net.Public("more.test")
	all["n1"].must(order{Script: "curl -sS http://more.test/"}, "origin more.test")
	all["u1"].blocked([]attempt{{"what was allowed", connect("web.test:443"), "denied", ""}})
	all["n2"].blocked([]attempt{{"what others may", connect("more.test:443"), "host-not-listed", ""}})
	now := l.reloads()
	for key := range all {
		if reloaded := now[key] - reloads[key]; (reloaded > 0) != (key == "n1" || key == "u1") {
			t.Errorf("the gate of %s read its policy %d times", key, reloaded)
		}
	}
}

// reloads are how often gates have read their policies again.
func (l *lab) reloads() map[string]int {
	out := map[string]int{}
	for key := range isolation {
		a := &agent{lab: l, key: key}
		_, rest, _ := strings.Cut(a.metrics(), "\nfleet_gate_reloads_total{")
		_, rest, _ = strings.Cut(rest, "} ")
		var n int
		_, _ = fmt.Sscan(rest, &n) // 0 where it does not run
		out[key] = n
	}
	return out
}

// A10, E26: the fleet's list changes. Every gate reloads and no agent is touched.
func TestACTA10FleetList(t *testing.T) {
	t.Parallel()
	l := churn(t)
	all := l.agents(t)
	keep, gone := map[string]*held{}, map[string]*held{}
	for key, a := range all {
		keep[key], gone[key] = a.hold("SSH", "ssh.test:22"), a.hold("echo", "echo.test:7")
	}
	before, reloads := l.Invocations(), l.reloads()
	next := l.Build(spec(`{ egress+: { deny+: ['echo.test'], allow+: ['more.test'] } }`))
	for key := range all {
		if got := l.Plan(next)[gates(key)[0]]; got != "reload" {
			t.Errorf("the plan of the gate of %s: %s", key, got)
		}
	}
	l.Switch(next)
	e2e.Untouched(t, before, l.Invocations(), probes...)
	l.net.Public("more.test")
	now := l.reloads()
	for key, a := range all {
		keep[key].lives()
		gone[key].isCut()
		a.must(order{Script: "curl -sS http://more.test/"}, "origin more.test")
		if now[key] == reloads[key] {
			t.Errorf("the gate of %s did not read its policy", key)
		}
	}
}

// B23, EGR-G8: another program flushes the ruleset again and again, restarts nftables and adds rules of its own. No packet of
// an agent leaves meanwhile, and somebody is told.
func TestACTB23ForeignFlush(t *testing.T) {
	t.Parallel()
	l := churn(t)
	all := l.agents(t)
	cursor := l.Sh("journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p'")
	l.MustRun("systemd-run", "-q", "--unit=flush", "bash", "-c", `n=0; while [ $n -lt 60 ]; do nft flush ruleset; nft list tables >/dev/null; `+
		`[ $((n % 10)) != 3 ] || nft add table inet foreign; sleep 0.05; n=$((n + 1)); done`)
	l.net.Forget()
	tries := 0
	for l.Show("flush.service", "ActiveState")["ActiveState"] == "active" {
		for _, key := range both {
			a := all[key]
			for _, address := range []string{origins.Address + ":443", "1.1.1.1:80", "169.254.169.254:80", "[" + origins.Address6 + "]:443"} {
				if dial(address)(a) == nil {
					t.Errorf("%s got through to %s", key, address)
				}
			}
			_, _ = a.udp(origins.Address+":7", []byte("x"))
			_ = asking("udp", origins.Resolver+":53", "evil.test.", 1)(a)
			tries++
		}
	}
	if leak := leaks(l.net.Seen(), ""); leak != "" || tries < 4 {
		t.Errorf("%d rounds; the origins saw %s", tries, leak)
	}
	if said := l.MustRun("journalctl", "--after-cursor="+cursor, "-p", "err", "-o", "cat", "--no-pager"); !strings.Contains(said, "firewall: another program removed table") {
		t.Errorf("nobody is told: %s", said)
	}
	l.Eventually("the rules are back", usually, func() error {
		if out, exit := l.Try("nft", "list", "table", "inet", "fleet_demo"); exit != 0 {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	for _, key := range both {
		all[key].must(order{Script: "curl -sS https://web.test/after"}, "origin web.test GET /after")
	}
	if out, exit := l.Try("sh", "-c", "systemctl restart nftables.service"); exit != 0 {
		t.Logf("nftables.service: %s", out)
	}
	for _, key := range both {
		if dial("1.1.1.1:443")(all[key]) == nil {
			t.Errorf("%s got through after a restart of nftables", key)
		}
	}
}

// A15, A17 of the gates: a gate that is idle is not started by a switch that changes it, and starts with its new policy.
func TestACTA17IdleGate(t *testing.T) {
	t.Parallel()
	l := churn(t)
	all := l.agents(t)
	units := gates(both...)
	l.MustRun(append([]string{"systemctl", "stop"}, units...)...)
	next := l.Build(spec(`{ egress+: { allow+: ['more.test'] } }`))
	plan := l.Plan(next)
	for _, unit := range units {
		if a := plan[unit]; a != "" && a != "none" {
			t.Errorf("the plan of %s: %s", unit, a)
		}
	}
	before := l.Invocations()
	l.Switch(next)
	l.net.Public("more.test")
	// The probe of the health window asks each gate and so starts it: what counts is that nothing else does.
	e2e.Untouched(t, before, l.Invocations(), slices.Concat(probes, units)...)
	for _, key := range both {
		all[key].must(order{Script: "curl -sS http://more.test/"}, "origin more.test")
	}
}

// A15 of the catalogue: with an empty list everything is refused.
func TestCATA15EmptyList(t *testing.T) {
	t.Parallel()
	l := churn(t)
	l.Switch(l.Build(spec(`{ egress+: { allow: [], deny: [] } }`)), "--now")
	for _, key := range both {
		a := l.agent(t, key)
		a.blocked(by("host-not-listed", "web.test"))
	}
}

// H3: a policy that cannot be read leaves the one before in force, and says so.
func TestCATH3BrokenPolicy(t *testing.T) {
	t.Parallel()
	l := churn(t)
	for _, key := range both {
		a := l.agent(t, key)
		a.must(order{Script: "curl -sS https://web.test/"}, "origin web.test")
		path := "/run/fleet/demo/egress/policy/" + key + "/policy.json"
		good := l.ReadFile(path)
		for name, text := range map[string]string{
			"no JSON": "{", "unknown key": strings.Replace(good, `"version"`, `"surprise": 1, "version"`, 1), "empty": "", "another agent's": strings.Replace(good, `"agent": "`+key, `"agent": "zz`, 1),
			"another version": strings.Replace(good, `"version": 1`, `"version": 99`, 1), "a wildcard over all": strings.Replace(good, `"web.test"`, `"*"`, 1),
		} {
			if text == good {
				t.Errorf("%s: nothing was changed in\n%.300s", name, good)
				continue
			}
			l.Sh("cat >" + path + " <<'END'\n" + text + "\nEND")
			l.MustRun("systemctl", "kill", "-s", "HUP", gates(key)[0])
			l.Eventually(name+" is told of", usually, func() error {
				if got := l.Show(gates(key)[0], "StatusText")["StatusText"]; !strings.Contains(got, "cannot be read") {
					return fmt.Errorf("status: %s", got)
				}
				return nil
			})
			a.must(order{Script: "curl -sS https://web.test/"}, "origin web.test")
			a.blocked([]attempt{{name, connect("evil.test:443"), "host-not-listed", ""}})
			l.MustRun("systemctl", "reload", gates(key)[0]) // which writes the right one again
		}
	}
}
