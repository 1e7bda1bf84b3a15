//go:build machine

package faults

import (
	"fmt"
	"strings"
	"testing"

	"fleet/activate/machine"
)

// A machine shares the host's clock, which no test sets. A clock that jumps by a year is met the other way round: every
// time stamp on the host, in files and of files, is moved by a year, which looks the same to whoever compares the two.

// B24: generations are told apart by number, and deadlines are the kernel's, whatever the calendar says.
func TestACTB24ClockJumps(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.first(brisk)
	for n, year := range []string{"1970", "2038"} {
		t.Run(year, func(t *testing.T) {
			h := h.on(t)
			one, two := h.build(spec(10*n+2, brisk)), h.build(spec(10*n+3, brisk))
			h.fleet(0, now(one)...)
			n1 := h.facts("demo").active
			h.jump(year)
			h.fleet(0, now(two)...)
			n2 := h.facts("demo").active
			h.settled(n2, two)
			h.jump(year)
			h.fleet(0, "rollback", "--now")
			h.settled(n1, one) // by history, not by time
			h.jump(year)
			h.fleet(0, "gc")
			h.killedAt("daemon-reload", spec(10*n+4, brisk))
			h.jump(year)
			h.becomes(n1, one) // the dead man came in his time
			h.PowerCut()
			h.jump(year)
			h.becomes(n1, one)
		})
	}
	h.onlyMonotonic()
	h.inWindow()
}

// jump moves all times that the host knows of fleet to a year, and the heartbeat goes on from there.
func (h *host) jump(year string) {
	h.t.Helper()
	h.Sh(fmt.Sprintf(`
		find /etc/fleet /var/lib/fleet /run/fleet -xdev -exec touch -h -c -d '%[1]s-01-02 03:04:05' {} +
		find /var/lib/systemd/timers -type f -exec touch -d '%[1]s-01-02 03:04:05' {} + 2>/dev/null || :
		for f in /var/lib/fleet/demo/state.json /var/lib/fleet/demo/txn/*.json; do
			[ ! -f "$f" ] || sed -i -E 's/"(time|started)": "[0-9]{4}-/"\1": "%[1]s-/' "$f"
		done`, year))
}

// onlyMonotonic wants the dead man to wait by the kernel's clock alone.
func (h *host) onlyMonotonic() {
	h.t.Helper()
	c := h.paused("prepare /run/fleet/demo/active .*", now(h.build(spec(50, brisk)))...)
	shown := h.Sh(`systemctl show --property=TimersMonotonic --property=TimersCalendar \
		$(systemctl list-units --plain --no-legend 'fleetdeadman-demo-*.timer' | cut -d' ' -f1)`)
	h.resume()
	h.exit(c, 0)
	h.mustSay(shown, "TimersMonotonic={ OnActiveUSec=16s")
	if strings.Contains(shown, "TimersCalendar") {
		h.t.Errorf("the dead man looks at the calendar:\n%s", shown)
	}
}

// inWindow lets the clock jump back after an agent's first sign of life. Its session gives no other for an hour.
func (h *host) inWindow() {
	h.t.Helper()
	b := h.build(spec(60, brisk, long))
	c := h.paused("start fleet-demo-a-probe.service", now(b)...)
	h.Eventually("a sign of life", patience, func() error {
		if _, exit := h.Try("test", "-L", "/run/fleet/demo/a/own/session"); exit != 0 {
			return errNotYet
		}
		return nil
	})
	h.jump("1970")
	h.resume()
	h.exit(c, 0)
	h.settled(h.facts("demo").active, b)
}
