// Package generate compiles a spec into a generation. It is a pure function of the spec, the lock and the target: no
// clock, host, environment or network shows in its output.
package generate

import (
	"context"
	"fmt"
	"io"
	"os"

	"fleet/generate/artifact"
	"fleet/generate/egress"
	"fleet/generate/model"
	"fleet/generate/nft"
	"fleet/generate/reportmd"
	"fleet/generate/runner"
	"fleet/generate/settings"
	"fleet/generate/spec"
	"fleet/generate/store"
	"fleet/generate/sudoers"
	"fleet/generate/sysusers"
	"fleet/generate/unit"
	"fleet/schemas/lock"
	"fleet/schemas/report"
)

// Options say what to compile.
type Options struct {
	Spec   spec.Options
	Lock   []byte // content of .fleet.lock.json, empty where there is none
	Avoid  []int  // UIDs that new users must not get
	Target string // GOOS/GOARCH

	// Programs are the daemons of the generation, by name in libexec: where each can be read. One that is not there is
	// named by a stand-in, as golden trees have it; such a generation cannot be switched to.
	Programs map[string]string
	// Sink returns what keeps the content of the files, once the fleet is known and before anything is rendered. Nil is
	// memory.
	Sink func(*model.Fleet) artifact.Sink
}

// Compiled is a generation and what was found on the way to it.
type Compiled struct {
	Fleet       *model.Fleet
	Sealed      *store.Sealed
	Lock        []byte // content that the lock must have
	LockChanged bool
	Report      report.Report // warnings
}

// Compile runs the whole pipeline. A spec or a lock at fault gives a *report.Err with all that is wrong.
func Compile(ctx context.Context, o Options) (*Compiled, error) {
	loaded, err := spec.Load(ctx, o.Spec)
	if err != nil {
		return nil, err
	}
	project := loaded.Fleet.Project
	locked := lock.New()
	if len(o.Lock) > 0 {
		if locked, err = lock.Parse(o.Lock); err != nil {
			return nil, err
		}
	}
	changed, err := locked.Assign(project, model.Users(loaded.Fleet), loaded.Fleet.UIDs, o.Avoid)
	if err != nil {
		return nil, err
	}
	m, err := model.Resolve(loaded.Fleet, locked.Users(project))
	if err != nil {
		return nil, err
	}
	m.Trial = o.Spec.Harness != ""
	loaded.Fleet = nil // a large one is not needed twice
	tree := artifact.NewTree()
	if o.Sink != nil {
		tree = artifact.NewTreeIn(o.Sink(m))
	}
	if err := AddPrograms(m, tree, o.Programs); err != nil {
		return nil, err
	}
	if err := Render(m, tree); err != nil {
		return nil, err
	}
	sealed, err := store.Seal(tree, Describe(m, tree, loaded, o.Target))
	if err != nil {
		return nil, err
	}
	return &Compiled{
		Fleet: m, Sealed: sealed, Lock: locked.Format(), LockChanged: changed, Report: loaded.Report,
	}, nil
}

// Daemons are the names of the programs that a generation brings.
var Daemons = []string{unit.GateProgram, unit.SidecarProgram, unit.ChatProgram}

// daemons are those that a fleet needs.
func daemons(m *model.Fleet) []string {
	switch {
	case m.HasChat():
		return Daemons
	case len(m.Sidecars) > 0:
		return Daemons[:2]
	}
	return Daemons[:1]
}

// AddPrograms puts the daemons into a tree, or their stand-ins; it must come before Render.
func AddPrograms(m *model.Fleet, t *artifact.Tree, from map[string]string) error {
	for _, name := range daemons(m) {
		p := artifact.Path("libexec/" + name)
		file, ok := from[name]
		if !ok {
			t.StandIn(p)
			continue
		}
		err := t.Program(p, func(w io.Writer) error {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(w, f)
			return err
		})
		if err != nil {
			return fmt.Errorf("add program %s: %w", name, err)
		}
	}
	return nil
}

// renderers in the order in which they may refer to each other's files.
var renderers = []struct {
	name   string
	render func(*model.Fleet, *artifact.Tree) error
}{
	{"settings", settings.Render},
	{"egress", egress.Render},
	{"runner", runner.Render},
	{"firewall", nft.Render},
	{"sudoers", sudoers.Render},
	{"users", sysusers.Render},
	{"units", unit.Render},
	{"report", reportmd.Render},
}

// Render puts every file of a generation but its lists and its manifest into the tree.
func Render(m *model.Fleet, t *artifact.Tree) error {
	for _, r := range renderers {
		if err := r.render(m, t); err != nil {
			return fmt.Errorf("render %s: %w", r.name, err)
		}
	}
	return nil
}
