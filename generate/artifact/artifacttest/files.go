// Package artifacttest helps tests of what fills trees of artifacts.
package artifacttest

import "fleet/generate/artifact"

// Files returns what render adds to a tree for m, sorted by path. A nil tree stands for an empty one.
func Files[M any](render func(M, *artifact.Tree) error, m M, t *artifact.Tree) ([]artifact.File, error) {
	if t == nil {
		t = artifact.NewTree()
	}
	before := map[artifact.Path]bool{}
	for e := range t.Entries() {
		before[e.Path] = true
	}
	if err := render(m, t); err != nil {
		return nil, err
	}
	var out []artifact.File
	for f, err := range t.All() {
		if err != nil {
			return nil, err
		}
		if !before[f.Path] {
			out = append(out, f)
		}
	}
	return out, nil
}
