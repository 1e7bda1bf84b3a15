//go:build machine

package faults

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"fleet/activate/machine"
)

// brisk lets the dead man act 16 s after a kill in a phase without jobs, and again 20 s after he was killed.
const brisk = `{ activation+: { deadman: '16s', job: '15s' } }`

// B4: the script that undoes a switch is killed twice, wherever it is. The timer brings it again until it is done.
func TestACTB4RevertKilledTwice(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	first := h.first(brisk)
	h.killedAt("daemon-reload", spec(2, brisk))
	for _, after := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond} {
		h.killRevert(after)
		if f := h.facts("demo"); len(f.always()) > 0 || f.boot != "1" || len(f.many["txn"]) == 0 {
			t.Errorf("after the kill: %+v", f)
		}
	}
	h.becomes("1", first)
	h.mustSay(h.fleet(1, "status"), "was interrupted in P9 and undone")
	h.fleet(0, now(first)...)
	h.settled("1", first)
	h.fleet(0, "status")
}

// B4: killed once, it is ended by a boot; or by the next switch; or by a rollback.
func TestACTB4RevertKilledThenBoot(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	first := h.first(brisk)
	h.killedAt("daemon-reload", spec(2, brisk))
	h.killRevert(400 * time.Millisecond)
	h.PowerCut()
	h.becomes("1", first)
	third := h.build(spec(3, brisk))
	h.killedAt("start fleet-demo-a-probe.service", spec(4, brisk))
	h.killedRecovery(third)
	h.fleet(0, now(third)...)
	live := h.facts("demo").active
	h.settled(live, third)
	h.killedAt("start fleet-demo-a-probe.service", spec(5, brisk))
	h.fleet(0, "rollback", "--now") // from a generation that the history does not have
	h.settled(live, third)
}

// killedAt kills a switch before an effect.
func (h *host) killedAt(before, spec string) {
	h.t.Helper()
	h.arm(fault{Args: detached("demo"), Before: before})
	h.mustSay(h.fleet(6, now(h.build(spec))...), "the switch was killed; the dead man brings the generation before back")
	h.disarm()
}

// killRevert kills the dead man and all that he has started, some time after he has begun.
func (h *host) killRevert(after time.Duration) {
	h.t.Helper()
	h.Sh(fmt.Sprintf(`end=$(($(cut -d. -f1 /proc/uptime) + %d))
		until kill=$(ls /sys/fs/cgroup/system.slice/fleetdeadman-demo-*.service/cgroup.kill 2>/dev/null); do
			[ "$(cut -d. -f1 /proc/uptime)" -lt $end ]; sleep 0.02
		done
		sleep %g; echo 1 >"$kill"; sleep 0.2
		unit=${kill%%/*}; systemctl show --property=Result "${unit##*/}" | grep -qx Result=signal`,
		int(patience.Seconds()), after.Seconds()))
}

// killedRecovery begins the next switch and kills the unit that it is, with the script that it runs.
func (h *host) killedRecovery(b build) {
	h.t.Helper()
	c := h.start(append([]string{"fleet"}, now(b)...)...)
	h.Eventually("the way back in the next switch", patience, func() error {
		if len(h.scripts()) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	h.Sh("systemctl kill --signal=KILL 'fleetswitch-demo-*.service'")
	h.exit(c, 6)
	if f := h.facts("demo"); len(f.always()) > 0 || len(f.many["txn"]) == 0 {
		h.t.Errorf("after the kill: %+v", f)
	}
}

// scripts returns the processes in switches' units that run the revert script.
func (h *host) scripts() string {
	h.t.Helper()
	return h.Sh(`for s in /sys/fs/cgroup/system.slice/fleetswitch-demo-*/cgroup.procs; do
		[ ! -f "$s" ] || for p in $(cat "$s"); do tr '\0' ' ' <"/proc/$p/cmdline" | grep -o '/txn/[0-9a-f]*/revert' || :; done
	done`)
}
