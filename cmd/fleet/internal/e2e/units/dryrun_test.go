//go:build machine

package units

import (
	"strings"
	"testing"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// A dry run tells what the switch then does, in the same lines, and leaves no trace.
func TestDryRun(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	first := h.Build(e2e.Spec())
	t.Run("ACT-A34 on a host without a fleet", func(t *testing.T) { traceless(t, h.On(t), first, nil) })
	h.Switch(first)
	for _, key := range []string{"a", "b"} {
		awaitState(h, key, "pausing")
	}
	wider := h.Build(e2e.Spec(`{ agents+: {
		a+: { prompt: 'Do another thing.', mounts: [{ source: '/srv', target: '/mnt/srv' }], limits: { memory: '1G' } },
		c: {},
	} }`))
	for name, args := range map[string][]string{"graceful": {}, "now": {"--now"}} {
		t.Run("ACT-A34 "+name, func(t *testing.T) { traceless(t, h.On(t), wider, args) })
	}
	t.Run("ACT-A34 the same plan", func(t *testing.T) { samePlan(t, h.On(t), wider) })
	t.Run("ACT-A34 a generation of the host", func(t *testing.T) {
		h := h.On(t)
		awaitState(h, "c", "pausing")
		awaitState(h, "a", "pausing")
		traceless(t, h, "1", nil)
		samePlan(t, h, "1")
	})
}

// traceless does dry runs, as text and as JSON.
func traceless(t *testing.T, h *e2e.Host, dir string, args []string) {
	tree, units, before := hostTree(h), systemdState(h), states(t, h, e2e.Project)
	out := h.SwitchTo(4, dir, append([]string{"--dry-run"}, args...)...)
	if !strings.Contains(out, unitOf("a")) {
		t.Errorf("the plan does not speak of %s:\n%s", unitOf("a"), out)
	}
	dryRun(t, h, dir, args...)
	sameTree(t, tree, hostTree(h))
	sameTree(t, units, systemdState(h))
	move{before: before, after: states(t, h, e2e.Project)}.only(t)
}

// systemdState is what systemd has loaded, and how often it was reloaded. Units of a moment are those of the machine's
// own commands.
func systemdState(h *e2e.Host) []string {
	return strings.Split(h.Sh(`systemctl list-units --all --plain --no-legend --full | awk '{ print $1, $2, $3, $4 }' | sort
		journalctl -b -q -o cat _PID=1 | grep -c '^Reloading\.' || :`), "\n")
}

// samePlan does the switch and finds the plan of the dry run in its progress.
func samePlan(t *testing.T, h *e2e.Host, dir string) {
	exit, plan, errOut := h.Fleet("switch", "--no-confirm", "--dry-run", "--now", dir)
	if exit != 4 || !strings.Contains(plan, "+ wider") && !strings.Contains(plan, "- narrower") {
		t.Fatalf("exit status %d, and nothing of what is given and taken:\n%s%s", exit, plan, errOut)
	}
	if out := h.Switch(dir, "--now"); !strings.Contains(out, plan) {
		t.Errorf("the dry run says\n%sthe switch says\n%s", plan, out)
	}
}
