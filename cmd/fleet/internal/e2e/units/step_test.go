//go:build machine

package units

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/e2e"
)

// step is one unit's line of the plan.
type step struct{ Name, Action, Because, Policy, Agent string }

// drift is something that the plan found otherwise than generated.
type drift struct{ Name, Kind, Text string }

// preview is what a dry run prints as JSON.
type preview struct {
	From, To string
	Units    []step
	Drift    []drift
}

// action returns what the plan says of a unit, "-" where it does not name it or leaves it.
func (p preview) action(unit string) string {
	if s := p.step(unit); s.Action != "" && s.Action != "none" {
		return s.Action
	}
	return "-"
}

func (p preview) step(unit string) step {
	i := slices.IndexFunc(p.Units, func(s step) bool { return s.Name == unit })
	if i < 0 {
		return step{}
	}
	return p.Units[i]
}

// touched returns the units that the plan changes.
func (p preview) touched() []string {
	var out []string
	for _, s := range p.Units {
		if p.action(s.Name) != "-" && s.Action != "manual" {
			out = append(out, s.Name)
		}
	}
	return out
}

// drifted returns the kinds of drift of a unit.
func (p preview) drifted(unit string) []string {
	var out []string
	for _, d := range p.Drift {
		if d.Name == unit {
			out = append(out, d.Kind)
		}
	}
	return out
}

// dryRun returns what a switch would do.
func dryRun(t testing.TB, h *e2e.Host, dir string, args ...string) preview {
	t.Helper()
	exit, out, errOut := h.Fleet(append([]string{"switch", "--no-confirm", "--dry-run", "--json", dir}, args...)...)
	if exit != 4 && exit != 0 {
		t.Fatalf("fleet switch --dry-run: exit status %d\n%s%s", exit, errOut, out)
	}
	var p preview
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatalf("dry run: %v\n%s", err, out)
	}
	return p
}

// state is what systemd shows of a unit. The zero value is a unit that it does not know.
type state struct{ load, active, invocation string }

func (s state) up() bool { return s.active == "active" || s.active == "activating" }

// states returns the state of every unit of the project that systemd has loaded.
func states(t testing.TB, h *e2e.Host, project string) map[string]state {
	t.Helper()
	out := map[string]state{}
	text := h.On(t).Sh("systemctl show --all -p Id,LoadState,ActiveState,InvocationID 'fleet-" + project + "*'")
	for block := range strings.SplitSeq(text, "\n\n") {
		f := map[string]string{}
		for line := range strings.Lines(block) {
			k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			f[k] = v
		}
		if s := (state{f["LoadState"], f["ActiveState"], f["InvocationID"]}); s.load != "not-found" || s.up() {
			out[f["Id"]] = s
		}
	}
	return out
}

// move is one switch: what the plan said and what systemd showed before and after.
type move struct {
	plan          preview
	before, after map[string]state
	out           string
}

// switchTo plans and does a switch.
func switchTo(t testing.TB, h *e2e.Host, dir string, args ...string) move {
	t.Helper()
	m := move{plan: dryRun(t, h, dir, args...), before: states(t, h, e2e.Project)}
	m.out = h.On(t).Switch(dir, args...)
	m.after = states(t, h, e2e.Project)
	return m
}

// rollback goes back and tells what that did.
func rollback(t testing.TB, h *e2e.Host, args ...string) move {
	t.Helper()
	m := move{before: states(t, h, e2e.Project)}
	exit, out, errOut := h.Fleet(append([]string{"rollback"}, args...)...)
	if exit != 0 {
		t.Fatalf("fleet rollback: exit status %d\n%s%s", exit, errOut, out)
	}
	m.out, m.after = errOut+out, states(t, h, e2e.Project)
	return m
}

// effect tells what became of a unit.
func (m move) effect(unit string) string {
	was, is := m.before[unit], m.after[unit]
	switch {
	case was.up() && is.up() && was.invocation == is.invocation, !was.up() && !is.up():
		return "untouched"
	case was.up() && is.up():
		return "restarted"
	case is.up():
		return "started"
	case is.load == "":
		return "gone"
	}
	return "stopped"
}

// want fails the test where the plan or systemd shows something else of a unit.
func (m move) want(t testing.TB, unit, action, effect string) {
	t.Helper()
	if got := m.plan.action(unit); got != action {
		t.Errorf("%s: the plan says %s, want %s\n%+v", unit, got, action, m.plan.step(unit))
	}
	m.did(t, unit, effect)
}

// did fails the test where systemd shows something else of a unit.
func (m move) did(t testing.TB, unit, effect string) {
	t.Helper()
	if got := m.effect(unit); got != effect {
		t.Errorf("%s: %s, want %s\n%v -> %v", unit, got, effect, m.before[unit], m.after[unit])
	}
}

// only fails the test for every unit that the plan or the switch touched, but for those named.
func (m move) only(t testing.TB, but ...string) {
	t.Helper()
	for _, u := range m.plan.touched() {
		if !slices.Contains(but, u) {
			t.Errorf("the plan touches %+v", m.plan.step(u))
		}
	}
	all := maps.Clone(m.before)
	maps.Copy(all, m.after)
	for u := range all {
		if !slices.Contains(but, u) {
			m.did(t, u, "untouched")
		}
	}
}
