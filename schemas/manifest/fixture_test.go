package manifest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"fleet/schemas/manifest"
)

// sealed is a small generation, written by hand, as the generator would seal it.
type sealed struct {
	m    *manifest.Manifest
	data map[string]string
}

func newSealed() *sealed {
	s := &sealed{data: map[string]string{}, m: &manifest.Manifest{
		Version: 1, Tool: "0.1.0", Target: "linux/amd64", Project: "demo", Table: "fleet_demo", Retention: 10,
		Spec:   map[string]string{"spec": hash("spec")},
		UIDs:   [2]int{70000, 99999},
		Users:  []manifest.User{{Name: "demo-lead", UID: 70001, Home: "/home/demo-lead", Agent: "lead"}},
		Groups: []string{"fleet-operators"},
		Agents: []manifest.Agent{{Key: "lead", Name: "Atlas", User: "demo-lead", Unit: "fleet-demo-lead.service", Enabled: true,
			Isolation: "namespace", Harness: "demo", OnChange: manifest.OnChangeGraceful, Session: 7200}},
		Units: []manifest.Unit{
			{Name: "fleet-demo.target"},
			{Name: "fleet-demo-lead.service", Agent: "lead", OnChange: manifest.OnChangeGraceful, Digest: hash("x")[:32]},
		},
		Activation: manifest.Activation{Health: 20, Deadman: 300, Job: 90},
	}}
	s.file("units/fleet-demo.target", "0444", "[Unit]\n")
	s.file("units/fleet-demo-lead.service", "0444", "[Unit]\n")
	s.link("units/multi-user.target.wants/fleet-demo.target", "../fleet-demo.target")
	s.file("agents/lead/run", "0555", "#!/bin/sh\n")
	s.file("sudoers.d/demo", "0440", "# none\n")
	s.seal()
	return s
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func (s *sealed) file(p, mode, text string) {
	f := manifest.File{Path: p, Mode: mode, SHA256: hash(text), Size: int64(len(text))}
	if filepath.Dir(filepath.Dir(p)) == "agents" {
		f.Store = manifest.StoreName(f.SHA256, p)
	}
	s.data[p] = text
	s.m.Files = append(s.m.Files, f)
}

func (s *sealed) link(p, target string) {
	s.m.Files = append(s.m.Files, manifest.File{Path: p, Mode: manifest.ModeLink, Link: target})
}

func (s *sealed) seal() {
	s.file(manifest.StoreSumName, "0444", string(manifest.StoreSum(s.m.Files)))
	s.file(manifest.FilesSumName, "0444", string(manifest.FilesSum(s.m.Files)))
	s.m.ID = manifest.ComputeID(s.m.Files)
}

// write puts the generation into a new folder.
func (s *sealed) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range s.m.Files {
		p := filepath.Join(dir, f.Path)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		if f.Mode == manifest.ModeLink {
			must(t, os.Symlink(f.Link, p))
			continue
		}
		mode, err := strconv.ParseUint(f.Mode, 8, 32)
		must(t, err)
		must(t, os.WriteFile(p, []byte(s.data[f.Path]), 0o600))
		must(t, os.Chmod(p, os.FileMode(mode)))
	}
	b, err := manifest.Encode(s.m)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, manifest.FileName), b, 0o644))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
