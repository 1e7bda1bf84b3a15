package vault

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAbsent(t *testing.T) {
	dir := t.TempDir()
	check(t, os.MkdirAll(dir+"/real/agents/lead", 0o755))
	check(t, os.Symlink("real", dir+"/boot"))
	check(t, os.WriteFile(dir+"/real/agents/lead/run", []byte("TOKEN='canary-3f1c9d'\n"), 0o644))
	check(t, os.WriteFile(dir+"/real/policy", []byte(`{"a":"line\n\"two\""}`), 0o644))
	check(t, os.WriteFile(dir+"/outside", []byte("elsewhere-1"), 0o600))
	check(t, os.Symlink(dir+"/outside", dir+"/real/link"))
	for value, want := range map[string]string{
		"canary-3f1c9d":   "agents/lead/run: anyone may read it there",
		"TOKEN='canary":   "agents/lead/run",
		"line\n\"two\"":   "policy: anyone",
		"elsewhere-1":     "",
		"canary-3f1c9d\n": "",
		"unknown-value":   "",
	} {
		err := Absent(dir+"/boot", []Entry{{"A", Value{[]byte(value)}}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", value, err, want)
		}
		if err != nil && strings.Contains(err.Error(), value) {
			t.Errorf("the value is in the error: %v", err)
		}
	}
	if err := Absent(dir+"/nothing", entries("A=12345678")); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
	f := newFixture(t)
	f.put("A=canary-3f1c9d", "B=12345678")
	if err := f.Absent(t.Context(), []string{"A", "B", "C"}, dir+"/boot"); err == nil || !strings.Contains(err.Error(), "A: its value stands") {
		t.Errorf("of the vault: %v", err)
	}
	if err := f.Absent(t.Context(), []string{"B"}, dir+"/boot"); err != nil {
		t.Errorf("of the vault: %v", err)
	}
	err := Absent(dir+"/boot", entries("A=canary-3f1c9d", "B=12345678", "C=TOKEN='canary"))
	for name, want := range map[string]bool{"A: ": true, "B: ": false, "C: ": true} {
		if err == nil || strings.Contains(err.Error(), name) != want {
			t.Errorf("not all at once: %v", err)
		}
	}
}

// A file that is exchanged for a FIFO between list and look holds nobody up.
func TestPlainFile(t *testing.T) {
	done := make(chan error, 1)
	dir := t.TempDir()
	check(t, os.Symlink("/etc/hostname", dir+"/link"))
	check(t, syscall.Mkfifo(dir+"/fifo", 0o600))
	go func() { _, err := plainFile(dir + "/fifo"); done <- err }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("hangs")
	}
	if text, err := plainFile(dir + "/link"); err == nil {
		t.Errorf("a link was followed: %q", text)
	}
}
