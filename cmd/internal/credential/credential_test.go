package credential_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fleet/cmd/internal/credential"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"A": "value\n", "B": "va\nlue\r\n", "C": "a\n\n", "E": "", "FULL": strings.Repeat("x", 16) + "\n", "LONG": strings.Repeat("x", 17),
		"A.previous": "\n", "B.previous": "old\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("A", filepath.Join(dir, "LINK")), syscall.Mkfifo(filepath.Join(dir, "PIPE"), 0o600),
		os.Mkdir(filepath.Join(dir, "DIR"), 0o700)); err != nil {
		t.Fatal(err)
	}
	f, err := credential.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, want := range map[string]string{"A": "value", "B": "va\nlue", "C": "a\n", "E": "", "FULL": strings.Repeat("x", 16)} {
		if got, err := f.Read(name, 16); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"LONG", "LINK", "PIPE", "DIR", "../A", "MISSING"} {
		if got, err := f.Read(name, 16); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := f.Read("MISSING", 16); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := f.Read("LONG", 16); err == nil || !strings.Contains(err.Error(), "at most 16 bytes") {
		t.Error(err)
	}
	for name, want := range map[string]string{"A": "", "B": "old", "C": ""} {
		if got, err := f.Previous(name, 16); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := credential.Open(""); err == nil || !strings.Contains(err.Error(), credential.Variable) {
		t.Error(err)
	}
}
