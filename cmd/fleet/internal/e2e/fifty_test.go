//go:build machine

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"fleet/activate/machine/machinetest"
)

// The prompt of one agent among fifty changes, and nothing else is touched. A switch to what is live then makes no
// daemon-reload.
func TestOneAmongFifty(t *testing.T) {
	t.Parallel()
	h := New(t, machinetest.Options{})
	var agents strings.Builder
	for n := range 50 {
		fmt.Fprintf(&agents, "w%d: {}, ", n)
	}
	fleet := Spec("{ activation+: { job: '3m', deadman: '4m' }, agents: { " + agents.String() + "} }") // fifty starts at once take long
	h.Switch(h.Build(fleet))
	before := h.Invocations()
	changed := h.Build(fleet + " + { agents+: { w7+: { prompt: 'Do something else.' } } }")
	h.Switch(changed, "--now")
	Untouched(t, before, h.Invocations(), "fleet-demo-w7.service", "fleet-demo-w7-probe.service")
	reloads := func() int { return strings.Count(h.MustRun("journalctl", "--no-pager", "_PID=1"), ": Reloading.") }
	was := reloads()
	if out := h.Switch(changed); !strings.Contains(out, "nothing to do") {
		t.Errorf("a switch to what is live: %s", out)
	}
	if is := reloads(); is != was || was == 0 {
		t.Errorf("systemd was reloaded %d times before and %d times after a switch to what is live", was, is)
	}
}
