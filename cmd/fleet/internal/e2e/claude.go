//go:build machine

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fleet/generate/spec"
	"fleet/schemas/fleet"
)

// ClaudeCode returns the folder with Claude Code as the built-in harness installs it, fetched once for all tests of this user.
func ClaudeCode(t testing.TB) (version, dir string) {
	t.Helper()
	h := builtin(t, "claude-code")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(cache, "fleet-test", "claude-code-"+h.Version)
	if _, err := os.Stat(dir + "/claude"); err == nil {
		return h.Version, dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// In a mount namespace, with a layer over /usr/local: the host that runs the tests stays as it is.
	script := `mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work && ` +
		`mount -t overlay -o lowerdir=/usr/local,upperdir=/mnt/upper,workdir=/mnt/work none /usr/local && ` +
		`sh -c "$1" && cp "$(readlink /usr/local/bin/claude)" "$2/claude.new" && mv "$2/claude.new" "$2/claude"`
	out, err := exec.Command("unshare", "--mount", "sh", "-euc", script, "sh", h.Install, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("install Claude Code %s: %v\n%s", h.Version, err, out)
	}
	return h.Version, dir
}

func builtin(t testing.TB, name string) fleet.Harness {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), []byte(Spec()), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := spec.Load(t.Context(), spec.Options{Dir: dir, File: "fleet.jsonnet"})
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Fleet.Harnesses[name]
}
