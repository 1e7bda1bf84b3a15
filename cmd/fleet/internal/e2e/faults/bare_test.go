//go:build machine

package faults

import (
	"strings"
	"testing"

	"fleet/activate/machine"
)

// B19: a host without a message bus and without logind is switched, rolled back and booted like any other.
func TestACTB19NoBusNoLogind(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{WithoutDBus: true, WithoutLogind: true})
	h.Sh("! systemctl is-active dbus.service systemd-logind.service")
	first := h.first()
	second := h.build(spec(2))
	h.fleet(0, now(second)...)
	h.settled("2", second)
	h.fleet(0, "rollback", "--now")
	h.fleet(0, "status")
	h.MustReboot()
	h.settled("1", first)
	h.fleet(0, "uninstall")
}

// B20: without systemd as PID 1 nothing is touched, and the way to try a fleet all the same is named. That systemd is
// too old is a case of the preflight's own tests.
func TestACTB20OtherInit(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	b := h.build(spec(1))
	before := h.snapshot()
	const inside = `unshare --fork --pid --mount --mount-proc sh -euc 'mount -t tmpfs none /run; exec "$@"' sh `
	for _, args := range []string{"", "--dry-run "} {
		out, exit := h.Try("sh", "-c", inside+"fleet switch --no-confirm "+args+b.dir)
		if exit != 3 || !strings.Contains(out, "systemd") || !strings.Contains(out, "fleet try") {
			t.Errorf("fleet switch %s: exit status %d\n%s", args, exit, out)
		}
	}
	// With systemd's socket in reach, but not as the first process that this one sees.
	out, exit := h.Try("sh", "-c", "unshare --fork --pid --mount-proc fleet switch --no-confirm --dry-run "+b.dir)
	if exit != 3 || !strings.Contains(out, "pid 1: must be systemd") || !strings.Contains(out, "fleet try") {
		t.Errorf("exit status %d\n%s", exit, out)
	}
	h.unchanged(before, h.snapshot(), "")
}

// B33: /run may be noexec, and /var a file system of its own, which is not there yet when systemd runs generators.
func TestACTB33RunNoExecSeparateVar(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{RunNoExec: true, Volumes: []machine.Volume{{Path: "/var", Size: "256m"}}})
	h.Sh("! { cp /bin/true /run/x && /run/x; }; rm /run/x; findmnt /var")
	first := h.first()
	h.settled("1", first)
	h.arm(fault{Args: detached("demo"), Before: "daemon-reload"})
	h.fleet(6, now(h.build(spec(2)))...)
	h.disarm()
	h.becomes("1", first) // by the dead man, whose script lies in /run
	h.PowerCut()
	h.becomes("1", first)
	third := h.build(spec(3))
	h.fleet(0, now(third)...)
	h.settled("3", third)
}

// B33: scripts run from the store.
func TestACTB33StoreNoExec(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{Volumes: []machine.Volume{{Path: "/var/lib/fleet", NoExec: true}}})
	before := h.snapshot()
	h.mustSay(h.fleet(3, now(h.build(spec(1)))...), "/var/lib/fleet/store", "noexec", "remount")
	h.unchanged(before, h.snapshot(), `^(node|file) (/var/lib/fleet|/run/fleet|/var/lib)(/\S*)? `)
}
