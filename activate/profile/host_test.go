package profile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/manifest/manifesttest"
)

// host is a root folder with what a profile expects of one.
type host struct {
	*testing.T
	root string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{T: t, root: memory(t)}
	for _, d := range []string{"etc", "var/lib", "run", "home"} {
		h.must(os.MkdirAll(filepath.Join(h.root, d), 0o755))
	}
	return h
}

// memory returns a new folder on a tmpfs where there is one: what syncs a disk takes a thousand times as long there.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "fleet-test-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() {
		writable(dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// writable lets an unprivileged test remove what it made read-only.
func writable(root string) {
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *host) profile(fx system.Effects) *profile.Profile {
	return profile.New(profile.Layout{Project: "demo", Root: h.root}, fx)
}

// build returns a new build folder of a small generation whose run script says text.
func (h *host) build(text string) profile.Source {
	h.Helper()
	tree := manifesttest.New("demo")
	tree.File("agents/lead/run", "0555", "#!/bin/sh\n# "+text+"\n")
	tree.Unit("fleet-demo-lead.service", "lead", manifest.OnChangeGraceful, "[Service]\nExecStart="+tree.Store("agents/lead/run")+"\n")
	return h.written(tree)
}

func (h *host) written(tree *manifesttest.Tree) profile.Source {
	h.Helper()
	dir := filepath.Join(memory(h.T), "build")
	tree.Write(h, dir)
	return profile.Source{Path: dir, Invoker: os.Geteuid(), Nonce: "0123456789abcdef"}
}

func (h *host) imported(text string) int {
	h.Helper()
	got, err := h.profile(system.Real{}).Import(context.Background(), h.build(text))
	h.must(err)
	return got.Number
}

// names lists a folder of the host.
func (h *host) names(path string) []string {
	h.Helper()
	entries, err := os.ReadDir(filepath.Join(h.root, path))
	h.must(err)
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func (h *host) hasLeftovers() []string {
	var out []string
	for _, name := range append(h.names("etc/fleet/demo/generations"), h.names("var/lib/fleet/store")...) {
		if strings.HasPrefix(name, ".") {
			out = append(out, name)
		}
	}
	return out
}

// killedAt makes changes up to the one numbered at, and none from then on: a killed process.
type killedAt struct {
	at, n int
	steps []string
}

var errKilled = errors.New("killed")

func (k *killedAt) Do(what string, f func() error) error {
	if k.n >= k.at {
		return errKilled
	}
	k.n++
	k.steps = append(k.steps, what)
	return f()
}

// atEachStep runs f with a process that is killed before its first, second, ... change, until f is not interrupted.
func atEachStep(t *testing.T, f func(t *testing.T, fx *killedAt) error) {
	t.Helper()
	for at := 0; ; at++ {
		if at > 500 {
			t.Fatal("does not end")
		}
		fx := &killedAt{at: at}
		err := f(t, fx)
		if err == nil {
			if at == 0 {
				t.Fatal("no step: nothing goes through Effects")
			}
			return
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("step %d: %v", at, err)
		}
	}
}
