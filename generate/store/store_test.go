package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

func sealed(t *testing.T, text string) *Sealed {
	t.Helper()
	tree := artifact.NewTree()
	err := tree.Add(
		artifact.Text("units/fleet-demo.target", text),
		artifact.Link("units/multi-user.target.wants/fleet-demo.target", "../fleet-demo.target"),
		artifact.Script("agents/lead/run", "#!/bin/sh\n"),
		artifact.File{Path: "sudoers.d/demo", Mode: artifact.ModeSudo, Data: []byte("# none\n")},
	)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Seal(tree, manifest.Manifest{
		Tool: manifest.Tool, Target: "linux/amd64", Project: "demo", Table: "fleet_demo", UIDs: [2]int{70000, 99999},
		Spec:       map[string]string{"spec": strings.Repeat("0", 64)},
		Units:      []manifest.Unit{{Name: "fleet-demo.target", OnChange: "restart"}},
		Activation: manifest.Activation{Health: 20, Deadman: 300, Job: 90}, Retention: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, dir string, s *Sealed) Written {
	t.Helper()
	w, err := Write(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWriteMakesAGenerationOnlyForNewContent(t *testing.T) {
	dir := t.TempDir()
	first := write(t, dir, sealed(t, "[Unit]\n"))
	if !first.Changed || first.Number != 1 {
		t.Errorf("first build: %+v", first)
	}
	if again := write(t, dir, sealed(t, "[Unit]\n")); again.Changed || again.Number != 1 {
		t.Errorf("same content: %+v", again)
	}
	if third := write(t, dir, sealed(t, "[Unit]\nDescription=x\n")); third.Number != 2 || third.ID == first.ID {
		t.Errorf("new content: %+v", third)
	}
	if target, err := os.Readlink(filepath.Join(dir, "latest")); err != nil || target != "2" {
		t.Errorf("latest = %q, %v", target, err)
	}
	if _, err := manifest.Verify(filepath.Join(dir, "1")); err != nil {
		t.Errorf("verify: %v", err)
	}
}

func TestWriteReplacesADamagedNewest(t *testing.T) {
	dir := t.TempDir()
	w := write(t, dir, sealed(t, "[Unit]\n"))
	path := filepath.Join(w.Path, "agents/lead/run")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if again := write(t, dir, sealed(t, "[Unit]\n")); again.Number != 2 || !again.Changed {
		t.Errorf("build over a damaged generation: %+v", again)
	}
}

func TestPruneKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"[Unit]\n", "[Unit]\nA=1\n", "[Unit]\nA=2\n"} {
		write(t, dir, sealed(t, text))
	}
	if err := os.Mkdir(filepath.Join(dir, ".building-left"), 0o755); err != nil {
		t.Fatal(err)
	}
	gone, err := Prune(dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1}, gone); diff != "" {
		t.Error(diff)
	}
	left, err := Numbers(dir)
	if diff := cmp.Diff([]int{2, 3}, left); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".building-left")); err == nil {
		t.Error("an interrupted build's folder is left")
	}
}

func TestGolden(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	kinds := func(changes []Change) map[string]string {
		out := map[string]string{}
		for _, c := range changes {
			out[c.Path] = c.Kind
		}
		return out
	}
	s := sealed(t, "[Unit]\n")
	if _, err := WriteGolden(dir, s.Tree); err != nil {
		t.Fatal(err)
	}
	if changes, err := Compare(dir, s.Tree); err != nil || len(changes) != 0 {
		t.Fatalf("just written: %v %v", changes, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "units/left.service"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	changed, err := WriteGolden(dir, sealed(t, "[Unit]\nDescription=x\n").Tree)
	want := map[string]string{
		"units/left.service": "removed", "units/fleet-demo.target": "changed",
		"files.sha256": "changed", "manifest.json": "changed",
	}
	if diff := cmp.Diff(want, kinds(changed)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, c := range changed {
		if c.Path == "units/fleet-demo.target" && !strings.Contains(c.Diff, "\n+Description=x\n") {
			t.Errorf("diff: %s", c.Diff)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "units/left.service")); err == nil {
		t.Error("a file that the generation lacks is left in golden")
	}
}
