//go:build machine

package faults

import (
	"fmt"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
)

// rogue is what a hostile agent does from the begin of its session: it does not hear signals, takes its heartbeat away,
// leads its status elsewhere, holds ports, forks as often as it may, fills its disks and prints without end.
const rogue = `
trap '' TERM INT HUP QUIT
(while :; do rm -rf "$FLEET_OWN/beat"; ln -sfn /etc/shadow "$FLEET_OWN/status"; sleep 0.05; done) &
(while :; do head -c 4M /dev/zero >>/tmp/fill || rm -f /tmp/fill; sleep 0.2; done) 2>/dev/null &
(while :; do head -c 1M /dev/zero >>"$HOME/fill" || rm -f "$HOME/fill"; sleep 0.2; done) 2>/dev/null &
(while :; do echo "spam $RANDOM"; sleep 0.02; done) &
perl -MIO::Socket::INET -e 'for (8000 .. 8050) { push @s, IO::Socket::INET->new(LocalPort => $_, Listen => 1) } sleep' &
: >"$FLEET_OWN/rogue"
while :; do sleep 1000 & sleep 0.05; done 2>/dev/null`

// besieged returns the n-th spec with a good agent and a rogue, both of which it restarts; the rogue's runner is new too.
func besieged(n int) string {
	return e2e.Spec(short, fmt.Sprintf(`{
		harnesses: { rogue: { program: 'bash', headless: ['bash', '-c', '{{prompt}}'], turnEnd: 'exit' } },
		agents: {
			good: { limits: { tasks: %[1]d } },
			rogue: { harness: 'rogue', mode: 'headless', prompt: %[2]q, limits: { tasks: %[1]d, tmp: '64M', disk: '64M' } },
		},
	}`, 100+n, fmt.Sprintf("%s\n# %d", rogue, n)))
}

// B34: whatever a hostile agent does, in whatever phase, a switch, a way back and a rollback come to their end in time,
// and no other agent is the worse for it.
func TestACTB34RogueAgent(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	b := h.build(besieged(0))
	h.Switch(b.dir)
	phases := []string{
		"make users and groups", "prepare /run/fleet/demo/active .*", "start fleet-demo-rogue-probe.service",
	}
	if all() {
		phases = append(phases, "write store .*", "load the new rules", "daemon-reload", "restart fleet-demo-good.service",
			"prepare /etc/fleet/demo/boot -> .*", "write /var/lib/fleet/demo/state.json")
	}
	for n, at := range phases {
		h.atWork()
		b = h.build(besieged(1 + n))
		began := time.Now()
		c := h.paused(at, now(b)...)
		time.Sleep(time.Second)
		h.resume()
		h.exit(c, 0)
		t.Logf("with a rogue at %q: %s", at, time.Since(began).Round(time.Millisecond))
		h.settled(fmt.Sprint(2+n), b)
	}
	live := h.facts("demo").active
	h.atWork()
	h.killedAt("daemon-reload", besieged(20))
	h.becomes(live, b) // the rogue was not touched yet
	h.fleet(0, "rollback", "--now")
	h.atWork()
	h.fleet(0, "uninstall")
	h.Sh("! pgrep -u demo-rogue; ! pgrep -u demo-good")
}

// atWork waits until the rogue does its worst.
func (h *host) atWork() {
	h.t.Helper()
	h.Eventually("the rogue at work", patience, func() error {
		if _, exit := h.Try("test", "-e", "/run/fleet/demo/rogue/own/rogue"); exit != 0 {
			return errNotYet
		}
		return nil
	})
	h.Sh("rm /run/fleet/demo/rogue/own/rogue")
}
