package activate

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a killed dry run left goes with the next one; one that is under way, or just begins, keeps its folder.
func TestScratch(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	working, release, err := newScratch(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	left, begins := filepath.Join(dir, scratchName+"left"), filepath.Join(dir, scratchName+"begins")
	for _, path := range []string{left + "/etc", begins} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{working, left} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	next, release, err := newScratch(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	have := map[string]bool{}
	for path := range map[string]bool{working: true, left: true, begins: true, next: true} {
		_, err := os.Stat(path)
		have[path] = err == nil
	}
	if d := cmp.Diff(map[string]bool{working: true, left: false, begins: true, next: true}, have); d != "" {
		t.Error(d)
	}
}
