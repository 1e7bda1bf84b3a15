//go:build machine

package machinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fleet/activate/machine"
)

// pollEvery is short against what is waited for, and long against a systemctl.
const pollEvery = 200 * time.Millisecond

// MustRun runs argv as root and returns its standard output without the space around it. Its exit status must be 0.
func (m *M) MustRun(argv ...string) string {
	m.t.Helper()
	exit, out, errOut := m.run(nil, "", argv)
	if exit != 0 {
		m.t.Fatalf("%s: exit status %d\n%s%s", strings.Join(argv, " "), exit, out, errOut)
	}
	return strings.TrimSpace(out)
}

// Sh runs a shell script as MustRun does.
func (m *M) Sh(script string) string {
	m.t.Helper()
	return m.MustRun("sh", "-euc", script)
}

// Try runs argv as root and returns standard output and error together, and the exit status; 128 and the signal's
// number where one ended it, -1 where it could not be run or took too long.
func (m *M) Try(argv ...string) (out string, exit int) {
	exit, stdout, stderr := m.run(nil, "", argv)
	return stdout + stderr, exit
}

// Fleet runs the fleet program and returns its exit status as Try does.
func (m *M) Fleet(args ...string) (exit int, stdout, stderr string) { return m.FleetEnv(nil, args...) }

// FleetEnv is Fleet with NAME=VALUE added to the environment.
func (m *M) FleetEnv(env []string, args ...string) (exit int, stdout, stderr string) {
	return m.run(env, "", append([]string{"fleet"}, args...))
}

// run is safe for use by several goroutines.
func (m *M) run(env []string, stdin string, argv []string) (exit int, stdout, stderr string) {
	ctx, cancel := context.WithTimeout(m.t.Context(), commandTimeout)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := m.Command(ctx, argv...)
	machine.Detach(cmd)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	cmd.Env = append(cmd.Env, env...)
	err := cmd.Run()
	if ctx.Err() != nil {
		fmt.Fprintf(&errOut, "\nended by the test: %v\n", context.Cause(ctx))
		return -1, out.String(), errOut.String()
	}
	exitErr := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return 0, out.String(), errOut.String()
	case errors.As(err, &exitErr) && exitErr.Exited():
		return exitErr.ExitCode(), out.String(), errOut.String()
	case errors.As(err, &exitErr):
		return 128 + signalOf(exitErr), out.String(), errOut.String()
	}
	fmt.Fprintln(&errOut, err)
	return -1, out.String(), errOut.String()
}

// WriteFile writes a file in the machine, and the folders above it, following links as the machine does.
func (m *M) WriteFile(path, content string, mode fs.FileMode) {
	m.t.Helper()
	const script = `mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1"`
	exit, _, errOut := m.run(nil, content, []string{"sh", "-euc", script, "sh", path, fmt.Sprintf("%o", mode.Perm())})
	if exit != 0 {
		m.t.Fatalf("write %s: %s", path, errOut)
	}
}

// ReadFile returns the content of a file in the machine.
func (m *M) ReadFile(path string) string {
	m.t.Helper()
	exit, out, errOut := m.run(nil, "", []string{"cat", "--", path})
	if exit != 0 {
		m.t.Fatalf("read %s: %s", path, errOut)
	}
	return out
}

// CopyDir copies a folder of this host into the machine, where it must not exist yet.
func (m *M) CopyDir(outside, inside string) {
	m.t.Helper()
	m.MustRun("mkdir", "-p", filepath.Dir(inside))
	if err := os.CopyFS(m.Path(inside), os.DirFS(outside)); err != nil {
		m.t.Fatal(err)
	}
}

// MustReboot reboots the machine in order.
func (m *M) MustReboot() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), commandTimeout)
	defer cancel()
	if err := m.Reboot(ctx); err != nil {
		m.t.Fatal(err)
	}
}

// PowerCut kills everything in the machine at once and boots it again.
func (m *M) PowerCut() {
	m.t.Helper()
	if err := m.Kill(); err != nil {
		m.t.Fatal(err)
	}
	if err := m.Start(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// Eventually calls f until it returns nil, and fails the test with its last error after the timeout.
func (m *M) Eventually(desc string, timeout time.Duration, f func() error) {
	m.t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: not within %s: %v", desc, timeout, err)
		}
		time.Sleep(pollEvery)
	}
}
