//go:build machine

package faults

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
)

// B17: while a switch is at work, another one, and whatever else changes the host, is refused and told who is at work;
// the same one is joined; a build is none of the host's business.
func TestACTB17OneAtATime(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.first()
	wanted, other := h.build(spec(2)), h.build(spec(3))
	switching := h.paused("prepare /run/fleet/demo/active .*", now(wanted)...)
	pid := h.unitPIDs("T")[0]
	for _, args := range [][]string{now(other), {"rollback", "1"}, {"gc"}, {"uninstall"}, {"generations", "pin", "1"}} {
		out := h.fleet(3, args...)
		h.mustSay(out, "process "+pid, "does a switch")
	}
	h.WriteFile("/root/spec/fleet.jsonnet", e2e.Spec(), 0o644)
	h.mustSay(h.fleet(0, "build", "-C", "/root/spec"), "generations/")
	joined := h.start(append([]string{"fleet"}, now(wanted)...)...)
	h.fleet(0, "generations")
	h.resume()
	for _, c := range []*client{switching, joined} {
		h.mustSay(h.exit(c, 0), "generation 2", "is live and the boot default")
	}
	h.settled("2", wanted)
	h.atOnce(h.build(spec(4)), h.build(spec(5)))
	h.same(h.build(spec(6)))
}

// atOnce starts two switches in the same moment. One works, the other is told of it.
func (h *host) atOnce(one, two build) {
	h.t.Helper()
	for range rounds(1, 10) {
		clients := []*client{
			h.start(append([]string{"fleet"}, now(one)...)...), h.start(append([]string{"fleet"}, now(two)...)...),
		}
		var exits []int
		for _, c := range clients {
			<-c.done
			exits = append(exits, c.cmd.ProcessState.ExitCode())
			if exits[len(exits)-1] == 3 {
				h.mustSay(c.out.String(), "does a switch")
			}
		}
		slices.Sort(exits)
		if !slices.Equal(exits, []int{0, 3}) {
			h.t.Errorf("two switches at once: exit statuses %v\n%s%s", exits, &clients[0].out, &clients[1].out)
		}
		one, two = two, one
	}
}

// same starts the same switch several times in the same moment. Each client gets its result.
func (h *host) same(b build) {
	h.t.Helper()
	var clients []*client
	for range 3 {
		clients = append(clients, h.start(append([]string{"fleet"}, now(b)...)...))
	}
	for _, c := range clients {
		h.exit(c, 0)
	}
	n := h.facts("demo").active
	h.settled(n, b)
	if got := strings.Count(h.ReadFile("/var/lib/fleet/demo/state.json"), fmt.Sprintf(`"to": %s,`, n)); got != 1 {
		h.t.Errorf("generation %s was switched to %d times", n, got)
	}
}

// B25: a switch that waits takes one confirmation, in time; too early, too late and twice are refused.
func TestACTB25Confirmations(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.first()
	h.mustSay(h.fleet(3, "confirm"), "no switch is under way")
	second := h.build(spec(2))
	c := h.paused("prepare /run/fleet/demo/active .*", "switch", "--confirm", "60s", "--now", second.dir)
	h.mustSay(h.fleet(3, "confirm"), "no switch waits for a confirmation")
	h.resume()
	h.Eventually("a switch that waits", patience, h.waits)
	h.fleet(0, "confirm")
	h.fleet(3, "confirm")
	h.mustSay(h.exit(c, 0), "waiting 1m0s for `fleet confirm`", "generation 2")
	h.settled("2", second)

	c = h.start("fleet", "switch", "--confirm", "2s", "--now", h.build(spec(3)).dir)
	h.mustSay(h.exit(c, 5), "nobody confirmed within 2s", "generation 2")
	h.mustSay(h.fleet(3, "confirm"), "no switch is under way")
	h.settled("2", second)
}

func (h *host) waits() error {
	if _, exit := h.Try("sh", "-c", "ls /run/fleet/demo/switch/*/waits"); exit != 0 {
		return errors.New("no switch waits")
	}
	return nil
}
