package activate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fleet/activate/plan"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
)

// look returns what systemd says of every unit of both generations, and what each running one was started from.
func (r *run) look(ctx context.Context) (map[string]plan.Live, error) {
	names, templates := r.to.units.Names(), r.to.units.Templates()
	if r.from != nil {
		names, templates = append(names, r.from.units.Names()...), append(templates, r.from.units.Templates()...)
	}
	units, err := r.host.Systemd.Units(ctx, names, templates...)
	if err != nil {
		return nil, err
	}
	running, err := r.runningTexts(units)
	if err != nil {
		return nil, err
	}
	out := map[string]plan.Live{}
	r.invocations = map[string]string{}
	for name, u := range units {
		r.invocations[name] = u.InvocationID
		l := plan.Live{
			LoadState: u.LoadState, ActiveState: u.ActiveState, SubState: u.SubState, Result: u.Result,
			Fragment: u.Fragment, NeedReload: u.NeedReload, Job: u.Job, Ran: u.Ran,
		}
		if l.DropIns, err = dropIns(u.DropIns); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if text, known := running[name]; known {
			l.Running, l.Unknown = text, text == nil
		}
		out[name] = l
	}
	return out, nil
}

// dropIns reads the administrator's drop-ins of a unit.
func dropIns(paths []string) ([]plan.DropIn, error) {
	var out []plan.DropIn
	for _, path := range paths {
		if strings.HasPrefix(path, "/run/systemd/generator/") {
			continue // a generation's own
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		u, err := unitfile.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, plan.DropIn{Path: path, Unit: u})
	}
	return out, nil
}

// runningTexts returns, for each unit of which a start was recorded and that still runs, the definition it was started
// from, nil where no generation on the host has it any more. What counts is what runs, not what is loaded.
func (r *run) runningTexts(units map[string]systemd.Unit) (map[string]unitfile.Unit, error) {
	recorded, err := r.profile.Running()
	if err != nil {
		return nil, err
	}
	out := map[string]unitfile.Unit{}
	var held []heldGeneration
	for name, in := range recorded {
		if u, asked := units[name]; !asked || u.InvocationID != in.Invocation {
			continue
		}
		if held == nil {
			if held, err = r.held(); err != nil {
				return nil, err
			}
		}
		if out[name], err = byDigest(held, name, in.Digest); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// heldGeneration is a generation that the host holds, with the digests of its units by their names.
type heldGeneration struct {
	dir     string
	digests map[string]string
}

// held returns the generations that the host holds, the newest first. A damaged one is no source of anything.
func (r *run) held() ([]heldGeneration, error) {
	numbers, err := r.profile.Numbers()
	if err != nil {
		return nil, err
	}
	var out []heldGeneration
	for _, n := range slices.Backward(numbers) {
		m, err := r.profile.Read(n)
		if err != nil {
			continue
		}
		g := heldGeneration{dir: r.profile.Generation(n), digests: map[string]string{}}
		for _, u := range m.Units {
			g.digests[u.Name] = u.Digest
		}
		out = append(out, g)
	}
	return out, nil
}

// byDigest finds the definition of a unit by the digest that its running instance recorded, nil where nothing has it.
func byDigest(held []heldGeneration, name, digest string) (unitfile.Unit, error) {
	if t := unitfile.Template(name); t != "" {
		name = t
	}
	for _, g := range held {
		if has, known := g.digests[name]; !known || has != digest {
			continue
		}
		text, err := os.ReadFile(filepath.Join(g.dir, "units", name))
		if err != nil {
			return nil, err
		}
		return unitfile.Parse(text)
	}
	return nil, nil
}
