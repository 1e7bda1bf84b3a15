// Package store turns a tree of artifacts into a generation: it lists and seals the files, writes them to a local
// generations folder, and keeps the golden copy in git.
package store

import (
	"fmt"
	"slices"
	"strings"

	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// Sealed is a complete generation in memory.
type Sealed struct {
	Manifest manifest.Manifest
	Files    []artifact.File // sorted, lists and manifest included
}

// InStore reports whether units name the file by its content in the host's store.
func InStore(p artifact.Path) bool {
	return strings.HasPrefix(string(p), "agents/") || strings.HasPrefix(string(p), "libexec/")
}

// Seal adds the check lists and the manifest to the tree. m brings everything but Version, Files and ID.
func Seal(t *artifact.Tree, m manifest.Manifest) (*Sealed, error) {
	m.Version = manifest.Version
	m.Files = nil
	for _, f := range t.Files() {
		m.Files = append(m.Files, entry(f))
	}
	lists := []artifact.File{
		artifact.Text(manifest.StoreSumName, string(manifest.StoreSum(m.Files))),
	}
	m.Files = append(m.Files, entry(lists[0]))
	lists = append(lists, artifact.Text(manifest.FilesSumName, string(manifest.FilesSum(m.Files))))
	m.Files = append(m.Files, entry(lists[1]))
	slices.SortFunc(m.Files, func(a, b manifest.File) int { return strings.Compare(a.Path, b.Path) })
	m.ID = manifest.ComputeID(m.Files)
	if r := m.Check(); r.Failed() {
		return nil, fmt.Errorf("the generation would not be valid: %w", r.Err())
	}
	data, err := manifest.Encode(&m)
	if err != nil {
		return nil, err
	}
	if err := t.Add(append(lists, artifact.Text(manifest.FileName, string(data)))...); err != nil {
		return nil, err
	}
	return &Sealed{Manifest: m, Files: t.Files()}, nil
}

func entry(f artifact.File) manifest.File {
	if f.Link != "" {
		return manifest.File{Path: string(f.Path), Mode: manifest.ModeLink, Link: f.Link}
	}
	e := manifest.File{
		Path: string(f.Path), Mode: manifest.Octal(f.Mode), SHA256: f.Digest(), Size: int64(len(f.Data)),
	}
	if InStore(f.Path) {
		e.Store = f.StoreName()
	}
	return e
}
