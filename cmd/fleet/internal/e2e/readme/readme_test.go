//go:build machine

// Package readme proves that the README's commands work as a new user would type them.
package readme

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
)

// outside are commands that build: they run on this host, in the clone, since the machine has no module cache. All
// others run in a machine, in a copy of the clone.
const outside = "go "

// checkout is where the machine has the clone.
const checkout = "/root/fleet"

// Every command of the README's blocks runs in a clean clone, in order, and ends with status 0.
func TestREADME(t *testing.T) {
	t.Parallel()
	clone := cloned(t)
	text, err := os.ReadFile(filepath.Join(clone, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := blocks(string(text))
	if len(blocks) < 5 {
		t.Fatalf("the README has %d blocks of commands", len(blocks))
	}
	m := machinetest.New(t, machinetest.Options{Bare: true})
	copied := false
	for _, block := range blocks {
		for command := range strings.Lines(block) {
			command = strings.TrimSpace(command)
			if strings.HasPrefix(command, outside) {
				build(t, clone, command)
				continue
			}
			if !copied {
				m.CopyDir(clone, checkout)
				m.MustRun("sh", "-c", "chmod +x "+checkout+"/bin/*")
				copied = true
			}
			if out, exit := m.Try("sh", "-c", "cd "+checkout+" && "+command); exit != 0 {
				t.Fatalf("%s: exit status %d\n%s", command, exit, out)
			}
		}
	}
}

// cloned makes a clean clone of what is committed.
func cloned(t *testing.T) string {
	t.Helper()
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "fleet")
	if out, err := exec.Command("git", "clone", "-q", strings.TrimSpace(string(top)), dir).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	return dir
}

// blocks returns what stands in the README's ```sh blocks.
func blocks(text string) []string {
	var out []string
	for _, part := range strings.Split(text, "```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		out = append(out, block)
	}
	return out
}

func build(t *testing.T, dir, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}
