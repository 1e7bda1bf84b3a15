//go:build machine

package machinetest

import (
	"os/exec"
	"strings"
	"syscall"
)

// Show returns properties of a unit as systemctl show prints them; all where none is named. A unit that does not exist
// has LoadState=not-found.
func (m *M) Show(unit string, props ...string) map[string]string {
	m.t.Helper()
	argv := []string{"systemctl", "show"}
	if len(props) > 0 {
		argv = append(argv, "--property="+strings.Join(props, ","))
	}
	shown := map[string]string{}
	for line := range strings.Lines(m.MustRun(append(argv, "--", unit)...)) {
		if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			shown[k] = v
		}
	}
	return shown
}

// InvocationID names one run of a unit: it changes when the unit is started or restarted, and only then. It is empty
// where the unit has not run.
func (m *M) InvocationID(unit string) string {
	m.t.Helper()
	return m.Show(unit, "InvocationID")["InvocationID"]
}

func signalOf(e *exec.ExitError) int {
	if st, ok := e.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return int(st.Signal())
	}
	return 0
}
