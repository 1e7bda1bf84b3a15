package vault

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/system"
	"fleet/activate/systemd"
)

// recorded plays systemd's manager.
type recorded struct{ calls []string }

func (r *recorded) Reload(context.Context, system.Effects) error {
	r.calls = append(r.calls, "reload")
	return nil
}

func (r *recorded) Jobs(
	_ context.Context, _ system.Effects, jobs []systemd.Job, _ time.Duration, _ func(systemd.JobResult),
) []systemd.JobResult {
	var out []systemd.JobResult
	for _, j := range jobs {
		r.calls = append(r.calls, j.Kind+" "+j.Unit)
		out = append(out, systemd.JobResult{Job: j, Result: "done"})
	}
	return out
}

func (f *fixture) units() []string {
	f.t.Helper()
	var out []string
	check(f.t, filepath.WalkDir(f.root+unitFolder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, strings.TrimPrefix(path, f.root+unitFolder+"/"))
		}
		return err
	}))
	return out
}

func TestRotate(t *testing.T) {
	f := newFixture(t)
	err := f.Rotate(t.Context(), "A", Value{[]byte("new value")})
	if err == nil || !strings.Contains(err.Error(), "fleet secret set A") {
		t.Errorf("nothing to rotate: %v", err)
	}
	f.put("A=old value", "B=other value")
	err = f.Rotate(t.Context(), "A", Value{[]byte("old value")})
	if err == nil || !strings.Contains(err.Error(), "has this value already") {
		t.Errorf("the same value: %v", err)
	}
	check(t, f.Rotate(t.Context(), "A", Value{[]byte("new value")}))
	if diff := cmp.Diff([]string{"A=new value", "A.previous=old value", "B=other value"}, f.state()); diff != "" {
		t.Error(diff)
	}
	if names, err := f.Names(); err != nil || !cmp.Equal(names, []string{"A", "B"}) {
		t.Errorf("what is kept counts as a secret: %v, %v", names, err)
	}

	sd := &recorded{}
	end := time.Date(2026, 5, 1, 13, 0, 0, 0, time.FixedZone("CEST", 7200))
	check(t, f.StartGrace(t.Context(), sd, "A", end))
	if diff := cmp.Diff([]string{"reload", "restart fleetgrace-demo-A.timer"}, sd.calls); diff != "" {
		t.Error(diff)
	}
	want := []string{"fleetgrace-demo-A.service", "fleetgrace-demo-A.timer", "timers.target.wants/fleetgrace-demo-A.timer"}
	if diff := cmp.Diff(want, f.units()); diff != "" {
		t.Error(diff)
	}
	timer, err := os.ReadFile(f.root + unitFolder + "/fleetgrace-demo-A.timer")
	if err != nil || !strings.Contains(string(timer), "OnCalendar=2026-05-01 11:00:00 UTC\n") {
		t.Errorf("%s, %v", timer, err)
	}
	check(t, f.Rotate(t.Context(), "A", Value{[]byte("third value")}))
	if diff := cmp.Diff([]string{"A=third value", "A.previous=new value", "B=other value"}, f.state()); diff != "" {
		t.Error(diff)
	}
	check(t, f.EndGrace(t.Context(), sd, "A"))
	if diff := cmp.Diff([]string{"A=third value", "B=other value"}, f.state()); diff != "" || len(f.units()) > 0 {
		t.Errorf("%s%v", diff, f.units())
	}
	check(t, f.EndGrace(t.Context(), sd, "A"))
}

// With the value goes what was kept of it, and with the project all that was kept.
func TestEndOfGraces(t *testing.T) {
	f := newFixture(t)
	f.put("A=old value", "B=old value", "C=old value")
	for _, name := range []string{"A", "B", "C"} {
		check(t, f.Rotate(t.Context(), name, Value{[]byte("new value")}))
		check(t, f.StartGrace(t.Context(), &recorded{}, name, time.Now()))
	}
	foreign := f.root + unitFolder + "/fleetgrace-demo2-A.timer"
	check(t, os.WriteFile(foreign, nil, 0o644))
	check(t, f.Remove(t.Context(), nil, "A"))
	left := []string{"B=new value", "B.previous=old value", "C=new value", "C.previous=old value"}
	if diff := cmp.Diff(left, f.state()); diff != "" {
		t.Error(diff)
	}
	check(t, os.Remove(f.Secret("B.previous")))
	check(t, os.Remove(f.root+unitFolder+"/fleetgrace-demo-C.timer"))
	check(t, f.EndGraces(t.Context(), &recorded{}))
	if diff := cmp.Diff([]string{"B=new value", "C=new value"}, f.state()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{filepath.Base(foreign)}, f.units()); diff != "" {
		t.Error(diff)
	}
}

// Killed at any change, a rotation leaves the old value or the new one, and the old one is never lost before.
func TestRotateKilled(t *testing.T) {
	for at := 0; ; at++ {
		f := newFixture(t)
		f.put("A=old value")
		err := f.with(&killed{at}).Rotate(t.Context(), "A", Value{[]byte("new value")})
		got := f.read("A")
		if got == "new value" && f.read("A.previous") != "old value" || got != "new value" && got != "old value" {
			t.Errorf("killed at %d: %v", at, f.state())
		}
		if err == nil {
			return
		}
	}
}
