//go:build machine

package units

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// parting is a hook that agents have for their end.
const parting = `{ defaults+: { hooks: { onCleanup: { script: '#!/bin/sh\necho bye >"$HOME/bye"\n' } } } }`

// Agents come, go, and are switched off and on again; the others notice nothing.
func TestAgents(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	two := h.Build(e2e.Spec(parting))
	h.Switch(two)
	t.Run("ACT-A1 nothing", func(t *testing.T) { nothing(t, h.On(t), two) })

	three := `{ agents+: { c: {} } }`
	withC := h.Build(e2e.Spec(parting, three))
	t.Run("ACT-A2 new agent", func(t *testing.T) { newAgent(t, h.On(t), withC) })

	t.Run("ACT-A30 agent that is not started", func(t *testing.T) {
		h := h.On(t)
		before := states(t, h, e2e.Project)
		bad := h.Build(e2e.Spec(parting, three, `{ agents+: { a+: { systemd: { Unit: { ConditionPathExists: '/nowhere' } } } } }`))
		if out := h.SwitchTo(5, bad, "--now"); !strings.Contains(out, unitOf("a")+" was not started (inactive)") {
			t.Errorf("the message does not say what is wrong:\n%s", out)
		}
		m := move{before: before, after: states(t, h, e2e.Project)}
		m.only(t, unitOf("a"))
		m.did(t, unitOf("a"), "restarted")
	})

	const without = `{ agents: { a: {}, c: {} } }`
	t.Run("ACT-A3 agent removed", func(t *testing.T) {
		removedAgent(t, h.On(t), h.On(t).Build(e2e.Spec(parting, without)))
	})
	t.Run("ACT-A4 agent disabled and enabled", func(t *testing.T) {
		h := h.On(t)
		off := h.Build(e2e.Spec(parting, without, `{ agents+: { c+: { enabled: false } } }`))
		on := h.Build(e2e.Spec(parting, without))
		disabledAgent(t, h, off, on)
	})
}

// agentUnits are the units that run for an agent, firewall those that change with the set of agents.
func agentUnits(key string) []string {
	return []string{
		prefix + "-" + key + ".service", prefix + "-" + key + "-net.service", prefix + "-" + key + "-gate.socket", prefix + "-chat-" + key + ".socket",
	}
}

// chat has a socket for each agent, which a daemon gets when it starts: it ends when one comes or goes, and the next who
// speaks starts it again.
const chat = prefix + "-chat.service"

// gateOf is the agent's gate, which its socket starts.
func gateOf(key string) string { return prefix + "-" + key + "-gate.service" }

const firewall = prefix + "-firewall.service"

// nothing switches to what is live already.
func nothing(t *testing.T, h *e2e.Host, dir string) {
	before, reloads := states(t, h, e2e.Project), reloadCount(h)
	if p := dryRun(t, h, dir); len(p.Units) > 0 {
		t.Errorf("the plan has %+v", p.Units)
	}
	var switches, verifies []time.Duration
	for range 7 {
		switches = append(switches, timed(func() {
			if out := h.Switch(dir); !strings.Contains(out, "nothing to do") {
				t.Errorf("the switch says %q", out)
			}
		}))
		verifies = append(verifies, timed(func() { h.MustRun("fleet", "verify", dir) }))
	}
	if s, v := median(switches), median(verifies); s > 3*v+100*time.Millisecond {
		t.Errorf("a switch to what is live takes %s, fleet verify %s", s, v)
	}
	if out := h.Switch("1"); !strings.Contains(out, "nothing to do") {
		t.Errorf("by its number: %s", out)
	}
	m := move{before: before, after: states(t, h, e2e.Project)}
	m.only(t)
	if got := reloadCount(h); got != reloads {
		t.Errorf("systemd was reloaded %d times", got-reloads)
	}
	if n := h.Sh("ls /etc/fleet/demo/generations | wc -l"); n != "1" {
		t.Errorf("the host has %s generations", n)
	}
}

// reloadCount returns how often systemd was reloaded since the boot.
func reloadCount(h *e2e.Host) int {
	n, err := strconv.Atoi(h.Sh("journalctl -b -q -o cat _PID=1 | grep -c '^Reloading\\.' || :"))
	if err != nil {
		panic(err)
	}
	return n
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func newAgent(t *testing.T, h *e2e.Host, dir string) {
	reloads := reloadCount(h)
	m := switchTo(t, h, dir)
	for _, u := range agentUnits("c") {
		m.want(t, u, "start", "started")
	}
	m.did(t, gateOf("c"), "started") // by the probe, which was its first client
	m.want(t, firewall, "reload", "untouched")
	m.only(t, append(agentUnits("c"), gateOf("c"), firewall, chat)...)
	if got := reloadCount(h); got == reloads {
		t.Error("no reload of systemd is counted: the test of nothing to do is blind")
	}
	if rules := h.MustRun("nft", "list", "table", "inet", "fleet_demo"); !strings.Contains(rules, h.MustRun("id", "-u", "demo-c")) {
		t.Errorf("the rules do not know the new agent:\n%s", rules)
	}
}

func removedAgent(t *testing.T, h *e2e.Host, dir string) {
	uid := h.MustRun("id", "-u", "demo-b")
	h.MustRun("touch", "/home/demo-b/kept")
	m := switchTo(t, h, dir)
	for _, u := range agentUnits("b") {
		m.want(t, u, "stop", "gone")
		if got := h.Show(u, "LoadState")["LoadState"]; got != "not-found" {
			t.Errorf("%s is %s", u, got)
		}
	}
	m.want(t, gateOf("b"), "stop", "gone")
	m.want(t, firewall, "reload", "untouched")
	m.only(t, append(agentUnits("b"), gateOf("b"), firewall, chat)...)
	if got, _ := h.Try("cat", "/home/demo-b/bye"); got != "bye\n" {
		t.Errorf("the old way of stopping left %q; its journal:\n%s", got, h.MustRun("journalctl", "--no-pager", "-n", "40", "-u", unitOf("b")))
	}
	h.MustRun("test", "-e", "/home/demo-b/kept")
	if got := h.MustRun("id", "-u", "demo-b"); got != uid {
		t.Errorf("its uid is %s, was %s", got, uid)
	}
	locked(t, h, "demo-b")
	if out, exit := h.Try("pgrep", "-u", "demo-b"); exit == 0 {
		t.Errorf("processes of it run: %s", out)
	}
}

// locked fails the test where somebody could log in as the user.
func locked(t *testing.T, h *e2e.Host, user string) {
	t.Helper()
	shadow := strings.Split(h.MustRun("getent", "shadow", user), ":")
	shell := h.Sh("getent passwd " + user + " | cut -d: -f7")
	if !strings.HasPrefix(shadow[1], "!") || shadow[7] != "1" || shell != "/usr/sbin/nologin" {
		t.Errorf("%s is not locked: %q, shell %s", user, shadow, shell)
	}
}

func disabledAgent(t *testing.T, h *e2e.Host, off, on string) {
	uid := h.MustRun("id", "-u", "demo-c")
	h.MustRun("touch", "/home/demo-c/kept")
	m := switchTo(t, h, off)
	for _, u := range agentUnits("c") {
		m.want(t, u, "stop", "gone")
	}
	m.only(t, append(agentUnits("c"), gateOf("c"), firewall, chat)...)
	if _, exit := h.Try("pgrep", "-u", "demo-c"); exit == 0 {
		t.Error("processes of a disabled agent run")
	}
	locked(t, h, "demo-c")

	m = switchTo(t, h, on)
	for _, u := range agentUnits("c") {
		m.want(t, u, "start", "started")
	}
	m.only(t, append(agentUnits("c"), gateOf("c"), firewall, chat)...)
	if got := h.MustRun("id", "-u", "demo-c"); got != uid {
		t.Errorf("its uid is %s, was %s", got, uid)
	}
	h.MustRun("test", "-e", "/home/demo-c/kept")
}
