//go:build machine

package e2e

import (
	"strings"
	"testing"

	"fleet/activate/machine/machinetest"
)

// The thinnest true path: a spec is built, switched to, its agents run contained, a second generation goes live and is
// rolled back, a boot keeps it, and the project can be taken off the host.
func TestThinPath(t *testing.T) {
	t.Parallel()
	h := New(t, machinetest.Options{})
	first := h.Build(Spec())
	h.Switch(first)
	for _, key := range []string{"a", "b"} {
		if got := h.Show("fleet-demo-"+key+".service", "ActiveState")["ActiveState"]; got != "active" {
			t.Errorf("agent %s is %s", key, got)
		}
	}
	if out := h.Switch(first); !strings.Contains(out, "nothing to do") {
		t.Errorf("a second switch to the same: %s", out)
	}
	before := h.Invocations()
	h.Switch(h.Build(Spec(`{ agents+: { a+: { prompt: 'Do something else.' } } }`)), "--now")
	Untouched(t, before, h.Invocations(), "fleet-demo-a.service", "fleet-demo-a-probe.service")
	if active, boot := h.Generation(); active != "2" || boot != "2" {
		t.Errorf("after the second switch generation %s is live and %s boots", active, boot)
	}
	if exit, out, errOut := h.Fleet("rollback", "--now"); exit != 0 {
		t.Fatalf("rollback: exit status %d\n%s%s", exit, errOut, out)
	}
	if active, boot := h.Generation(); active != "1" || boot != "1" {
		t.Errorf("after the rollback generation %s is live and %s boots", active, boot)
	}
	h.MustRun("rm", "/usr/local/bin/fleet") // nothing of it is needed at run time
	h.MustReboot()
	if active, _ := h.Generation(); active != "1" {
		t.Errorf("after a boot generation %s is live", active)
	}
	for _, key := range []string{"a", "b"} {
		if got := h.Show("fleet-demo-"+key+".service", "ActiveState")["ActiveState"]; got != "active" {
			t.Errorf("after a boot agent %s is %s", key, got)
		}
	}
}
