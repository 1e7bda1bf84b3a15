package model

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/fleet"
)

func one(a fleet.Agent) *fleet.Fleet {
	return &fleet.Fleet{
		Project: "demo", Description: "Builds the shop.", Agents: map[string]fleet.Agent{"lead": a},
		Operators: fleet.Operators{Group: "ops"}, UIDs: fleet.UIDs{From: 70000, To: 70009},
		Watchdog: fleet.Watchdog{Every: "5m", StalledAfter: "12m", FailuresBeforeAlert: 3},
		Harnesses: map[string]fleet.Harness{"h": {
			Interactive: []string{"h", "--", "{{prompt}}"},
			Headless:    []string{"h", "-m={{model}}", "run", "{{prompt}}"},
			Resume:      []string{"h", "--continue"},
			Options:     map[string][]string{"model": {"--model", "{{model}}"}, "effort": {"--effort={{effort}}"}},
		}},
	}
}

func resolve(t *testing.T, f *fleet.Fleet) (*Fleet, Agent) {
	t.Helper()
	m, err := Resolve(f, map[string]int{"demo-lead": 70001, "demo-lead-gate": 70002})
	if err != nil {
		t.Fatal(err)
	}
	return m, m.Agents[0]
}

func TestDefaultsThatComeFromOtherKeys(t *testing.T) {
	m, a := resolve(t, one(fleet.Agent{
		Harness: "h", Session: "1h", Mounts: []fleet.Mount{{Source: "/srv/x"}},
		Schedules: map[string]fleet.Schedule{
			"b": {Every: "1h", Prompt: "p"},
			"a": {Calendar: "03:00", Timezone: "Europe/Berlin", Session: "5m"},
			"c": {Calendar: "03:00 UTC", Timezone: "UTC"},
			"d": {Cron: "0 3 1 * fri", Timezone: "Asia/Tokyo", Jitter: "5m", CatchUp: true, Overlap: "skip"},
		},
	}))
	if a.Name != "lead" || a.User != "demo-lead" || a.UID != 70001 || m.Watchdog.StalledRuns != 3 {
		t.Errorf("name %q, user %q, uid %d, stalled runs %d", a.Name, a.User, a.UID, m.Watchdog.StalledRuns)
	}
	if want := (fleet.Git{Name: "lead", Email: "demo-lead@fleet.invalid"}); a.Git != want {
		t.Errorf("git %+v, want %+v", a.Git, want)
	}
	if a.Mounts[0].Target != "/srv/x" {
		t.Errorf("target %q", a.Mounts[0].Target)
	}
	want := []Schedule{
		{
			Name: "a", Calendar: []string{"03:00 Europe/Berlin"}, Key: "calendar", Expr: "03:00", When: "03:00 Europe/Berlin",
			Session: 5 * time.Minute,
		},
		{Name: "b", Every: time.Hour, Key: "every", Expr: "1h", When: "every 1h", Prompt: "p", Session: time.Hour},
		{
			Name: "c", Calendar: []string{"03:00 UTC"}, Key: "calendar", Expr: "03:00 UTC", When: "03:00 UTC",
			Session: time.Hour,
		},
		{
			Name: "d", Calendar: []string{"*-*-01 03:00:00 Asia/Tokyo", "Fri *-*-* 03:00:00 Asia/Tokyo"}, Key: "cron",
			Expr: "0 3 1 * fri", When: "at 03:00 on day 1 of the month and on every Fri, Asia/Tokyo", Jitter: 5 * time.Minute,
			CatchUp: true, Skip: true, Session: time.Hour,
		},
	}
	if diff := cmp.Diff(want, a.Schedules); diff != "" {
		t.Error(diff)
	}
}

// Variables are replaced once: a name that looks like one stays.
func TestPromptVariables(t *testing.T) {
	f := one(fleet.Agent{
		Harness: "h", Name: "{{agent.role}}", Role: "Lead {{project}}",
		Prompt: "{{project}} {{agent.key}} {{agent.name}} {{agent.role}} {{channels.tasks}} {{{agent.key}}} {{ x }} {{}}",
	})
	_, a := resolve(t, f)
	if want := "demo lead {{agent.role}} Lead {{project}} tasks {lead} {{ x }} {{}}"; a.Prompt != want {
		t.Errorf("prompt %q, want %q", a.Prompt, want)
	}
}

func TestInstructions(t *testing.T) {
	_, a := resolve(t, one(fleet.Agent{
		Harness: "h", Name: "Atlas", Role: "Lead", Instructions: []fleet.Instruction{{Text: "One.\n\n"}, {
			Text: "Two.",
			File: "x.md",
		}},
	}))
	want := "# Atlas\n\nYou are Atlas, Lead (agent `lead`) in the team `demo`.\n\nBuilds the shop.\n\nOne.\n\nTwo.\n"
	if a.Instructions != want {
		t.Errorf("got:\n%s\nwant:\n%s", a.Instructions, want)
	}
}

// Options stand before -- or, without one, before the prompt; each item stays one argument whatever is in it.
func TestCommandLines(t *testing.T) {
	_, a := resolve(t, one(fleet.Agent{Harness: "h", Model: "m 1", Effort: "high"}))
	for _, c := range []struct{ got, want []string }{
		{a.Harness.Interactive, []string{"h", "--model", "m 1", "--effort=high", "--", "{{prompt}}"}},
		{a.Harness.Headless, []string{"h", "-m=m 1", "run", "--model", "m 1", "--effort=high", "{{prompt}}"}},
		{a.Harness.Resume, []string{"h", "--continue", "--model", "m 1", "--effort=high"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	f := one(fleet.Agent{Harness: "h", Model: "m"})
	f.Harnesses["h"] = fleet.Harness{Headless: []string{"h", "-p", "{{prompt}}"}, Options: map[string][]string{"model": {"-m", "{{model}}"}}}
	_, a = resolve(t, f)
	if want := []string{"h", "-m", "m", "-p", "{{prompt}}"}; !slices.Equal(a.Harness.Headless, want) {
		t.Errorf("got %q, want %q", a.Harness.Headless, want)
	}
	f = one(fleet.Agent{Harness: "h"})
	_, a = resolve(t, f)
	if want := []string{"h", "--", "{{prompt}}"}; !slices.Equal(a.Harness.Interactive, want) {
		t.Errorf("got %q, want %q", a.Harness.Interactive, want)
	}
	if got := f.Harnesses["h"].Interactive; len(got) != 3 {
		t.Errorf("the harness itself was changed: %q", got)
	}
}

func TestResolveErrors(t *testing.T) {
	if _, err := Resolve(one(fleet.Agent{Harness: "h"}), nil); err == nil || !strings.Contains(err.Error(),
		"demo-lead has no number") {
		t.Errorf("error %v", err)
	}
	_, err := Resolve(one(fleet.Agent{Harness: "h", Session: "soon"}), map[string]int{"demo-lead": 70001, "demo-lead-gate": 70002})
	if err == nil || !strings.Contains(err.Error(), `"soon" is not a duration`) {
		t.Errorf("error %v", err)
	}
}
