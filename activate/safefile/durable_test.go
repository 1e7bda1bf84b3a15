package safefile_test

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/safefile"
	"fleet/activate/system"
)

// stopAt makes changes until the one numbered at, and neither that nor a later one: a killed process.
type stopAt struct {
	at    int
	steps []string
}

var errKilled = errors.New("killed")

func (s *stopAt) Do(what string, f func() error) error {
	if len(s.steps) == s.at {
		return errKilled
	}
	s.steps = append(s.steps, what)
	return f()
}

func TestWrite(t *testing.T) {
	path := t.TempDir() + "/f"
	for _, text := range []string{"one", "two"} {
		must(t, safefile.Write(system.Real{}, path, []byte(text), 0o444))
		b, err := os.ReadFile(path)
		must(t, err)
		st, err := os.Stat(path)
		must(t, err)
		if string(b) != text || st.Mode() != 0o444 {
			t.Errorf("%q, %v", b, st.Mode())
		}
	}
}

// Killed at any step, the path has the old or the new content, and the next run succeeds and leaves nothing over.
func TestWriteKilled(t *testing.T) {
	for at := range 4 {
		dir := t.TempDir()
		must(t, safefile.Write(system.Real{}, dir+"/f", []byte("old"), 0o600))
		fx := &stopAt{at: at}
		err := safefile.Write(fx, dir+"/f", []byte("new"), 0o600)
		b, _ := os.ReadFile(dir + "/f")
		if got := string(b); got != "old" && got != "new" || err == nil && got != "new" {
			t.Errorf("step %d: %q", at, got)
		}
		must(t, safefile.Write(system.Real{}, dir+"/f", []byte("next"), 0o600))
		if diff := cmp.Diff([]string{"f"}, names(t, dir)); diff != "" {
			t.Errorf("step %d: %s", at, diff)
		}
	}
}

func TestLinkKilled(t *testing.T) {
	for at := range 4 {
		dir := t.TempDir()
		must(t, safefile.Link(system.Real{}, dir, "boot", "generations/1"))
		fx := &stopAt{at: at}
		err := safefile.Link(fx, dir, "boot", "generations/2")
		got, _ := os.Readlink(dir + "/boot")
		if want := map[bool]string{true: "generations/2", false: "generations/1"}[at >= 2]; got != want {
			t.Errorf("step %d: %q (%v)", at, got, err)
		}
		must(t, safefile.Link(system.Real{}, dir, "boot", "generations/3"))
		if diff := cmp.Diff([]string{"boot"}, names(t, dir)); diff != "" {
			t.Errorf("step %d: %s", at, diff)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
