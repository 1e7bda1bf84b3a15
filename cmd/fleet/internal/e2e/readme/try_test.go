//go:build machine

package readme

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A trial that is interrupted at any time leaves nothing on the host: no process of its machine, no mount, no file.
// It does not run beside the README's own trial, whose machine it would count.
func TestTryInterruptedLeavesNothing(t *testing.T) {
	clone := cloned(t)
	program := filepath.Join(t.TempDir(), "fleet-under-try")
	build(t, clone, "go build -o "+program+" ./cmd/fleet")
	before := leftovers(t)
	for _, when := range []string{"booting a throwaway machine", "P3 ", "P11 "} {
		interrupt(t, clone, program, when)
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
			after := leftovers(t)
			if after == before {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("interrupted at %q, left behind:\n%s\nbefore:\n%s", when, after, before)
			}
		}
	}
}

// interrupt starts a trial, presses Ctrl-C when a text has appeared, and waits for its end.
func interrupt(t *testing.T, dir, program, text string) {
	t.Helper()
	cmd := exec.Command(program, "try", "--yes")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := &watched{text: text, seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-out.seen:
	case err := <-ended:
		t.Fatalf("ended before %q: %v\n%s", text, err, out.all.String())
	case <-time.After(3 * time.Minute):
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		t.Fatalf("%q was never said:\n%s", text, out.all.String())
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		t.Fatalf("does not end after an interrupt:\n%s", out.all.String())
	}
}

// watched tells when a text was written. Its writer is one goroutine of os/exec's.
type watched struct {
	all  bytes.Buffer
	text string
	seen chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	had := strings.Contains(w.all.String(), w.text)
	w.all.Write(p)
	if !had && strings.Contains(w.all.String(), w.text) {
		close(w.seen)
	}
	return len(p), nil
}

// leftovers lists what a trial makes on the host: files, mounts, and processes that run the program under test.
func leftovers(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "fleet-try-*"))
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "fleet-try") {
			found = append(found, line)
		}
	}
	out, _ := exec.Command("pgrep", "-af", "fleet-under-try|machine=fleet-try").Output() // none is an error
	return strings.Join(append(append(files, found...), string(out)), "\n")
}
