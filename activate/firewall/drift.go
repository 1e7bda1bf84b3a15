package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"golang.org/x/sys/unix"

	"fleet/activate/system"
)

// Drift compares the kernel's tables of a project with a ruleset and returns what differs, in words, sorted; nothing
// where all is as it must be. It needs root.
func Drift(ctx context.Context, project, file string) ([]string, error) {
	want, err := reference(ctx, project, file)
	if err != nil {
		return nil, err
	}
	if err := fillSlices(want, project); err != nil {
		return nil, err
	}
	owners, err := ownersWork(ctx)
	if err != nil {
		return nil, err
	}
	out, err := tableDrift(plainTable(project), want)
	if err != nil || !owners {
		return out, err
	}
	want.flags |= flagOwner
	held, err := tableDrift(heldTable(project), want)
	return append(out, held...), err
}

func tableDrift(name string, want table) ([]string, error) {
	have, err := read(name)
	if errors.Is(err, errAbsent) {
		return []string{err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	out := compare(want, have)
	for i := range out {
		out[i] = "table inet " + name + ": " + out[i]
	}
	return out, nil
}

// ownersWork reports whether this kernel has tables that belong to a process.
func ownersWork(ctx context.Context) (bool, error) {
	works := false
	err := inNamespace(func() error {
		_, err := system.Output(ctx, "nft", "add table inet "+canary+" { flags owner; }")
		works = err == nil
		return nil
	})
	return works, err
}

// cgroupRoot is where the tree of control groups is mounted, and where nft looks for it.
var cgroupRoot = "/sys/fs/cgroup"

// fillSlices puts into the sets of slices what the holder puts there: the numbers of the control groups that exist.
func fillSlices(t table, project string) error {
	for name, path := range map[string]string{"fleet": "fleet.slice", "slice": "fleet.slice/fleet-" + project + ".slice"} {
		s, ok := t.sets[name]
		if !ok {
			continue
		}
		var st unix.Stat_t
		err := unix.Stat(filepath.Join(cgroupRoot, path), &st)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("control group %s: %w", path, err)
		}
		key := binary.NativeEndian.AppendUint64(nil, st.Ino)
		data := append([]byte{12, 0, unix.NFTA_DATA_VALUE, 0}, key...)
		s.elements = []string{fmt.Sprintf("%d=%x ", unix.NFTA_SET_ELEM_KEY, data)}
		t.sets[name] = s
	}
	return nil
}

// compare tells in words how a table differs from the wanted one.
func compare(want, have table) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if have.flags&flagDormant != 0 {
		say("is switched off (dormant)")
	}
	if want.flags&flagOwner != have.flags&flagOwner {
		say("must belong to its holder and does not, or the other way round")
	}
	for n, w := range want.chains {
		h, ok := have.chains[n]
		switch {
		case !ok:
			say("chain %s is missing", n)
		case w.attributes != h.attributes:
			say("chain %s has another hook, priority or policy", n)
		}
		if ok {
			for _, s := range ruleDrift(w.rules, h.rules) {
				say("chain %s: %s", n, s)
			}
		}
	}
	for n, w := range want.sets {
		h, ok := have.sets[n]
		switch {
		case !ok:
			say("set %s is missing", n)
		case w.attributes != h.attributes:
			say("set %s is of another kind", n)
		}
		if ok {
			if missing, foreign := sides(w.elements, h.elements); missing+foreign > 0 {
				say("set %s: %d elements are missing and %d are foreign", n, missing, foreign)
			}
		}
	}
	for n, w := range want.objs {
		if h, ok := have.objs[n]; !ok || h != w {
			say("counter %s is missing", n)
		}
	}
	out = append(out, foreign(want, have)...)
	sort.Strings(out)
	return out
}

func ruleDrift(want, have []string) []string {
	if len(want) != len(have) {
		return []string{fmt.Sprintf("has %d rules instead of %d", len(have), len(want))}
	}
	var out []string
	for i := range want {
		if want[i] != have[i] {
			out = append(out, fmt.Sprintf("rule %d differs", i+1))
		}
	}
	return out
}

// sides counts what is only in the one and only in the other of two sorted lists.
func sides(want, have []string) (missing, foreign int) {
	for _, w := range want {
		if _, ok := slices.BinarySearch(have, w); !ok {
			missing++
		}
	}
	for _, h := range have {
		if _, ok := slices.BinarySearch(want, h); !ok {
			foreign++
		}
	}
	return missing, foreign
}

func foreign(want, have table) []string {
	var out []string
	for n := range have.chains {
		if _, ok := want.chains[n]; !ok {
			out = append(out, "chain "+n+" is foreign")
		}
	}
	for n := range have.sets {
		if _, ok := want.sets[n]; !ok {
			out = append(out, "set "+n+" is foreign")
		}
	}
	for n := range have.objs {
		if _, ok := want.objs[n]; !ok {
			out = append(out, "counter "+n+" is foreign")
		}
	}
	return out
}
