//go:build machine

package units

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// failure is one way in which the new definition of a unit can fail. The unit says "mark" before it does.
type failure struct {
	name     string
	old, new string // text of the unit; new is empty where it is removed
	says     string // part of the message, beside the unit's name and its mark
	again    bool   // the generation may be tried again: it never went live
}

const (
	service = "[Service]\n"
	sleeps  = service + "ExecStart=/bin/sleep infinity\n"
	oneshot = service + "Type=oneshot\n"
	again   = "Restart=always\nRestartSec=1ms\n"
	// deaf ignores the signal to stop, and systemd does not kill it.
	deaf = service + `ExecStart=/bin/sh -c 'trap "" TERM; while :; do sleep 1; done'
ExecStop=/bin/sh -c 'echo mark; sleep infinity'
TimeoutStopSec=infinity
`
)

var failures = []failure{
	{"start fails", sleeps, oneshot + "ExecStart=/bin/sh -c 'echo mark; exit 7'\n", "status 7", false},
	{"start fails before", sleeps, sleeps + "ExecStartPre=/bin/sh -c 'echo mark; exit 7'\n", "start failed", false},
	{"start hangs", sleeps, oneshot + "ExecStart=/bin/sh -c 'echo mark; sleep infinity'\nTimeoutStartSec=infinity\n", "not over after", false},
	{"start is too slow", sleeps, oneshot + "ExecStart=/bin/sh -c 'echo mark; sleep 60'\nTimeoutStartSec=1\n", "timeout", false},
	{"stop hangs", deaf, "", "not over after", true},
	{"stop of a restart hangs", deaf, deaf + "Nice=3\n", "not over after", false},
	{"crash after a second", sleeps, service + "ExecStart=/bin/sh -c 'echo mark; sleep 1; exit 3'\n", "does not stay up", false},
	{
		"crash after a second, started again", sleeps,
		service + "ExecStart=/bin/sh -c 'echo mark; sleep 1; exit 3'\n" + again, "does not stay up", false,
	},
	{
		"crash loop", sleeps,
		"[Unit]\nStartLimitIntervalSec=0\n" + service + "ExecStart=/bin/sh -c 'echo mark; sleep 0.2; exit 3'\n" + again, "does not stay up", false,
	},
	{
		"crash loop to the limit", sleeps,
		"[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=3\n" + service + "ExecStart=/bin/sh -c 'echo mark; exit 3'\n" + again, "does not stay up", false,
	},
}

// The deadlines of a switch in these tests, in seconds.
const (
	jobLimit    = 3
	healthLimit = 2
)

// patience is what a failing switch may take: its deadlines, the way back, and a slow host.
const patience = 60 * time.Second

// sealSome makes a generation of units with short deadlines, by the last part of their names; without a type they are
// services. All are wanted but for services of timers.
func sealSome(t testing.TB, h *e2e.Host, units map[string]string) string {
	t.Helper()
	return h.Seal(func(tree *artifact.Tree, m *manifest.Manifest) {
		m.Activation.Job, m.Activation.Health = jobLimit, healthLimit
		for name, text := range units {
			timer := units[name+".timer"] != ""
			if !strings.Contains(name, ".") {
				name += ".service"
			}
			if err := e2e.Unit(tree, prefix+"-"+name, text, !timer); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A unit of the new generation that fails takes the switch back: all runs as before, the message tells why.
func TestFailures(t *testing.T) {
	t.Parallel()
	half := len(failures) / 2
	for name, list := range map[string][]failure{"starts": failures[:half], "stops and crashes": failures[half:]} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failing(t, list)
		})
	}
}

func failing(t *testing.T, list []failure) {
	h := e2e.New(t, machinetest.Options{})
	const tick = oneshot + "ExecStart=/bin/touch /run/ticked\n"
	old := map[string]string{
		"same": sleeps, "changed": sleeps, "removed": sleeps,
		"tick": tick, "tick.timer": "[Timer]\nOnCalendar=*-01-01 00:00\n",
	}
	next := map[string]string{
		"same": sleeps, "changed": sleeps + "Nice=3\n", "added": sleeps,
		"tick": tick, "tick.timer": "[Timer]\nOnCalendar=*-02-02 00:00\n",
	}
	for i, f := range list {
		old[fmt.Sprintf("f%d", i)] = f.old
		next[fmt.Sprintf("f%d", i)] = f.old
	}
	h.Switch(sealSome(t, h, old))
	for i, f := range list {
		t.Run("ACT-A30 "+f.name, func(t *testing.T) {
			h := h.On(t)
			bad := maps.Clone(next)
			unit := fmt.Sprintf("f%d", i)
			if bad[unit] = f.new; f.new == "" {
				delete(bad, unit)
			}
			f.fails(t, h, sealSome(t, h, bad), prefix+"-"+unit+".service")
		})
	}
}

// fails switches to a generation that cannot stay.
func (f failure) fails(t *testing.T, h *e2e.Host, dir, unit string) {
	before := states(t, h, e2e.Project)
	if p := dryRun(t, h, dir); p.action(unit) == "-" || p.action(prefix+"-changed.service") != "restart" {
		t.Errorf("the plan is %+v", p.Units)
	}
	var out string
	if took := timed(func() { out = h.SwitchTo(5, dir) }); took > patience {
		t.Errorf("the switch took %s", took)
	}
	_, message, _ := strings.Cut(out, "going back")
	for _, want := range []string{unit, f.says, "mark", "rolled back: generation 1"} {
		if !strings.Contains(message, want) {
			t.Errorf("the message lacks %q:\n%s", want, message)
		}
	}
	asBefore(t, h, before)
	if f.again {
		return
	}
	if out := h.SwitchTo(3, dir); !strings.Contains(out, "failed on this host before") {
		t.Errorf("a generation that failed is not refused:\n%s", out)
	}
}

// asBefore fails the test where another generation is live or units are not as they were, in state and definition.
func asBefore(t *testing.T, h *e2e.Host, before map[string]state) {
	t.Helper()
	if active, boot := h.Generation(); active != "1" || boot != "1" {
		t.Errorf("generation %s is live and %s boots", active, boot)
	}
	after := states(t, h, e2e.Project)
	for unit, was := range before {
		is := after[unit]
		if unit == chat && is.up() {
			continue // it was told
		}
		if is.load != was.load || is.active != was.active {
			t.Errorf("%s is %v, was %v", unit, is, was)
		}
	}
	for unit, is := range after {
		if before[unit].load == "" && (is.up() || is.active == "failed") {
			t.Errorf("%s is %v, and was not there", unit, is)
		}
	}
	if is, was := after[prefix+"-same.service"], before[prefix+"-same.service"]; is != was {
		t.Errorf("an unchanged unit is %v, was %v", is, was)
	}
	if got := niceness(h, prefix+"-changed.service"); got != "0" {
		t.Errorf("a changed unit runs its new definition, nice %s", got)
	}
	if next := h.Show(prefix+"-tick.timer", "NextElapseUSecRealtime")["NextElapseUSecRealtime"]; !strings.Contains(next, "-01-01 00:00:00") {
		t.Errorf("a timer fires next at %q, which is not its old schedule", next)
	}
	if _, exit := h.Try("test", "-e", "/run/ticked"); exit == 0 {
		t.Error("the timer fired on the way")
	}
	if left := h.Sh("ls /var/lib/fleet/demo/txn; find /run/systemd/system -name '*demo*'; systemctl list-units --all --no-legend 'fleetdeadman-*' 'fleetswitch-*'"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}
