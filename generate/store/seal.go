// Package store turns a tree of artifacts into a generation: it lists and seals the files, writes them to a local
// generations folder, and keeps the golden copy in git.
package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// Names of the lists that a host checks a generation by, in the form of sha256sum(1).
const (
	FilesList = "files.sha256" // every regular file but the manifest and this list, by path inside the generation
	StoreList = "store.sha256" // what units name in the host's store, by absolute path
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

// Seal adds the lists and the manifest to the tree. m brings everything but Files and ID.
func Seal(t *artifact.Tree, m manifest.Manifest) (*Sealed, error) {
	if err := t.Add(storeList(t)); err != nil {
		return nil, err
	}
	if err := t.Add(filesList(t)); err != nil {
		return nil, err
	}
	files := t.Files()
	m.Files = make([]manifest.File, 0, len(files))
	for _, f := range files {
		m.Files = append(m.Files, entry(f))
	}
	m.Version = manifest.Version
	m.ID = manifest.ComputeID(m.Files)
	data, err := encode(m)
	if err != nil {
		return nil, err
	}
	if err := t.Add(artifact.Text(manifest.FileName, string(data))); err != nil {
		return nil, err
	}
	return &Sealed{Manifest: m, Files: t.Files()}, nil
}

func entry(f artifact.File) manifest.File {
	if f.Link != "" {
		return manifest.File{Path: string(f.Path), Mode: "link", Link: f.Link}
	}
	e := manifest.File{
		Path: string(f.Path), Mode: fmt.Sprintf("%04o", f.Mode), SHA256: f.Digest(), Size: int64(len(f.Data)),
	}
	if InStore(f.Path) {
		e.Store = f.StoreName()
	}
	return e
}

func storeList(t *artifact.Tree) artifact.File {
	var b strings.Builder
	seen := map[string]bool{}
	for _, f := range t.Files() {
		if f.Link == "" && InStore(f.Path) && !seen[f.StorePath()] {
			seen[f.StorePath()] = true
			fmt.Fprintf(&b, "%s  %s\n", f.Digest(), f.StorePath())
		}
	}
	return artifact.Text(StoreList, b.String())
}

func filesList(t *artifact.Tree) artifact.File {
	var b strings.Builder
	for _, f := range t.Files() {
		if f.Link != "" {
			continue
		}
		// sha256sum marks a line whose name has a backslash by a leading one and doubles those in the name.
		name, mark := string(f.Path), ""
		if strings.Contains(name, `\`) {
			name, mark = strings.ReplaceAll(name, `\`, `\\`), `\`
		}
		fmt.Fprintf(&b, "%s%s  %s\n", mark, f.Digest(), name)
	}
	return artifact.Text(FilesList, b.String())
}

func encode(m manifest.Manifest) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return b.Bytes(), nil
}
