//go:build machine

package faults

import (
	"fmt"
	"strings"

	"fleet/cmd/fleet/internal/e2e"
)

// victim is a project whose switches are killed.
type victim struct {
	project  string
	round    int
	old, new build

	at     point
	list   []string // what the killed switch was about to do; the last was not done
	before facts
}

// next makes the next generation: a changed agent, one that goes, one that comes, with other rules, and a timer with
// another schedule.
func (v *victim) next(h *host) {
	h.t.Helper()
	v.round++
	v.old = v.new
	v.new = h.build(e2e.Spec(short, named(v.project), fmt.Sprintf(`{ agents: {
		a: { limits: { tasks: %d }, schedules: { d: { calendar: '*-*-* 03:%02d:00', prompt: 'p' } } },
		x%d: { isolation: 'user' },
	} }`, 200+v.round, v.round%60, v.round)))
}

// switchTo wants exit status 0 of a switch to b.
func (v *victim) switchTo(h *host, b build) error {
	exit, out, errOut := h.Fleet("switch", "--no-confirm", "--now", b.dir)
	if exit != 0 {
		return fmt.Errorf("%s: switch after %s: exit status %d\n%s%s", v.project, v.at, exit, errOut, out)
	}
	return nil
}

// again is what the next switch is to: the same once more, or back to what was live.
func (v *victim) again() build {
	if v.round%2 == 0 {
		return v.old
	}
	return v.new
}

// live is the generation that must be live once the host has come back.
func (v *victim) live(by way) build {
	switch {
	case by == bySwitch:
		return v.again()
	case committed(v.list):
		return v.new
	}
	return v.old
}

// wrong tells what is not as it must be with b live as a whole. What was live before keeps its number.
func (v *victim) wrong(f facts, b build) []string {
	number := f.active
	if b.manifest.ID == v.old.manifest.ID {
		number = v.before.active
	}
	return append(f.settled(number, b.manifest), f.deadMen()...)
}

// instant tells what is wrong right after a kill.
func (v *victim) instant(f facts) []string {
	bad := f.always()
	if was := v.before.boot; (f.boot != was) != committed(v.list) {
		bad = append(bad, fmt.Sprintf("generation %s boots, %s did before", f.boot, was))
	}
	if f.active != v.before.active && f.boot == v.before.boot && len(f.many["txn"]) == 0 {
		bad = append(bad, "an unconfirmed generation is live, and there is no record of a switch")
	}
	return bad
}

// touched tells which units that did not change between the two generations were started again on the way back.
func (v *victim) touched(f facts) []string {
	var bad []string
	for name, was := range v.before.units {
		id := was["InvocationID"]
		if id == f.units[name]["InvocationID"] || was["ActiveState"] != "active" {
			continue
		}
		if v.stays(name) || v.at.before("P6") && !strings.HasPrefix(name, "fleetdeadman-") {
			bad = append(bad, name+" was started again")
		}
	}
	return bad
}

// stays reports whether the unit goes through a switch and a way back untouched.
func (v *victim) stays(unit string) bool {
	for _, name := range []string{".target", "-firewall.service", "-watchdog.timer", "-a-net.service"} {
		if unit == "fleet-"+v.project+name {
			return true
		}
	}
	return false
}
