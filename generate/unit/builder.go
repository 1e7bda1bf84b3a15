package unit

import (
	"regexp"
	"slices"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/report"
)

// builder holds what all units of a fleet are made from, and the units made so far.
type builder struct {
	m      *model.Fleet
	t      *artifact.Tree
	own    []artifact.File          // files of this package that units name
	stored map[artifact.Path]string // store path of every file that a unit may name; hashing is what costs
	byName map[string]artifact.File // the same files by store path
	names  map[string][]string      // what they name, by store path
	units  []*Unit
	shared []string        // sources of mounts that agents can write
	wants  []artifact.File // links of .wants folders
	faults report.Report
}

func newBuilder(m *model.Fleet, t *artifact.Tree) *builder {
	b := &builder{
		m: m, t: t, stored: map[artifact.Path]string{}, byName: map[string]artifact.File{}, names: map[string][]string{},
		shared: sharedSources(m),
	}
	b.own = Scripts()
	for i := range m.Agents {
		if a := &m.Agents[i]; a.Enabled {
			b.own = append(b.own, etcFiles(a)...)
		}
	}
	for _, f := range append(t.Files(), b.own...) {
		path := f.StorePath()
		b.stored[f.Path], b.byName[path] = path, f
	}
	return b
}

func (b *builder) has(p artifact.Path) bool {
	_, ok := b.stored[p]
	return ok
}

// store returns the store path of a file of the generation. A missing one is a mistake of the renderers' and a fault.
func (b *builder) store(p string) string {
	path, ok := b.stored[artifact.Path(p)]
	if !ok {
		b.faults.Errorf("", "no artifact %q for a unit to name", p)
	}
	return path
}

func (b *builder) unit(name model.UnitName, from string) *Unit {
	u := New(name, from, &b.faults)
	b.units = append(b.units, u)
	return u
}

// want links a unit into the wants folder of another.
func (b *builder) want(by, what model.UnitName) {
	b.wants = append(b.wants, artifact.Link(artifact.Path("units/"+string(by)+".wants/"+string(what)), "../"+string(what)))
}

var storeRe = regexp.MustCompile(regexp.QuoteMeta(artifact.StoreDir) + `/[0-9a-f]{32}-[A-Za-z0-9_.@-]*[A-Za-z0-9_@-]`)

// named returns the store paths that a file names. Most files are shared by all agents, and searching is what costs.
func (b *builder) named(path string, data []byte) []string {
	out, known := b.names[path]
	if !known {
		for _, name := range storeRe.FindAll(data, -1) {
			out = append(out, string(name))
		}
		b.names[path] = out
	}
	return out
}

// references returns the store paths of a file and of all that it names, and so on, sorted: what a unit runs and reads
// and nothing else of the store. So a unit's text changes when one of them does.
func (b *builder) references(paths ...string) []string {
	var out []string
	for len(paths) > 0 {
		path := paths[0]
		paths = paths[1:]
		f, known := b.byName[path]
		if !known || slices.Contains(out, path) {
			continue
		}
		out = append(out, path)
		paths = append(paths, b.named(path, f.Data)...)
	}
	slices.Sort(out)
	return out
}
