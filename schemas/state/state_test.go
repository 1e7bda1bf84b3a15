package state_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/manifest"
	"fleet/schemas/schematest"
	"fleet/schemas/state"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func id(c string) manifest.ID { return manifest.ID(strings.Repeat(c, 64)) }

// moved is a host on which generations 1, 2, 3 were switched to in turn and proved healthy.
func moved() *state.State {
	s := state.New("demo")
	for n, c := range []string{"a", "b", "c"} {
		got := s.Next(nil)
		s.Add(got, id(c))
		s.Confirm(got)
		s.Append(state.Event{Time: time.Unix(1e9, 0).UTC(), Action: state.ActionSwitch, From: n, To: got, ID: id(c), Result: state.ResultOK})
	}
	return s
}

func TestNumbersAreNeverReused(t *testing.T) {
	s := moved()
	s.Collected(3)
	if n := s.Next([]int{1, 2}); n != 4 {
		t.Errorf("after a collected 3 comes %d", n)
	}
	if n := s.Next([]int{1, 9}); n != 10 {
		t.Errorf("after a 9 found on disk comes %d", n)
	}
}

func TestBefore(t *testing.T) {
	s := moved()
	if d := cmp.Diff([]int{2, 1}, s.Before(3)); d != "" {
		t.Error(d)
	}
	s.Append(state.Event{Action: state.ActionRollback, From: 3, To: 2, Result: state.ResultOK})
	if d := cmp.Diff([]int{3, 1}, s.Before(2)); d != "" {
		t.Errorf("twice in a row must come back: %s", d)
	}
	s.Append(state.Event{Action: state.ActionSwitch, From: 2, To: 5, Result: state.ResultReverted})
	if d := cmp.Diff([]int{3, 1}, s.Before(2)); d != "" {
		t.Errorf("a reverted switch does not count: %s", d)
	}
	s.Collected(3)
	if d := cmp.Diff([]int{1}, s.Before(2)); d != "" {
		t.Errorf("a collected one does not count: %s", d)
	}
}

func TestFailedReason(t *testing.T) {
	s := moved()
	s.Fail(3, "unit did not start")
	s.Collected(3)
	if got := s.FailedReason(id("c")); got != "unit did not start" {
		t.Errorf("got %q", got)
	}
	s.Add(4, id("c"))
	s.Confirm(4)
	if got := s.FailedReason(id("c")); got != "" {
		t.Errorf("confirmed since, got %q", got)
	}
	if got := s.FailedReason(id("d")); got != "" {
		t.Errorf("unknown content: %q", got)
	}
}

func TestRoundTrip(t *testing.T) {
	b, err := state.Encode(moved())
	must(t, err)
	got, err := state.Parse(b)
	must(t, err)
	if d := cmp.Diff(moved(), got); d != "" {
		t.Error(d)
	}
	schematest.Accepts(t, "state.schema.json", b)
}

func TestSchemas(t *testing.T) {
	schematest.Equal(t, "state.schema.json", reflect.TypeFor[state.State]())
	schematest.Equal(t, "txn.schema.json", reflect.TypeFor[state.Txn]())
}

// Every version that a tool ever wrote is read. A new version adds its file.
func TestOldVersions(t *testing.T) {
	files, err := filepath.Glob("testdata/state-v*.json")
	must(t, err)
	if len(files) != state.Version {
		t.Errorf("%d files for %d versions", len(files), state.Version)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		if s, err := state.Parse(b); err != nil || s.Version != state.Version || len(s.History) == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := state.Encode(moved())
	must(t, err)
	edit := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for want, text := range map[string]string{
		"must be JSON":              "",
		"has version 7":             edit(`"version": 1`, `"version": 7`),
		"has version 0":             "{}",
		"follow its schema":         edit(`"last"`, `"lost"`),
		"after top-level value":     string(good) + "{}",
		"not a project name":        edit(`"demo"`, `"../x"`),
		"must be from 1 to 3":       edit(`"number": 3`, `"number": 9`),
		"sorted by number":          edit(`"number": 1`, `"number": 3`),
		"must be 64 hex":            edit(strings.Repeat("a", 64), "x"),
		"must have an action":       edit(`"action": "switch"`, `"action": ""`),
		"must have at most":         strings.Repeat(" ", state.MaxSize+1),
		"last must not be negative": edit(`"last": 3`, `"last": -1`),
	} {
		if _, err := state.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, err := state.Encode(moved())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"project":"a","last":1,"generations":[{"number":1,"id":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := state.Parse(b)
		if err != nil {
			return
		}
		next := s.Next(nil)
		if _, known := s.Get(next); known {
			t.Fatalf("number %d is given twice", next)
		}
		s.Add(next, id("a"))
		again, err := state.Encode(s)
		if err != nil {
			t.Skip() // a time that JSON cannot hold
		}
		if _, err := state.Parse(again); err != nil {
			t.Fatalf("does not read what it wrote: %v", err)
		}
	})
}
