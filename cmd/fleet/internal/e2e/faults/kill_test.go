//go:build machine

package faults

import (
	"slices"
	"testing"
	"time"
)

// A switch is killed with SIGKILL before one of its effects, and the host comes back by one of three ways: the dead
// man, the next switch, a power cut. On demand every effect meets every way; in CI each phase meets each way.

// B1: before the first effect on what runs. The old generation stays live, the next run cleans up, and no number is
// given twice.
func TestACTB1KillBeforePlan(t *testing.T) {
	t.Parallel()
	killIn(t, "P1", "P3", "P4", "P5")
}

// B2: with units stopped, with the new rules, after the rename, while units start, in the health window. All that ran
// before runs again.
func TestACTB2KillBetweenPhases(t *testing.T) {
	t.Parallel()
	killIn(t, "P6", "P7", "P8", "P9", "P10", "P11")
}

// B3: on either side of the commit point. The host has the old generation or the new one, and a confirmed one stays.
func TestACTB3KillAtCommitPoint(t *testing.T) {
	t.Parallel()
	killIn(t, "P12", "P13")
}

// way is how a host comes back.
type way string

const (
	byDeadMan  way = "dead man"
	bySwitch   way = "next switch"
	byPowerCut way = "power cut"
)

var ways = []way{byDeadMan, bySwitch, byPowerCut}

// killIn kills switches of several projects on one machine, which share nothing but the host.
func killIn(t *testing.T, phases ...string) {
	k := newKills(t, max(3, len(phases)))
	chosen := slices.DeleteFunc(k.list(), func(p point) bool { return !slices.Contains(phases, p.phase) })
	t.Logf("%d points in %v", len(chosen), phases)
	for r, round := range schedule(chosen, phases, len(k.victims)) {
		began, by := time.Now(), ways[r%len(ways)]
		k.kill(round, by)
		k.comeBack(by)
		k.clean()
		t.Logf("round %d, %s: %d kills in %s", r, by, len(k.round), time.Since(began).Round(time.Second))
	}
	for _, phase := range phases {
		for _, by := range ways {
			if k.met[phase+" "+string(by)] == 0 {
				t.Errorf("no switch was killed in %s to come back by %s", phase, by)
			}
		}
	}
}

// schedule returns the points of each round, one for each victim; the way back is the round's. In full, every point
// meets each way; else there is one round for each way, which goes through the phases with points from all over them.
func schedule(points []point, phases []string, victims int) [][]point {
	var out [][]point
	if all() {
		for chunk := range slices.Chunk(points, victims) {
			for range ways {
				out = append(out, chunk)
			}
		}
		return out
	}
	for r := range ways {
		var round []point
		for v := range victims {
			phase := phases[v%len(phases)]
			in := slices.DeleteFunc(slices.Clone(points), func(p point) bool { return p.phase != phase })
			each := (victims + len(phases) - 1 - v%len(phases)) / len(phases) // victims of that phase in a round
			k, n := r+len(ways)*(v/len(phases)), len(ways)*each
			round = append(round, in[(2*k+1)*len(in)/(2*n)])
		}
		out = append(out, round)
	}
	return out
}
