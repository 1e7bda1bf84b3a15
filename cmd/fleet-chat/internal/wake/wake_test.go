package wake

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/chat"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files are the names in a folder, as a runner sees them.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func folders(dir string) *Folders {
	return New(&chat.Config{Agents: []chat.Agent{{Key: "lead", Wake: dir}, {Key: "deaf"}}})
}

func TestWake(t *testing.T) {
	dir := t.TempDir()
	f := folders(dir)
	w := chat.Wake{Reason: chat.WakeThread, Channel: "general", Thread: "message-3", Message: 4, Untrusted: true}
	check(t, f.Wake("lead", w))
	check(t, f.Wake("deaf", w))
	names := files(t, dir)
	if len(names) != 1 {
		t.Fatalf("got %q", names)
	}
	text, err := os.ReadFile(dir + "/" + names[0])
	check(t, err)
	var got chat.Wake
	check(t, json.Unmarshal(text, &got))
	if d := cmp.Diff(w, got); d != "" || !strings.HasSuffix(string(text), "}\n") {
		t.Errorf("%s%q", d, text)
	}
	info, err := os.Stat(dir + "/" + names[0])
	check(t, err)
	if info.Mode().Perm() != 0o644 {
		t.Errorf("mode %s", info.Mode())
	}
	if !f.Wakes("lead") || f.Wakes("deaf") || f.Wakes("nobody") {
		t.Error("who is woken")
	}
}

// Names are numbers that rise, also over a restart, and where the runner has taken files away.
func TestNumbersRise(t *testing.T) {
	dir := t.TempDir()
	var given []int64
	ahead := strconv.FormatInt(1<<62, 10) // of a clock that was ahead
	for round := range 4 {
		f := folders(dir)
		for range 3 {
			before := files(t, dir)
			check(t, f.Wake("lead", chat.Wake{}))
			for _, name := range files(t, dir) {
				if slices.Contains(before, name) {
					continue
				}
				n, err := strconv.ParseInt(name, 10, 64)
				check(t, err)
				given = append(given, n)
				if round == 1 {
					check(t, os.Remove(dir+"/"+name))
				}
			}
		}
		if round == 2 {
			check(t, os.WriteFile(dir+"/"+ahead, nil, 0o600))
		}
	}
	if len(given) != 12 || !slices.IsSorted(given) || len(slices.Compact(given)) != 12 || given[9] <= 1<<62 {
		t.Errorf("got %d", given)
	}
}

func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(dir+"/readme", nil, 0o600))
	f := folders(dir)
	for range most * 3 {
		check(t, f.Wake("lead", chat.Wake{}))
	}
	if n := len(files(t, dir)); n != most+1 {
		t.Errorf("%d files", n)
	}
}

// Whatever lies in the folder, nothing outside it is written.
func TestStaysInside(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	check(t, os.WriteFile(outside+"/file", []byte("mine"), 0o600))
	check(t, os.Symlink(outside+"/file", dir+"/"+temporary))
	if err := folders(dir).Wake("lead", chat.Wake{}); err == nil {
		t.Error("a link out of the folder was followed")
	}
	if b, err := os.ReadFile(outside + "/file"); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
	if err := folders(dir+"/none").Wake("lead", chat.Wake{}); err == nil || !strings.Contains(err.Error(), "wake lead") {
		t.Errorf("got %v", err)
	}
}
