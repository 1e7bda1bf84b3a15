package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fleetIn runs a command line as a user would and returns its exit status and all that it printed.
func fleetIn(args ...string) (int, string) {
	var out bytes.Buffer
	status := run(args, strings.NewReader(""), &out, &out)
	return status, out.String()
}

// Every case of golden/ is what its spec compiles to, by the very command that users put into their CI.
func TestGolden(t *testing.T) {
	root := filepath.Join("..", "..")
	cases, err := filepath.Glob(filepath.Join(root, "golden", "*", "spec.jsonnet"))
	if err != nil || len(cases) < 8 {
		t.Fatalf("golden has %d cases, %v", len(cases), err)
	}
	for _, spec := range cases {
		dir := filepath.Dir(spec)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			if status, out := fleetIn("-C", dir, "-f", "spec.jsonnet", "golden", "--check", "--dir", "tree"); status != 0 {
				t.Errorf("exit status %d\n%s", status, out)
			}
		})
	}
	t.Run("example", func(t *testing.T) {
		if status, out := fleetIn("-C", root, "golden", "--check"); status != 0 {
			t.Errorf("exit status %d\n%s", status, out)
		}
	})
}

// The check cannot pass by accident: one byte that differs, a file too many or one too few is found.
func TestGoldenCheckFindsDifferences(t *testing.T) {
	dir := t.TempDir()
	text := "(import 'fleet.libsonnet').new('x') { agents: { a: { harness: 'demo' } } }\n"
	if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out := fleetIn("-C", dir, "golden"); status != 0 {
		t.Fatalf("golden: %d\n%s", status, out)
	}
	unit := filepath.Join(dir, "golden/x/tree/units/fleet-x.target")
	good, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"changed": func() error { return os.WriteFile(unit, append(good, '#'), 0o600) },
		"removed": func() error { return os.Remove(unit) },
		"added":   func() error { return os.WriteFile(unit+".d", nil, 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if status, out := fleetIn("-C", dir, "golden", "--check"); status != exitDiffers {
			t.Errorf("%s: exit status %d\n%s", name, status, out)
		}
		if status, out := fleetIn("-C", dir, "golden"); status != 0 {
			t.Fatalf("golden: %d\n%s", status, out)
		}
	}
	if status, out := fleetIn("-C", dir, "golden", "--check"); status != 0 {
		t.Errorf("after writing: exit status %d\n%s", status, out)
	}
}
