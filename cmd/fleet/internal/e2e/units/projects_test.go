//go:build machine

package units

import (
	"strings"
	"testing"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// foreignTree lists all that a host keeps of a project, with times, but for what its agents write.
func foreignTree(h *e2e.Host, project string) []string {
	return strings.Split(h.Sh(`set -f; cd /
		find etc/fleet/`+project+` var/lib/fleet/`+project+` run/fleet/`+project+` \( -path run/fleet/*/own -o -path "*/fleet/*/egress/gate/*" -o -path var/lib/fleet/*/records \) -prune -o -printf '%y %m %U:%G %T@ %i %l %p\n' | sort
		nft list table inet fleet_`+project+`; getent passwd | grep '^`+project+`-'; ls -l --full-time etc/sudoers.d/fleet-`+project), "\n")
}

// Two projects on a host: whatever is done to one, the other one notices nothing.
func TestProjects(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	h.Switch(h.Build(e2e.Spec()))
	const other = `{ project: 'other', uids: { from: 80000, to: 80999 } }`

	// unnoticed does something and fails the test where the project notices.
	unnoticed := func(t *testing.T, h *e2e.Host, project string, do func()) {
		t.Helper()
		tree, before := foreignTree(h, project), states(t, h, project)
		do()
		sameTree(t, tree, foreignTree(h, project))
		move{before: before, after: states(t, h, project)}.only(t)
	}
	t.Run("ACT-A33 first switch of another", func(t *testing.T) {
		h := h.On(t)
		unnoticed(t, h, e2e.Project, func() { h.Switch(h.Build(e2e.Spec(other))) })
		if s := states(t, h, "other")["fleet-other-a.service"]; !s.up() {
			t.Errorf("the other project's agent is %v", s)
		}
	})
	t.Run("ACT-A33 switch of either", func(t *testing.T) {
		h := h.On(t)
		const change = `{ agents+: { a+: { prompt: 'Do another thing.' }, c: {} } }`
		unnoticed(t, h, e2e.Project, func() { h.Switch(h.Build(e2e.Spec(other, change)), "--now") })
		unnoticed(t, h, "other", func() { h.Switch(h.Build(e2e.Spec(change)), "--now") })
	})
	t.Run("ACT-A33 rollback of either", func(t *testing.T) {
		h := h.On(t)
		if exit, _, errOut := h.Fleet("rollback", "--now"); exit != 2 || !strings.Contains(errOut, "--project") {
			t.Errorf("a rollback of no project by name: exit status %d\n%s", exit, errOut)
		}
		unnoticed(t, h, "other", func() { h.MustRun("fleet", "rollback", "--now", "--project", "demo") })
		unnoticed(t, h, "demo", func() { h.MustRun("fleet", "rollback", "--now", "--project", "other") })
	})
	t.Run("ACT-A33 failing switch and uninstall of another", func(t *testing.T) {
		h := h.On(t)
		bad := `{ defaults+: { systemd: { Unit: { ConditionPathExists: '/nowhere' } } } }`
		unnoticed(t, h, "demo", func() { h.SwitchTo(5, h.Build(e2e.Spec(other, bad)), "--now") })
		unnoticed(t, h, "demo", func() { h.MustRun("fleet", "uninstall", "--project", "other") })
		h.MustReboot()
		for _, key := range []string{"a", "b"} {
			if got := h.Show(unitOf(key), "ActiveState")["ActiveState"]; got != "active" {
				t.Errorf("after the other's end and a boot %s is %s", unitOf(key), got)
			}
		}
	})
}
