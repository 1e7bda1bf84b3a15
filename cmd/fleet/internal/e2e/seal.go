//go:build machine

package e2e

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fleet/generate"
	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/generate/spec"
	"fleet/generate/store"
	"fleet/schemas/lock"
	"fleet/schemas/manifest"
)

// Unit adds a unit to a tree that is being sealed. The text needs neither the anchor nor the mark of its origin; with
// wanted it is linked into the project's target.
func Unit(t *artifact.Tree, name, text string, wanted bool) error {
	anchor := "fleet-" + Project + "-anchor.service"
	if strings.HasSuffix(name, ".service") && !strings.Contains(text, "X-Fleet-NoAnchor") {
		text = "[Unit]\nRequires=" + anchor + "\nAfter=" + anchor + "\n" + text
	}
	files := []artifact.File{artifact.Text(artifact.Path("units/"+name), text)}
	if wanted {
		files = append(files, artifact.Link(artifact.Path("units/fleet-"+Project+".target.wants/"+name), "../"+name))
	}
	return t.Add(files...)
}

// idle is a fleet whose only agent is disabled.
var idle = Spec(`{ agents: { idle: { enabled: false } } }`)

// sealed renders a spec, lets change add to it, and seals it.
func sealed(t testing.TB, text string, change func(*artifact.Tree, *manifest.Manifest)) (*store.Sealed, error) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	loaded, err := spec.Load(t.Context(), spec.Options{Dir: dir, File: "fleet.jsonnet"})
	if err != nil {
		return nil, err
	}
	ids := lock.New()
	if _, err := ids.Assign(Project, model.Users(loaded.Fleet), loaded.Fleet.UIDs, nil); err != nil {
		return nil, err
	}
	m, err := model.Resolve(loaded.Fleet, ids.Users(Project))
	if err != nil {
		return nil, err
	}
	tree := artifact.NewTree()
	if err := generate.AddPrograms(m, tree, daemons(t)); err != nil {
		return nil, err
	}
	if err := generate.Render(m, tree); err != nil {
		return nil, err
	}
	head := generate.Describe(m, tree, loaded, runtime.GOOS+"/"+runtime.GOARCH)
	change(tree, &head)
	head.Units = tree.Units()
	return store.Seal(tree, head)
}
