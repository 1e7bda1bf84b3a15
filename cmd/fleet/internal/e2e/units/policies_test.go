//go:build machine

package units

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// held makes agent g's session last until the test releases it, and note which text of the hook it ran.
func held(text string) string {
	return fmt.Sprintf(`{ agents+: { g+: { hooks: { before: { timeout: '5m', script: |||
    #!/bin/sh
    echo %s >>"$HOME/hooks"
    until [ -e "$HOME/go" ]; do sleep 0.2; done
  ||| } } } } }`, text)
}

// policies is a fleet of agents that differ in when a change of theirs takes effect: g is in a session and w between
// two of them, both graceful, i is immediate and m manual.
const policies = `{ agents: { g: {}, w: {}, i: { onChange: 'immediate' }, m: { onChange: 'manual' } } }`

const (
	unitG, unitW = prefix + "-g.service", prefix + "-w.service"
	unitI, unitM = prefix + "-i.service", prefix + "-m.service"
)

// A changed agent takes its change when its policy says so.
func TestPolicies(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	specs := []string{policies, held("one")}
	build := func(h *e2e.Host, change string) string {
		specs = append(specs, change)
		return h.Build(e2e.Spec(specs...))
	}
	h.Switch(h.Build(e2e.Spec(specs...)))
	awaitState(h, "g", "working")
	awaitState(h, "w", "pausing")

	t.Run("ACT-A8 only the prompt of one agent", func(t *testing.T) {
		h := h.On(t)
		onePrompt(t, h, build(h, `{ agents+: { w+: { prompt: 'Do another thing.' } } }`))
	})
	t.Run("ACT-A7 a script's text", func(t *testing.T) {
		h := h.On(t)
		scriptText(t, h, build(h, held("two")))
	})
	h.MustRun("rm", "-f", "/home/demo-g/go")
	awaitState(h, "w", "pausing")
	t.Run("ACT-A11 onChange", func(t *testing.T) {
		h := h.On(t)
		all := build(h, `{ defaults+: { systemd: { Service: { Nice: 3 } } } }`)
		byPolicy(t, h, all)
		manualDone(t, h, h.Build(e2e.Spec(append(specs, `{ agents+: { w+: { prompt: 'A third thing.' } } }`)...)))
	})
	t.Run("ACT-A35 rollback of a change that waits", func(t *testing.T) {
		h := h.On(t)
		waitsNoMore(t, h, build(h, `{ agents+: { g+: { prompt: 'Never done.' } } }`))
	})
	t.Run("ACT-A11 now", func(t *testing.T) {
		h := h.On(t)
		now(t, h, build(h, `{ defaults+: { systemd: { Service: { Nice: 4 } } } }`))
	})
}

func onePrompt(t *testing.T, h *e2e.Host, dir string) {
	m := switchTo(t, h, dir)
	if got := m.plan.action(unitW); got != "graceful" {
		t.Errorf("the plan says %s", got)
	}
	m.only(t, unitW)
	if !strings.Contains(m.out, "w change after the session in progress") {
		t.Errorf("the switch does not say who is waited for: %s", m.out)
	}
	awaitRestart(h, unitW, m.before[unitW].invocation)
	if script := mainScript(h, unitW); !strings.Contains(h.ReadFile(script), "Do another thing.") {
		t.Errorf("%s does not have the new prompt", script)
	}
}

// scriptText changes the text of a hook of an agent that is in a session.
func scriptText(t *testing.T, h *e2e.Host, dir string) {
	old := mainScript(h, unitG)
	m := switchTo(t, h, dir)
	if got := m.plan.action(unitG); got != "graceful" {
		t.Errorf("the plan says %s", got)
	}
	if why := m.plan.step(unitG).Because; !strings.HasPrefix(why, "changed: before, run") {
		t.Errorf("the plan's reason is %q, which does not name the hook and what runs it", why)
	}
	m.only(t, unitG)
	m.did(t, unitG, "untouched")
	if got := mainScript(h, unitG); got != old {
		t.Errorf("the session in progress runs %s, was %s", got, old)
	}
	h.MustRun("test", "-s", old)
	h.MustRun("touch", "/home/demo-g/go")
	awaitRestart(h, unitG, m.before[unitG].invocation)
	h.Eventually("the next session has the new text", 20*time.Second, func() error {
		if got := h.ReadFile("/home/demo-g/hooks"); got != "one\ntwo\n" {
			return fmt.Errorf("the hooks that ran: %q", got)
		}
		return nil
	})
	if got := mainScript(h, unitG); got == old {
		t.Errorf("the new session runs the old %s", got)
	}
}

// byPolicy changes all agents at once; g is in a session again.
func byPolicy(t *testing.T, h *e2e.Host, dir string) {
	h.MustRun("fleet", "restart", "g")
	awaitState(h, "g", "working")
	m := switchTo(t, h, dir)
	m.want(t, unitI, "restart", "restarted")
	m.want(t, unitG, "graceful", "untouched")
	m.want(t, unitM, "manual", "untouched")
	if got := m.plan.action(unitW); got != "graceful" {
		t.Errorf("%s: the plan says %s", unitW, got)
	}
	m.only(t, unitI, unitG, unitM, unitW)
	awaitRestart(h, unitW, m.before[unitW].invocation)
	if got := reason(t, h, "g"); !strings.Contains(got, "restarts when session") {
		t.Errorf("status does not say who is waited for: %q", got)
	}
	h.MustRun("touch", "/home/demo-g/go")
	awaitRestart(h, unitG, m.before[unitG].invocation)
	for unit, want := range map[string]string{unitI: "3", unitG: "3", unitW: "3", unitM: "0"} {
		if got := niceness(h, unit); got != want {
			t.Errorf("%s runs with nice %s, want %s", unit, got, want)
		}
	}
}

// manualDone sees a pending restart reported until a person does it.
func manualDone(t *testing.T, h *e2e.Host, next string) {
	p := dryRun(t, h, next)
	if got := p.action(unitM); got != "manual" {
		t.Errorf("the plan of the next switch says %s", got)
	}
	if got := p.drifted(unitM); len(got) != 1 || got[0] != "manual" {
		t.Errorf("it reports drift %v", got)
	}
	if got := reason(t, h, "m"); !strings.Contains(got, "until a person restarts it") {
		t.Errorf("status says %q", got)
	}
	h.MustRun("fleet", "restart", "m")
	if got := niceness(h, unitM); got != "3" {
		t.Errorf("after its restart it runs with nice %s", got)
	}
	if got := reason(t, h, "m"); got != "" {
		t.Errorf("after its restart status says %q", got)
	}
	if got := dryRun(t, h, next).action(unitM); got != "-" {
		t.Errorf("after its restart the plan says %s", got)
	}
}

// waitsNoMore goes back from a change that an agent has not taken yet: its session goes on, and after it the agent.
func waitsNoMore(t *testing.T, h *e2e.Host, dir string) {
	const flag, ending = "/run/fleet/demo/g/end", "fleetending-demo-g.service"
	h.MustRun("rm", "-f", "/home/demo-g/go")
	h.MustRun("fleet", "restart", "g")
	awaitState(h, "g", "working")
	m := switchTo(t, h, dir)
	m.want(t, unitG, "graceful", "untouched")
	h.MustRun("test", "-e", flag)
	h.MustRun("systemctl", "is-active", ending)
	m = rollback(t, h)
	m.only(t)
	if _, exit := h.Try("test", "-e", flag); exit == 0 {
		t.Error("the agent is still told to end")
	}
	if _, exit := h.Try("systemctl", "is-active", ending); exit == 0 {
		t.Errorf("%s still waits for its end", ending)
	}
	h.MustRun("touch", "/home/demo-g/go")
	awaitState(h, "g", "pausing")
	if got := h.InvocationID(unitG); got != m.before[unitG].invocation {
		t.Error("the agent was started again")
	}
}

// now does not wait for sessions. Manual is manual all the same.
func now(t *testing.T, h *e2e.Host, dir string) {
	h.MustRun("rm", "-f", "/home/demo-g/go")
	h.MustRun("fleet", "restart", "g")
	awaitState(h, "g", "working")
	m := switchTo(t, h, dir, "--now")
	for _, u := range []string{unitI, unitG, unitW} {
		m.want(t, u, "restart", "restarted")
		if got := niceness(h, u); got != "4" {
			t.Errorf("%s runs with nice %s", u, got)
		}
	}
	m.want(t, unitM, "manual", "untouched")
	m.only(t, unitI, unitG, unitW, unitM)
}

// mainScript returns the file of the store that a unit's main process runs.
func mainScript(h *e2e.Host, unit string) string {
	return h.Sh(`tr '\0' '\n' <"/proc/$(systemctl show -p MainPID --value ` + unit + `)/cmdline" | grep -m1 ^/var/lib/fleet/store/`)
}

func niceness(h *e2e.Host, unit string) string {
	return h.Sh(`ps -o ni= -p "$(systemctl show -p MainPID --value ` + unit + `)" | tr -d ' '`)
}

// agentStatus is one agent of what `fleet status --json` prints.
type agentStatus struct{ Key, State, Reason string }

func statusOf(h *e2e.Host, key string) (agentStatus, error) {
	_, out, errOut := h.Fleet("status", "--json")
	var s struct{ Agents []agentStatus }
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return agentStatus{}, fmt.Errorf("fleet status: %w\n%s%s", err, out, errOut)
	}
	for _, a := range s.Agents {
		if a.Key == key {
			return a, nil
		}
	}
	return agentStatus{}, fmt.Errorf("fleet status has no agent %s", key)
}

func reason(t *testing.T, h *e2e.Host, key string) string {
	t.Helper()
	s, err := statusOf(h, key)
	if err != nil {
		t.Error(err)
	}
	return s.Reason
}

// awaitState waits until status shows an agent in a state.
func awaitState(h *e2e.Host, key, want string) {
	h.Eventually("agent "+key+" is "+want, 30*time.Second, func() error {
		s, err := statusOf(h, key)
		if err == nil && s.State != want {
			err = fmt.Errorf("it is %s", s.State)
		}
		return err
	})
}

// awaitRestart waits until another instance of the unit runs.
func awaitRestart(h *e2e.Host, unit, invocation string) {
	h.Eventually(unit+" runs anew", 40*time.Second, func() error {
		if s := h.Show(unit, "InvocationID", "ActiveState"); s["ActiveState"] != "active" || s["InvocationID"] == invocation {
			return fmt.Errorf("it is still %v", s)
		}
		return nil
	})
}
