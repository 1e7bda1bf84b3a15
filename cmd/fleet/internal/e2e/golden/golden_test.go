//go:build machine

// Package golden has the real readers of every golden tree judge it on a real machine.
package golden

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

const cases = "../../../../../golden"

// A dry run asks systemd-analyze verify, nft -c, visudo and the host's users, and refuses on the first word of theirs.
func TestGoldenOnAMachine(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	// What the cases name beside fleet's own: host folders, programs to stand for a harness and a tool, values of secrets.
	h.MustRun("mkdir", "-p", "/srv/reference", "/srv/shared")
	for _, program := range []string{"local/bin/claude", "local/bin/codex", "local/bin/gemini", "local/bin/opencode", "bin/deploy-mcp", "bin/tool"} {
		h.MustRun("ln", "-sf", "/bin/true", "/usr/"+program)
	}
	specs, err := filepath.Glob(cases + "/*/spec.jsonnet")
	if err != nil || len(specs) < 8 {
		t.Fatalf("%d cases, %v", len(specs), err)
	}
	for _, spec := range specs {
		dir := filepath.Dir(spec)
		name := filepath.Base(dir)
		build := h.BuildIn(dir, "spec.jsonnet")
		h.Sh(`sed -n 's#^LoadCredentialEncrypted=\([A-Z0-9_]*\):/var/lib/fleet/\([a-z0-9]*\)/.*#\2 \1#p' ` + build + `/units/*.service | sort -u |
			while read -r project secret; do echo fleet-test-value | fleet -q --project "$project" secret set "$secret"; done`)
		exit, out, errOut := h.Fleet("switch", "--no-confirm", "--dry-run", build)
		if exit != 4 {
			t.Errorf("%s: exit status %d\n%s%s", name, exit, errOut, out)
		}
		scripts(t, name, filepath.Join(dir, "tree"))
	}
}

// scripts holds every shell script of a tree against two parsers and a linter. A hook is the spec's own text, which
// only has to parse.
func scripts(t *testing.T, name, tree string) {
	t.Helper()
	var ours []string
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(text, []byte("#!/bin/sh\n")) {
			return err
		}
		if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(bytes.NewReader(text), path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if out, err := exec.Command("sh", "-n", path).CombinedOutput(); err != nil {
			t.Errorf("%s: sh -n %s: %s", name, path, out)
		}
		if !strings.Contains(path, "/hooks/") {
			ours = append(ours, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(ours) < 10 {
		t.Fatalf("%s: only %d scripts", name, len(ours))
	}
	if out, err := exec.Command("shellcheck", append([]string{"-s", "sh"}, ours...)...).CombinedOutput(); err != nil {
		t.Errorf("%s: shellcheck:\n%s", name, out)
	}
}
