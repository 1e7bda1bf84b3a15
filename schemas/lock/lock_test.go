package lock

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/fleet"
)

var all = fleet.UIDs{From: 70000, To: 99999}

func assign(t *testing.T, l *Lock, in fleet.UIDs, avoid []int, users ...string) bool {
	t.Helper()
	changed, err := l.Assign("demo", users, in, avoid)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// A number, once given, stays with its user, whatever comes and goes around it.
func TestNumbersStay(t *testing.T) {
	l := New()
	assign(t, l, all, nil, "demo-a", "demo-b", "demo-c")
	first := l.Users("demo")
	if assign(t, l, all, nil, "demo-c", "demo-b", "demo-a") {
		t.Error("the order of users must change nothing")
	}
	if !assign(t, l, all, nil, "demo-b") {
		t.Error("a removed user must change the lock")
	}
	if got := l.Users("demo"); len(got) != 1 || got["demo-b"] != first["demo-b"] {
		t.Errorf("users %v, want demo-b alone with %d", got, first["demo-b"])
	}
	assign(t, l, all, nil, "demo-a", "demo-b", "demo-c")
	if diff := cmp.Diff(first, l.Users("demo")); diff != "" {
		t.Errorf("a user that comes back must have its number again:\n%s", diff)
	}
}

// The place of a new number depends on the name alone, so that two repositories seldom meet.
func TestNumberComesFromName(t *testing.T) {
	one, two := New(), New()
	assign(t, one, all, nil, "demo-lead")
	assign(t, two, all, nil, "demo-worker", "demo-lead", "demo-x")
	if a, b := one.Users("demo")["demo-lead"], two.Users("demo")["demo-lead"]; a != b {
		t.Errorf("demo-lead has %d and %d", a, b)
	}
}

// In a full range every number is given once, retired ones are not, and the next user is an error.
func TestNumbersAreNeverUsedTwice(t *testing.T) {
	l, in := New(), fleet.UIDs{From: 70000, To: 70009}
	var users []string
	for i := range 10 {
		users = append(users, fmt.Sprintf("demo-%c", 'a'+i))
	}
	assign(t, l, in, nil, users...)
	seen := map[int]bool{}
	for _, uid := range l.Users("demo") {
		seen[uid] = true
	}
	if len(seen) != 10 {
		t.Fatalf("%d numbers for 10 users", len(seen))
	}
	assign(t, l, in, nil, users[:9]...)
	before := l.Format()
	_, err := l.Assign("demo", append(users[:9:9], "demo-new"), in, nil)
	if err == nil || !strings.Contains(err.Error(), "no number from 70000 to 70009 is free for user demo-new") {
		t.Errorf("a retired number must not be given again: %v", err)
	}
	if !bytes.Equal(before, l.Format()) {
		t.Error("an error must change nothing")
	}
}

func TestAvoidMovesOn(t *testing.T) {
	l := New()
	assign(t, l, all, nil, "demo-a")
	old := l.Users("demo")["demo-a"]
	assign(t, l, all, []int{old}, "demo-a")
	if got := l.Users("demo")["demo-a"]; got == old {
		t.Error("the user must have another number")
	}
	assign(t, l, all, nil, "demo-b")
	assign(t, l, all, nil, "demo-a", "demo-b")
	for name, uid := range l.Users("demo") {
		if uid == old {
			t.Errorf("%s has the avoided number", name)
		}
	}
}

func TestRangeMustHoldNumbers(t *testing.T) {
	l := New()
	assign(t, l, all, nil, "demo-a")
	_, err := l.Assign("demo", []string{"demo-a"}, fleet.UIDs{From: 100, To: 200}, nil)
	if err == nil || !strings.Contains(err.Error(), "lies outside uids 100 to 200") {
		t.Errorf("error %v", err)
	}
}

func TestProjectsShareOneRange(t *testing.T) {
	l, in := New(), fleet.UIDs{From: 70000, To: 70001}
	assign(t, l, in, nil, "demo-a")
	if _, err := l.Assign("other", []string{"other-a"}, in, nil); err != nil {
		t.Fatal(err)
	}
	if l.Users("demo")["demo-a"] == l.Users("other")["other-a"] {
		t.Error("two projects share a number")
	}
}

func TestFormat(t *testing.T) {
	l := New()
	assign(t, l, all, nil, "demo-b", "demo-a")
	assign(t, l, all, nil, "demo-a")
	want := `{
  "version": 1,
  "projects": {
    "demo": {
      "uids": {
        "demo-a": 97120
      },
      "retired": {
        "demo-b": 88330
      }
    }
  }
}
`
	if diff := cmp.Diff(want, string(l.Format())); diff != "" {
		t.Error(diff)
	}
}

var faulty = []struct{ name, text, want string }{
	{"empty", "", "is empty"},
	{"not JSON", "{", "ends too early"},
	{"conflict", "{\n<<<<<<< HEAD\n", "line 2"},
	{"no version", "{}", "has no version"},
	{"newer", `{"version": 9, "shape": {}}`, "has version 9, this fleet reads up to version 1"},
	{"unknown key", `{"version": 1, "users": {}}`, `unknown field "users"`},
	{"twice", `{"version": 1, "projects": {"a": {"uids": {"a-x": 70000, "a-x": 70001}}}}`, `key "a-x" stands twice`},
	{
		"same number", `{"version": 1, "projects": {"a": {"uids": {"a-x": 70000, "a-y": 70000}}}}`,
		`"a-x" and "a-y" have the same number 70000`,
	},
	{
		"same number in two projects",
		`{"version": 1, "projects": {"a": {"uids": {"a-x": 70000}}, "b": {"retired": {"b-x": 70000}}}}`, "same number",
	},
	{
		"alive and retired", `{"version": 1, "projects": {"a": {"uids": {"a-x": 70000}, "retired": {"a-x": 70001}}}}`,
		"stands in uids and in retired",
	},
	{"root", `{"version": 1, "projects": {"a": {"uids": {"a-x": 0}}}}`, "must have a number from 1000"},
	{"name", `{"version": 1, "projects": {"a": {"uids": {"../x": 70000}}}}`, "is not a user name"},
	{"fraction", `{"version": 1, "projects": {"a": {"uids": {"a-x": 1.5}}}}`, "is not a lock"},
	{"list", `[]`, "is not a lock"},
	{"null", `null`, "is not a lock"},
}

func TestParseRefuses(t *testing.T) {
	for _, c := range faulty {
		if _, err := Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.HasPrefix(err.Error(), FileName+": ") {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzParse proves that no lock panics, and that one which is accepted survives writing, reading and assigning.
func FuzzParse(f *testing.F) {
	l := New()
	_, _ = l.Assign("demo", []string{"demo-a", "demo-b"}, all, []int{70001})
	_, _ = l.Assign("demo", []string{"demo-a"}, all, nil)
	f.Add(l.Format())
	f.Add([]byte(nil))
	for _, c := range faulty {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b)
		if err != nil {
			return
		}
		text := l.Format()
		again, err := Parse(text)
		if err != nil || !bytes.Equal(text, again.Format()) {
			t.Fatalf("not stable: %v\n%s\n%s", err, text, again.Format())
		}
		before := l.Users("demo")
		if _, err := l.Assign("demo", []string{"demo-a", "demo-b"}, all, nil); err != nil {
			return
		}
		for name, uid := range l.Users("demo") {
			if had, ok := before[name]; ok && had != uid {
				t.Errorf("%s had %d, has %d", name, had, uid)
			}
			if slices.Contains(l.Avoid, uid) && before[name] != uid {
				t.Errorf("%s has the avoided number %d", name, uid)
			}
		}
		if err := l.check(); err != nil {
			t.Error(err)
		}
	})
}
