//go:build machine

package machinetest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
)

// Every helper does what it says, in one machine.
func TestHelpers(t *testing.T) {
	m := New(t, Options{Options: machine.Options{Name: "helpers"}})

	exit, out, errOut := m.Fleet("version")
	if exit != 0 || !strings.Contains(out, "fleet") {
		t.Errorf("fleet version: exit status %d\n%s%s", exit, out, errOut)
	}
	if exit, _, errOut := m.Fleet("no-such-command"); exit != 2 || errOut == "" {
		t.Errorf("a wrong command: exit status %d, %q", exit, errOut)
	}

	m.WriteFile("/srv/a/b", "x\ny\n", 0o640)
	if got := m.ReadFile("/srv/a/b"); got != "x\ny\n" {
		t.Errorf("read back %q", got)
	}
	if got := m.MustRun("stat", "-c", "%a", "/srv/a/b"); got != "640" {
		t.Errorf("mode %s", got)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("copied"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.CopyDir(dir, "/srv/c")
	if got := m.ReadFile("/srv/c/f"); got != "copied" {
		t.Errorf("copied %q", got)
	}
	for script, want := range map[string]int{"exit 3": 3, "kill -9 $$": 128 + 9} {
		if out, exit := m.Try("sh", "-c", script); exit != want {
			t.Errorf("%s: exit status %d, want %d\n%s", script, exit, want, out)
		}
	}

	m.WriteFile("/etc/systemd/system/nap.service", "[Service]\nExecStart=sleep 1000\n", 0o644)
	m.Sh("systemctl daemon-reload; systemctl start nap")
	first := m.InvocationID("nap.service")
	m.MustRun("systemctl", "restart", "nap")
	if second := m.InvocationID("nap.service"); first == "" || second == first {
		t.Errorf("invocation ids %q, then %q", first, second)
	}
	if got := m.Show("gone.service", "LoadState", "ActiveState"); len(got) != 2 || got["LoadState"] != "not-found" {
		t.Errorf("show: %v", got)
	}

	calls := 0
	m.Eventually("third call", 5*time.Second, func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	})

	m.PowerCut()
	m.MustReboot()
	if got := m.ReadFile("/srv/a/b"); got != "x\ny\n" {
		t.Errorf("after power cut and reboot %q", got)
	}
}

// What a failing helper reports reaches the test, and ends it.
func TestFailures(t *testing.T) {
	m := New(t, Options{Bare: true})
	if out, exit := m.Try("fleet"); exit != 127 {
		t.Errorf("a bare machine has fleet: exit status %d, %s", exit, out)
	}
	for name, f := range map[string]func(*M){
		"exit status 4":       func(m *M) { m.MustRun("sh", "-c", "exit 4") },
		"/nowhere":            func(m *M) { m.ReadFile("/nowhere") },
		"not within 1ms: bad": func(m *M) { m.Eventually("it", time.Millisecond, func() error { return errors.New("bad") }) },
	} {
		r := &recorder{TB: t}
		func() {
			defer func() { _ = recover() }()
			f(&M{Machine: m.Machine, t: r})
		}()
		if !strings.Contains(r.text, name) {
			t.Errorf("%q is not in %q", name, r.text)
		}
	}
}
