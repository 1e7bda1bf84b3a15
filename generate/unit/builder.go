package unit

import (
	"slices"
	"strings"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/report"
)

// builder holds what all units of a fleet are made from, and the units that are not in the tree yet.
type builder struct {
	m      *model.Fleet
	t      *artifact.Tree
	stored map[string][]string // what each file of the host's store names there, by the digest in its name
	units  []*Unit
	shared []string // sources of mounts that agents can write
	faults report.Report
	err    error // of the tree
}

// own adds the files of this package that units name.
func (b *builder) own() {
	b.add(Scripts()...)
	for _, a := range b.m.Contained() {
		if a.Enabled {
			b.add(etcFiles(a)...)
		}
	}
	for e := range b.t.Stored() {
		b.stored[e.SHA256[:digestSize]] = e.Names
	}
}

func (b *builder) add(files ...artifact.File) {
	if b.err == nil {
		b.err = b.t.Add(files...)
	}
}

func (b *builder) has(p artifact.Path) bool {
	_, ok := b.t.Entry(p)
	return ok
}

// store returns the store path of a file of the generation. A missing one is a mistake of the renderers' and a fault.
func (b *builder) store(p string) string {
	e, ok := b.t.Entry(artifact.Path(p))
	if !ok {
		b.faults.Errorf("", "no artifact %q for a unit to name", p)
		return ""
	}
	return e.StorePath()
}

func (b *builder) unit(name model.UnitName, from string) *Unit {
	u := New(name, from, &b.faults)
	b.units = append(b.units, u)
	return u
}

// want links a unit into the wants folder of another.
func (b *builder) want(by, what model.UnitName) {
	b.add(artifact.Link(artifact.Path("units/"+string(by)+".wants/"+string(what)), "../"+string(what)))
}

// references returns the store paths of a file and of all that it names, and so on, sorted: what a unit runs and reads
// and nothing else of the store. So a unit's text changes when one of them does.
func (b *builder) references(paths ...string) []string {
	var out []string
	for len(paths) > 0 {
		path := paths[0]
		paths = paths[1:]
		digest, _, _ := strings.Cut(strings.TrimPrefix(path, artifact.StoreDir+"/"), "-")
		names, known := b.stored[digest]
		if !known || slices.Contains(out, path) {
			continue
		}
		out = append(out, path)
		paths = append(paths, names...)
	}
	slices.Sort(out)
	return out
}
