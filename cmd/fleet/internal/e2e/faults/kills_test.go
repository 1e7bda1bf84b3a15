//go:build machine

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/activate/machine"
)

// kills are the victims on one machine.
type kills struct {
	*host
	victims []*victim
	round   []*victim         // those whose switch was killed in this round
	given   map[string]string // content of every generation number, by project and number
	met     map[string]int    // kills by phase and way
}

// newKills boots a machine with that many projects, each with a generation live.
func newKills(t *testing.T, victims int) *kills {
	t.Helper()
	k := &kills{host: boot(t, machine.Options{}), given: map[string]string{}, met: map[string]int{}}
	for i := range victims {
		v := &victim{project: fmt.Sprint("p", i)}
		v.next(k.host)
		k.victims = append(k.victims, v)
	}
	k.each(k.victims, func(v *victim) error { return v.switchTo(k.host, v.new) })
	return k
}

// atOnce is how many switches run at a time: more of them only wait for each other.
const atOnce = 2

// each does something with all victims.
func (k *kills) each(victims []*victim, do func(*victim) error) {
	k.t.Helper()
	errs := make([]error, len(victims))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, v := range victims {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = do(v)
			<-slots
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		k.t.Fatal(err)
	}
}

// list switches the first project undisturbed and returns the points of that.
func (k *kills) list() []point {
	k.t.Helper()
	v := k.victims[0]
	v.next(k.host)
	k.arm(fault{Args: detached(v.project)})
	k.each(k.victims[:1], func(v *victim) error { return v.switchTo(k.host, v.new) })
	k.disarm()
	return points(k.effects(effectLog), v.project)
}

// kill begins the switches of a round and kills each at its point. A switch that never comes to its point counts as no
// kill.
func (k *kills) kill(at []point, by way) {
	k.t.Helper()
	var faults []fault
	for i, v := range k.victims[:len(at)] {
		v.at, v.before = at[i], k.facts(v.project)
		v.next(k.host)
		faults = append(faults, v.at.fault(v.project))
	}
	k.arm(faults...)
	exits := map[string]int{}
	var mu sync.Mutex
	k.each(k.victims[:len(at)], func(v *victim) error {
		exit, _, _ := k.Fleet("switch", "--no-confirm", "--now", v.new.dir)
		mu.Lock()
		defer mu.Unlock()
		exits[v.project] = exit
		return nil
	})
	k.disarm()
	k.round = nil
	for _, v := range k.victims[:len(at)] {
		v.list = k.effects(effectLog + "." + v.project)
		if exits[v.project] == 0 {
			k.t.Logf("%s does not come to %s", v.project, v.at)
			continue
		}
		k.met[v.at.phase+" "+string(by)]++
		k.round = append(k.round, v)
		k.report(v, "right after the kill", v.instant(k.facts(v.project)))
	}
}

func (k *kills) report(v *victim, when string, bad []string) {
	k.t.Helper()
	if len(bad) > 0 {
		log, _ := k.Try("journalctl", "--no-pager", "--lines=30", "--unit=fleetdeadman-"+v.project+"-*")
		failed, _ := k.Try("sh", "-c", `systemctl list-units --failed --plain --no-legend "fleet-$1*" | while read -r u _; do
			journalctl --no-pager --lines=20 --unit="$u"; done`, "-", v.project)
		k.t.Errorf("%s killed before %q, at %s, %s:\n  %s\n%s%s",
			v.project, v.list[len(v.list)-1], v.at, when, strings.Join(bad, "\n  "), log, failed)
	}
}

// patience is longer than any deadline of the dead man, on a host with much to do.
const patience = 150 * time.Second

// comeBack lets the host come back and checks that one generation is live as a whole then, the right one.
func (k *kills) comeBack(by way) {
	k.t.Helper()
	switch by {
	case bySwitch:
		k.each(k.round, func(v *victim) error { return v.switchTo(k.host, v.again()) })
	case byPowerCut:
		k.PowerCut()
	}
	for _, v := range k.round {
		f, bad := facts{}, []string(nil)
		for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
			f = k.facts(v.project)
			if bad = v.wrong(f, v.live(by)); len(bad) == 0 || time.Now().After(end) {
				break
			}
		}
		if by == byDeadMan && !committed(v.list) {
			bad = append(bad, v.touched(f)...)
		}
		k.report(v, "come back by "+string(by), bad)
	}
}

// clean ends the round with the new generations live, and checks that nothing of the killed switches is left.
func (k *kills) clean() {
	k.t.Helper()
	k.each(k.round, func(v *victim) error { return v.switchTo(k.host, v.new) })
	for _, v := range k.round {
		f := k.facts(v.project)
		bad := v.wrong(f, v.new)
		bad = append(bad, f.left()...)
		k.report(v, "after the next switch", append(bad, k.reused(v)...))
	}
}

// reused tells which numbers of generations were given to another content before.
func (k *kills) reused(v *victim) []string {
	k.t.Helper()
	var rows []struct {
		Number int
		ID     string
	}
	if err := json.Unmarshal([]byte(k.fleet(0, "generations", "--json", "--project", v.project)), &rows); err != nil {
		k.t.Fatal(err)
	}
	var bad []string
	for _, r := range rows {
		key := fmt.Sprint(v.project, " ", r.Number)
		if was := k.given[key]; was != "" && was != r.ID {
			bad = append(bad, fmt.Sprintf("number %d was given twice", r.Number))
		}
		k.given[key] = r.ID
	}
	return bad
}
