package manifest_test

import (
	"path/filepath"
	"testing"

	"fleet/schemas/manifest"
	"fleet/schemas/manifest/manifesttest"
)

// sealed is a small generation, written by hand, as the generator would seal it. Tests count on the order of its files.
type sealed struct {
	*manifesttest.Tree
	m *manifest.Manifest
}

func newSealed() *sealed {
	t := manifesttest.Empty("demo")
	m := t.Manifest
	m.Users = []manifest.User{{Name: "demo-lead", UID: 70001, Home: "/home/demo-lead", Agent: "lead"}}
	m.Groups = []string{"fleet-operators"}
	m.Agents = []manifest.Agent{{
		Key: "lead", Name: "Atlas", User: "demo-lead", Unit: "fleet-demo-lead.service", Enabled: true,
		Isolation: "namespace", Harness: "demo", OnChange: manifest.OnChangeGraceful, Session: 7200,
	}}
	t.Unit("fleet-demo.target", "", "", "[Unit]\n")
	t.Unit("fleet-demo-lead.service", "lead", manifest.OnChangeGraceful, "[Unit]\n")
	t.Link("units/multi-user.target.wants/fleet-demo.target", "../fleet-demo.target")
	t.File("agents/lead/run", "0555", "#!/bin/sh\n")
	t.File("sudoers.d/demo", "0440", "# none\n")
	s := &sealed{t, m}
	s.seal()
	return s
}

func hash(s string) string { return manifesttest.Hash(s) }

// seal does what Tree.Seal does but for the order.
func (s *sealed) seal() {
	s.File(manifest.StoreSumName, "0444", string(manifest.StoreSum(s.m.Files)))
	s.File(manifest.FilesSumName, "0444", string(manifest.FilesSum(s.m.Files)))
	s.m.ID = manifest.ComputeID(s.m.Files)
}

func (s *sealed) write(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "g")
	s.WriteSealed(t, dir)
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
