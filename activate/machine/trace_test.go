//go:build machine

package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostState returns what a machine could leave behind on this host: mounts, its control groups, files in /run.
func hostState(t *testing.T) []string {
	t.Helper()
	var state []string
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "fleet-machine") || strings.Contains(line, " fleet ") {
			state = append(state, line)
		}
	}
	state = append(state, cages(os.Getpid())...)
	for _, pattern := range []string{"/run/fleet-machine*", "/run/systemd/nspawn/*/life", "/run/systemd/nspawn/*/hasty"} {
		found, _ := filepath.Glob(pattern)
		state = append(state, found...)
	}
	return state
}

// cages returns the control groups of a process's machines, in every tree.
func cages(pid int) []string {
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), fmt.Sprintf("%s%d-", cagePrefix, pid)) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// pidNamespace identifies the processes of a machine.
func pidNamespace(t *testing.T, m *Machine) string {
	t.Helper()
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", m.proc.leader))
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

// noTrace fails where something is left that was not there before, or a process of the namespace lives.
func noTrace(t *testing.T, before []string, ns string) {
	t.Helper()
	for _, s := range hostState(t) {
		if !slices.Contains(before, s) {
			t.Errorf("left behind: %s", s)
		}
	}
	if left := inNamespace(ns); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

// gone waits for the end of a namespace's processes: what lost its parent is a zombie until this host's PID 1 reaps it.
func gone(t *testing.T, ns string) {
	t.Helper()
	for range 100 {
		if len(inNamespace(ns)) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("processes left: %v", inNamespace(ns))
}

// inNamespace returns the processes in a PID namespace.
func inNamespace(ns string) []string {
	var left []string
	links, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, l := range links {
		if got, err := os.Readlink(l); err == nil && got == ns {
			left = append(left, l)
		}
	}
	return left
}

// holdEnv makes TestHold a process that boots a machine and waits to be killed.
const holdEnv = "FLEET_TEST_HOLD"

// TestHold is the process that TestOwnerKilled kills. By itself it only proves that a machine can be held.
func TestHold(t *testing.T) {
	m := boot(t, Options{Name: "hold"})
	fmt.Println("pidns", pidNamespace(t, m))
	if os.Getenv(holdEnv) != "" {
		select {}
	}
}

// When the process that owns a machine is interrupted or killed, the machine dies with it, and the next one removes
// the control groups, the only thing that the kernel keeps.
func TestOwnerKilled(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestHold$", "-test.v")
			cmd.Env = append(os.Environ(), holdEnv+"=1")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ns := ""
			for s := bufio.NewScanner(out); ns == "" && s.Scan(); {
				if id, ok := strings.CutPrefix(s.Text(), "pidns "); ok {
					ns = id
				}
			}
			if len(inNamespace(ns)) == 0 {
				t.Fatalf("no machine runs in namespace %q", ns)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); !errors.As(err, new(*exec.ExitError)) {
				t.Fatalf("the owner ended with %v", err)
			}
			gone(t, ns)
			if err := boot(t, Options{Name: "next"}).Close(); err != nil {
				t.Fatal(err)
			}
			if left := cages(cmd.Process.Pid); len(left) > 0 {
				t.Errorf("control groups left: %v", left)
			}
		})
	}
}

// A machine whose systemd-nspawn was killed is off, and can be started again or closed.
func TestSupervisorKilled(t *testing.T) {
	m := boot(t, Options{Name: "orphan"})
	ns := pidNamespace(t, m)
	if err := m.proc.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-m.proc.done
	if m.Running() {
		t.Error("it runs")
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone(t, ns)
	if got := sh(t, m, "hostname"); got != "orphan" {
		t.Errorf("in the machine: %q", got)
	}
}

// A machine can be booted where systemd is PID 1, which the host of these tests need not have: in a machine.
func TestInMachine(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := boot(t, Options{Name: "outer", Files: []File{{Outside: self, Inside: "/usr/local/bin/machine.test"}}})
	out := sh(t, m, "machine.test -test.v -test.run '^(TestLife|TestOwnerKilled|TestFailedBoot)$' 2>&1 || true; "+
		"echo scopes: $(systemctl list-units --all --plain --no-legend 'fleet-machine-*')")
	if !strings.HasSuffix(out, "\nscopes:") || strings.Count(out, "--- PASS: ") < 3 {
		t.Error(out)
	}
}
