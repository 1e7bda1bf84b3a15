// Package manifesttest seals hand-written trees as generations, for tests of what no spec can make. Only tests import
// it.
package manifesttest

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fleet/schemas/manifest"
)

// Tree is a generation that is being written. Text holds the content of its files by path.
type Tree struct {
	Manifest *manifest.Manifest
	Text     map[string]string
}

// Empty returns a tree of project without any file, user or unit.
func Empty(project string) *Tree {
	return &Tree{Text: map[string]string{}, Manifest: &manifest.Manifest{
		Version: manifest.Version, Tool: manifest.Tool, Target: "linux/amd64", Project: project,
		Table: manifest.TableName(project), Retention: 10, UIDs: [2]int{70000, 99999},
		Spec: map[string]string{"spec": Hash("spec")}, Files: []manifest.File{},
		Users: []manifest.User{}, Groups: []string{}, Agents: []manifest.Agent{}, Units: []manifest.Unit{},
		Activation: manifest.Activation{Health: 1, Deadman: 30, Job: 10},
	}}
}

// New returns a small complete tree of project: a target that multi-user.target wants, a service that runs a script of
// the store, rules, a sudoers fragment.
func New(project string) *Tree {
	t := Empty(project)
	user := project + "-lead"
	t.Manifest.Users = []manifest.User{{Name: user, UID: 70001, Home: "/home/" + user, Agent: "lead"}}
	t.Manifest.Groups = []string{"fleet-operators"}
	t.Manifest.Agents = []manifest.Agent{{
		Key: "lead", Name: "Atlas", User: user, Unit: "fleet-" + user + ".service", Enabled: true,
		Isolation: "namespace", Harness: "demo", OnChange: manifest.OnChangeGraceful, Session: 7200,
	}}
	t.File("agents/lead/run", "0555", "#!/bin/sh\nexec sleep 1000000\n")
	target, anchor := "fleet-"+project+".target", "fleet-"+project+"-anchor.service"
	t.Unit(target, "", "", "[Unit]\nRequires="+anchor+"\nAfter="+anchor+"\nWants=fleet-"+project+"-lead.service\n")
	t.Unit("fleet-"+user+".service", "lead", manifest.OnChangeGraceful,
		"[Unit]\nRequires="+anchor+"\nAfter="+anchor+"\n[Service]\nExecStart="+t.Store("agents/lead/run")+"\n")
	t.Link("units/multi-user.target.wants/"+target, "../"+target)
	t.File("nftables/"+project+".nft", "0444", "table inet "+manifest.TableName(project)+" {\n}\n")
	t.File("sudoers.d/"+project, "0440", "# none\n")
	t.File("sysusers.d/"+project+".conf", "0444", "u "+project+"-lead 70001 - /home/"+project+"-lead\n")
	t.File("tmpfiles.d/"+project+".conf", "0444", "d /run/fleet/"+project+" 0755 root root\n")
	return t
}

// Hash returns the hex SHA-256 of s.
func Hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// File adds a file, or replaces the one of that path.
func (t *Tree) File(path, mode, text string) {
	f := manifest.File{Path: path, Mode: mode, SHA256: Hash(text), Size: int64(len(text))}
	if strings.HasPrefix(path, "agents/") || strings.HasPrefix(path, "libexec/") {
		f.Store = manifest.StoreName(f.SHA256, path)
	}
	t.put(f)
	t.Text[path] = text
}

// Link adds a symbolic link.
func (t *Tree) Link(path, target string) {
	t.put(manifest.File{Path: path, Mode: manifest.ModeLink, Link: target})
}

// Unit adds a unit file and lists it.
func (t *Tree) Unit(name, agent, onChange, text string) {
	t.File("units/"+name, "0444", text)
	u := manifest.Unit{Name: name, Agent: agent, OnChange: onChange, Digest: manifest.UnitDigest([]byte(text))}
	for i, have := range t.Manifest.Units {
		if have.Name == name {
			t.Manifest.Units[i] = u
			return
		}
	}
	t.Manifest.Units = append(t.Manifest.Units, u)
}

// Store returns the path in a host's store of a file that was added.
func (t *Tree) Store(path string) string {
	return manifest.StoreDir + "/" + manifest.StoreName(Hash(t.Text[path]), path)
}

func (t *Tree) put(f manifest.File) {
	for i, have := range t.Manifest.Files {
		if have.Path == f.Path {
			t.Manifest.Files[i] = f
			return
		}
	}
	t.Manifest.Files = append(t.Manifest.Files, f)
}

// Seal adds the check lists and the id, and sorts the files.
func (t *Tree) Seal() *manifest.Manifest {
	t.File(manifest.StoreSumName, "0444", string(manifest.StoreSum(t.Manifest.Files)))
	t.File(manifest.FilesSumName, "0444", string(manifest.FilesSum(t.Manifest.Files)))
	slices.SortFunc(t.Manifest.Files, func(a, b manifest.File) int { return strings.Compare(a.Path, b.Path) })
	t.Manifest.ID = manifest.ComputeID(t.Manifest.Files)
	return t.Manifest
}

// Write seals the tree and puts it into dir, which must not exist yet, as `fleet build` leaves it.
func (t *Tree) Write(tb testing.TB, dir string) *manifest.Manifest {
	tb.Helper()
	m := t.Seal()
	t.WriteSealed(tb, dir)
	return m
}

// WriteSealed puts the tree into dir as it is.
func (t *Tree) WriteSealed(tb testing.TB, dir string) {
	tb.Helper()
	must(tb, os.Mkdir(dir, 0o755))
	for _, f := range t.Manifest.Files {
		path := filepath.Join(dir, f.Path)
		must(tb, os.MkdirAll(filepath.Dir(path), 0o755))
		if f.Mode == manifest.ModeLink {
			must(tb, os.Symlink(f.Link, path))
			continue
		}
		mode, err := strconv.ParseUint(f.Mode, 8, 32)
		must(tb, err)
		must(tb, os.WriteFile(path, []byte(t.Text[f.Path]), 0o600))
		must(tb, os.Chmod(path, fs.FileMode(mode)))
	}
	text, err := manifest.Encode(t.Manifest)
	must(tb, err)
	must(tb, os.WriteFile(filepath.Join(dir, manifest.FileName), text, 0o444))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
