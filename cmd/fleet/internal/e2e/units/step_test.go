//go:build machine

package units

import (
	"encoding/json"
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

// move is one switch: what the plan said and what systemd showed before and after.
type move struct {
	plan          preview
	before, after map[string]string // state and invocation of every loaded unit
	out           string
}

// switchTo plans and does a switch.
func switchTo(t testing.TB, h *e2e.Host, dir string, args ...string) move {
	t.Helper()
	m := move{plan: dryRun(t, h, dir, args...), before: h.Invocations()}
	m.out = h.On(t).Switch(dir, args...)
	m.after = h.Invocations()
	return m
}

// rollback goes back and tells what that did.
func rollback(t testing.TB, h *e2e.Host, args ...string) move {
	t.Helper()
	m := move{before: h.Invocations()}
	exit, out, errOut := h.Fleet(append([]string{"rollback"}, args...)...)
	if exit != 0 {
		t.Fatalf("fleet rollback: exit status %d\n%s%s", exit, errOut, out)
	}
	m.out, m.after = errOut+out, h.Invocations()
	return m
}

// effect tells what became of a unit: untouched, restarted, started, stopped, gone or absent.
func (m move) effect(unit string) string {
	was, is := m.before[unit], m.after[unit]
	up := func(s string) bool { return strings.HasPrefix(s, "active ") || strings.HasPrefix(s, "activating ") }
	switch {
	case was == "" && is == "":
		return "absent"
	case is == "":
		return "gone"
	case was == is:
		return "untouched"
	case up(was) && up(is) && invocation(was) == invocation(is):
		return "untouched" // but for being up at last
	case up(was) && up(is):
		return "restarted"
	case up(is):
		return "started"
	case up(was):
		return "stopped"
	}
	return was + " -> " + is
}

func invocation(state string) string { return state[strings.IndexByte(state, ' ')+1:] }

// want fails the test where the plan or systemd shows something else of a unit.
func (m move) want(t testing.TB, unit, action, effect string) {
	t.Helper()
	if got := m.plan.action(unit); got != action {
		t.Errorf("%s: the plan says %s, want %s\n%+v", unit, got, action, m.plan.step(unit))
	}
	if got := m.effect(unit); got != effect {
		t.Errorf("%s: %s, want %s\n%q -> %q", unit, got, effect, m.before[unit], m.after[unit])
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
	e2e.Untouched(t, m.before, m.after, but...)
}
