//go:build machine

package units

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// listShape prints what a generation makes of a host: the links, what systemd has loaded from it, what runs and from
// which definition, the rules, the rights.
const listShape = `
readlink /run/fleet/demo/active /etc/fleet/demo/boot
cd /run/systemd/generator
find . -name '*fleet-demo*' -printf '%p %l\n' | sort
find . -type f -name '*fleet-demo*' | sort | xargs sha256sum
systemctl list-units --all --plain --no-legend --full 'fleet-demo*' | awk '{ print $1, $2, $3, $4 }' | sort
for u in $(systemctl list-units --plain --no-legend --full --state=active 'fleet-demo*' | awk '{ print $1 }' | sort); do
	[ ! -e "/run/fleet/demo/units/$u" ] || echo "$u $(cut -d' ' -f1 "/run/fleet/demo/units/$u")"
	systemctl show -p ActiveState -p MainPID --value "$u" | grep -x '[1-9][0-9]*' | while read -r pid; do tr '\0' ' ' <"/proc/$pid/cmdline"; echo; done
done
nft -s list ruleset | grep -v '^	comment "' # which marks a load
cat /run/fleet/demo/active/sudoers.d/*
systemctl show -p TimersCalendar --value 'fleet-demo*.timer' | sed 's/next_elapse=[^}]*//'`

// A rollback leads back, and another one back again: the host is then as it was after the switch.
func TestBackAndForth(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	h.Switch(h.Build(e2e.Spec()))
	first := h.Sh(listShape)
	before := states(t, h, e2e.Project)
	h.Switch(h.Build(e2e.Spec(`{ agents: {
		a: { prompt: 'Do another thing.', schedules: { daily: { calendar: '*-*-* 03:00', prompt: 'Tidy up.' } } },
		c: { isolation: 'user' },
	} }`)), "--now")
	second := h.Sh(listShape)
	if first == second {
		t.Fatal("the two generations make the same of a host")
	}
	for _, step := range []struct{ name, want, live string }{
		{"ACT-A35 rollback", first, "1"}, {"ACT-A35 rollback of the rollback", second, "2"}, {"ACT-A35 and once more", first, "1"},
	} {
		t.Run(step.name, func(t *testing.T) {
			h := h.On(t)
			rollback(t, h, "--now")
			if active, boot := h.Generation(); active != step.live || boot != step.live {
				t.Errorf("generation %s is live and %s boots, want %s", active, boot, step.live)
			}
			if d := cmp.Diff(strings.Split(step.want, "\n"), strings.Split(h.Sh(listShape), "\n")); d != "" {
				t.Errorf("the host (-as it was +as it is):\n%s", d)
			}
			if out := h.Switch(step.live); !strings.Contains(out, "nothing to do") {
				t.Errorf("a switch to what was gone back to: %s", out)
			}
		})
	}
	// What no generation changes was never touched.
	m := move{before: before, after: states(t, h, e2e.Project)}
	for _, u := range []string{prefix + ".target", firewall, prefix + "-anchor.service"} {
		m.did(t, u, "untouched")
	}
}
