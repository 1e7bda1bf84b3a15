// Package store turns a tree of artifacts into a generation: it lists and seals the files, writes them to a local
// generations folder, and keeps the golden copy in git.
package store

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// Sealed is a complete generation, wherever its tree keeps the content.
type Sealed struct {
	Manifest manifest.Manifest
	Tree     *artifact.Tree // lists and manifest included
}

// Seal adds the check lists and the manifest to the tree. m brings everything but Version, Files and ID.
func Seal(t *artifact.Tree, m manifest.Manifest) (*Sealed, error) {
	m.Version = manifest.Version
	m.Files = make([]manifest.File, 0, t.Len()+2)
	for e := range t.Entries() {
		m.Files = append(m.Files, listed(e))
	}
	for _, list := range []struct {
		path  artifact.Path
		write func(io.Writer, []manifest.File) error
	}{{manifest.StoreSumName, manifest.WriteStoreSum}, {manifest.FilesSumName, manifest.WriteFilesSum}} {
		if err := t.Stream(list.path, func(w io.Writer) error { return list.write(w, m.Files) }); err != nil {
			return nil, err
		}
		e, _ := t.Entry(list.path)
		at, _ := slices.BinarySearchFunc(m.Files, string(e.Path), func(f manifest.File, path string) int {
			return strings.Compare(f.Path, path)
		})
		m.Files = slices.Insert(m.Files, at, listed(e)) // in its place: whoever wants them sorted need not copy them
	}
	m.ID = manifest.ComputeID(m.Files)
	if r := m.Check(); r.Failed() {
		return nil, fmt.Errorf("the generation would not be valid: %w", r.Err())
	}
	err := t.Stream(manifest.FileName, func(w io.Writer) error { return manifest.Write(w, &m) })
	return &Sealed{Manifest: m, Tree: t}, err
}

func listed(e artifact.Entry) manifest.File {
	if e.Link != "" {
		return manifest.File{Path: string(e.Path), Mode: manifest.ModeLink, Link: e.Link}
	}
	f := manifest.File{Path: string(e.Path), Mode: manifest.Octal(e.Mode), SHA256: e.SHA256, Size: e.Size}
	if e.Path.InStore() {
		f.Store = e.StoreName()
	}
	return f
}
