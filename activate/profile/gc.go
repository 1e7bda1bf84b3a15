package profile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"fleet/activate/safefile"
	"fleet/schemas/manifest"
	"fleet/schemas/state"
)

// GC says what a collection keeps beside what must be kept in any case: the generations that boot, that are live, that
// are pinned, that an unfinished switch names, and of which an instance still runs.
type GC struct {
	Retention int      // newest confirmed generations that are kept, at least 1
	Store     []string // names in the store that are kept although no generation lists them
}

// Collected is what a collection removed, and why it removed less than it could.
type Collected struct {
	Generations []int    `json:"generations"`
	Store       []string `json:"store"`
	Warnings    []string `json:"warnings,omitempty"`
}

// Collect removes generations that nothing needs, then files of the store that no generation of any project lists. It
// wants the project's lock held and takes that of the store; killed at any point it leaves nothing half, since a
// generation is renamed away before it is removed and a store file goes at once. A record is kept of every number.
func (p *Profile) Collect(ctx context.Context, g GC) (Collected, error) {
	var got Collected
	lock, err := p.LockStore(ctx, Holder{PID: os.Getpid(), What: "gc"})
	if err != nil {
		return got, err
	}
	defer lock.Release() //nolint:errcheck // the kernel lets go in any case
	if err := p.Clean(); err != nil {
		return got, err
	}
	st, err := p.LoadState()
	if err != nil {
		return got, err
	}
	numbers, err := p.Numbers()
	if err != nil {
		return got, err
	}
	keep, err := p.kept(st, numbers, g, &got)
	if err != nil {
		return got, err
	}
	if err := p.remember(st, numbers); err != nil {
		return got, err
	}
	for _, n := range numbers {
		if keep[n] {
			continue
		}
		if err := p.collect(n); err != nil {
			return got, err
		}
		got.Generations = append(got.Generations, n)
	}
	if len(got.Generations) > 0 {
		if numbers, err = p.Numbers(); err == nil {
			err = p.remember(st, numbers)
		}
	}
	return got, errors.Join(err, p.collectStore(g, &got))
}

// remember makes the record say which generations stand on the host, and saves it if it did not.
func (p *Profile) remember(st *state.State, numbers []int) error {
	before, err := state.Encode(st)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if g, known := st.Get(n); !known || g.Gone {
			var id manifest.ID
			if m, err := p.Read(n); err == nil {
				id = m.ID
			}
			st.Add(n, id)
		}
	}
	for _, g := range st.Generations {
		if !g.Gone && !slices.Contains(numbers, g.Number) {
			st.Collected(g.Number)
		}
	}
	after, err := state.Encode(st)
	if err != nil || string(after) == string(before) {
		return err
	}
	return p.SaveState(st)
}

func (p *Profile) kept(st *state.State, numbers []int, g GC, got *Collected) (map[int]bool, error) {
	keep := map[int]bool{}
	boots, err := p.Boots()
	if err != nil {
		return nil, err
	}
	active, err := p.Active()
	if err != nil {
		return nil, err
	}
	for _, n := range append(boots[:], active) {
		keep[n] = true
	}
	unfinished, err := p.Unfinished()
	if err != nil {
		return nil, err
	}
	for _, u := range unfinished {
		if u.Txn == nil {
			return nil, fmt.Errorf("an unfinished switch cannot be read: %w", u.Err)
		}
		keep[u.Txn.From], keep[u.Txn.To] = true, true
	}
	confirmed := 0
	for _, n := range slices.Backward(numbers) {
		known, _ := st.Get(n)
		if known.Pinned || known.Confirmed && confirmed < max(1, g.Retention) {
			keep[n] = true
		}
		if known.Confirmed {
			confirmed++
		}
	}
	return keep, p.keepRunning(numbers, keep, got)
}

// keepRunning adds the newest generation of each recorded instance that no kept one covers: an equal digest means that
// the unit, and so every file of the store that it runs, is the same.
func (p *Profile) keepRunning(numbers []int, keep map[int]bool, got *Collected) error {
	running, err := p.Running()
	if err != nil {
		return err
	}
	digests := map[int]map[string]bool{}
	for _, n := range numbers {
		digests[n] = map[string]bool{}
		m, err := p.Read(n)
		if err != nil {
			continue // a damaged one covers nothing
		}
		for _, u := range m.Units {
			digests[n][u.Name+" "+u.Digest] = true
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(running)) {
		key := unit + " " + running[unit].Digest
		holds := func(n int) bool { return digests[n][key] }
		if slices.ContainsFunc(numbers, func(n int) bool { return keep[n] && holds(n) }) {
			continue
		}
		n := 0
		for _, candidate := range numbers {
			if holds(candidate) {
				n = candidate
			}
		}
		if n == 0 {
			got.Warnings = append(got.Warnings,
				unit+" runs from a generation that is not on the host: the store is kept until it is restarted")
		}
		keep[n] = true
	}
	return nil
}

// collect makes generation n vanish by one rename, then removes it.
func (p *Profile) collect(n int) error {
	trash := filepath.Join(p.Generations(), fmt.Sprintf("%s%d", trashPrefix, n))
	if err := safefile.Rename(p.fx, p.Generation(n), trash); err != nil {
		return err
	}
	return p.removeTree(trash)
}

// Drop removes generation n, which was imported and is not wanted after all. One that a link names stays.
func (p *Profile) Drop(n int) error {
	boots, err := p.Boots()
	if err != nil {
		return err
	}
	active, err := p.Active()
	if err != nil {
		return err
	}
	if slices.Contains(append(boots[:], active), n) {
		return fmt.Errorf("generation %d is live or boots: it cannot be removed", n)
	}
	if err := p.collect(n); err != nil {
		return err
	}
	st, err := p.LoadState()
	if err != nil {
		return err
	}
	st.Collected(n)
	return p.SaveState(st)
}
