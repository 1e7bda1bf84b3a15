package credentials

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/schemas/sidecar"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := folder(t, map[string]string{
		"TOKEN": "canary-value\n", "TOKEN.previous": "the-value-before", "KEY": "\x00\x01binary\xff\n\n", "KEY.previous": "",
	})
	s, err := Load(dir, []sidecar.Secret{{Name: "TOKEN", Env: "TOKEN"}, {Name: "KEY", File: true}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Text("TOKEN") != "canary-value" || s.Dir != dir {
		t.Errorf("got %q in %s", s.Text("TOKEN"), s.Dir)
	}
	for _, text := range []string{"canary-value", "the-value-before", "\x00\x01binary\xff"} {
		if _, found := s.Scrubber().Bytes([]byte(text)); !found {
			t.Errorf("%q is shown", text)
		}
	}
}

// F14, F17: what cannot be right is told with the remedy, and without the value.
func TestCATF17LoadRefuses(t *testing.T) {
	env, file, bearer := sidecar.Secret{Name: "TOKEN", Env: "T"}, sidecar.Secret{Name: "TOKEN", File: true}, sidecar.Secret{Name: "TOKEN", Bearer: true}
	for want, c := range map[string]struct {
		files  map[string]string
		secret sidecar.Secret
	}{
		"is missing":                  {nil, env},
		"at least 8 bytes":            {map[string]string{"TOKEN": "canary\n"}, file},
		"must have at least":          {map[string]string{"TOKEN": ""}, env},
		"text without NUL":            {map[string]string{"TOKEN": "canary\x00value"}, env},
		"printable ASCII":             {map[string]string{"TOKEN": "canary\r\nX: y"}, bearer},
		"without spaces":              {map[string]string{"TOKEN": "canary välue"}, sidecar.Secret{Name: "TOKEN", Header: "X-Key"}},
		"at most 262144 bytes":        {map[string]string{"TOKEN": strings.Repeat("canary", 100_000)}, file},
		"the value before: must have": {map[string]string{"TOKEN": "canary-value", "TOKEN.previous": strings.Repeat("canary", 100_000)}, file},
	} {
		_, err := Load(folder(t, c.files), []sidecar.Secret{c.secret})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "TOKEN") || strings.Contains(err.Error(), "canary") {
			t.Errorf("want %q, got %v", want, err)
		}
		if err != nil && !strings.Contains(want, "before") && !strings.Contains(err.Error(), "sudo fleet secret set TOKEN") {
			t.Errorf("no remedy: %v", err)
		}
	}
}

func TestLinksAndFolders(t *testing.T) {
	dir := folder(t, nil)
	elsewhere := folder(t, map[string]string{"x": "canary-value"})
	if err := os.Symlink(elsewhere+"/x", dir+"/LINK"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/FOLDER", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LINK", "FOLDER"} {
		if _, err := Load(dir, []sidecar.Secret{{Name: name, File: true}}); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if _, err := Load("", []sidecar.Secret{{Name: "TOKEN", File: true}}); err == nil || !strings.Contains(err.Error(), "$CREDENTIALS_DIRECTORY") {
		t.Errorf("got %v", err)
	}
	if _, err := Load("", nil); err != nil {
		t.Errorf("a tool without secrets: %v", err)
	}
}
