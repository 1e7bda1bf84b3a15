package vault

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fleet/schemas/policy"
)

const placeholder = "fleet-placeholder-TOKEN-0123456789"

// folder makes one of credentials.
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

func token(change func(*policy.Secret)) []policy.Secret {
	s := policy.Secret{Name: "TOKEN", Placeholder: placeholder, Bearer: true}
	if change != nil {
		change(&s)
	}
	return []policy.Secret{s}
}

func TestOpen(t *testing.T) {
	dir := folder(t, map[string]string{
		"TOKEN": "new-value\n", "TOKEN.previous": "old-value\r\n", "OTHER": "other\"'\\value", "OTHER.previous": "", "THIRD": "\u00fcber-geheim",
	})
	secrets := append(token(nil), policy.Secret{Name: "OTHER", Placeholder: placeholder + "x", Header: "X-Key"},
		policy.Secret{Name: "THIRD", Placeholder: placeholder + "y", Basic: true})
	v, err := Open(dir, secrets)
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		string(v.Now("TOKEN").Bytes()): "new-value", string(v.Before("TOKEN").Bytes()): "old-value",
		string(v.Now("OTHER").Bytes()): "other\"'\\value", string(v.Before("OTHER").Bytes()): "", string(v.Now("THIRD").Bytes()): "\u00fcber-geheim",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := v.Check(append(secrets, policy.Secret{Name: "LATER"})); err == nil || !strings.Contains(err.Error(), "LATER was not there when") {
		t.Errorf("a later secret: %v", err)
	}
	if err := v.Check([]policy.Secret{{Name: "THIRD", Placeholder: placeholder, Query: "key"}}); err == nil || !strings.Contains(err.Error(), "must be ASCII") {
		t.Errorf("another place: %v", err)
	}
	if v, err := Open("", nil); err != nil || v.Check(nil) != nil {
		t.Errorf("without secrets: %v", err)
	}
}

// F14, F17: what cannot be used is an error that names secret and remedy, and not the value.
func TestCATF17Refused(t *testing.T) {
	for want, c := range map[string]struct {
		value  string
		change func(*policy.Secret)
	}{
		"8 bytes at least":               {"short\n", nil},
		"8 bytes at least, a newline":    {"", nil},
		"at most 65536 bytes":            {strings.Repeat("canary", 20_000), nil},
		"at most 65536 bytes; sudo":      {strings.Repeat("canar", 13_108) + "\n", nil},
		"no control character":           {"canary-one\ncanary-two\n", nil},
		"no control character, such":     {"canary-one\r\nX-Injected: 1", func(s *policy.Secret) { s.Bearer, s.Header = false, "X-Key" }},
		"no control character, such as":  {"canary\x00canary", func(s *policy.Secret) { s.Bearer, s.Basic = false, true }},
		"must be ASCII":                  {"canary-\u00fc-canary", nil},
		"must be ASCII, since":           {"canary-\xff-canary", func(s *policy.Secret) { s.Bearer, s.Query = false, "q" }},
		"must be UTF-8":                  {"canary-\xff-canary", func(s *policy.Secret) { s.Bearer, s.Basic = false, true }},
		"must have no space":             {"canary canary", nil},
		"begin or end with a space":      {" canary-canary", func(s *policy.Secret) { s.Bearer, s.Header = false, "X-Key" }},
		"must not be a placeholder":      {"canary" + placeholder, nil},
		"must not be a placeholder, hol": {placeholder[3:20], nil},
	} {
		_, err := Open(folder(t, map[string]string{"TOKEN": c.value}), token(c.change))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "sudo fleet secret set TOKEN") ||
			strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "placeholder-T") {
			t.Errorf("want %q, got %.200v", want, err)
		}
	}
	if _, err := Open(folder(t, map[string]string{"TOKEN": strings.Repeat("v", MaxValue) + "\n"}), token(nil)); err != nil {
		t.Errorf("the longest one: %v", err)
	}
}

// F17: missing, a link, a FIFO or a folder in its place, and no folder at all.
func TestCATF17NoPlainFile(t *testing.T) {
	for name, make := range map[string]func(dir, path string) error{
		"missing": func(string, string) error { return nil },
		"link": func(dir, path string) error {
			if err := os.WriteFile(filepath.Join(dir, "x"), []byte("a-good-value"), 0o400); err != nil {
				return err
			}
			return os.Symlink("x", path)
		},
		"FIFO":   func(_, path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder": func(_, path string) error { return os.Mkdir(path, 0o700) },
	} {
		dir := t.TempDir()
		if err := make(dir, filepath.Join(dir, "TOKEN")); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, token(nil)); err == nil || !strings.Contains(err.Error(), "sudo fleet secret set TOKEN") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "none")} {
		if _, err := Open(dir, token(nil)); err == nil || !strings.Contains(err.Error(), "credentials") && !strings.Contains(err.Error(), "CREDENTIALS") {
			t.Errorf("folder %q: %v", dir, err)
		}
	}
	dir := folder(t, map[string]string{"TOKEN": "a-good-value", "TOKEN.previous": "bad"})
	if _, err := Open(dir, token(nil)); err == nil || !strings.Contains(err.Error(), "TOKEN.previous") {
		t.Errorf("a bad value before: %v", err)
	}
}

// F16: no way of writing a value shows it.
func TestCATF16NotShown(t *testing.T) {
	v, err := Open(folder(t, map[string]string{"TOKEN": "canary-value"}), token(nil))
	if err != nil {
		t.Fatal(err)
	}
	x := v.Now("TOKEN")
	b, _ := json.Marshal(map[string]any{"x": x})
	for _, text := range []string{
		fmt.Sprint(x), fmt.Sprintf("%v %+v %#v %s %q %x %d", x, x, x, x, x, x, x), fmt.Sprintf("%v", v), fmt.Sprintf("%+v", &x),
		fmt.Sprintf("%+v", *v), string(b),
	} {
		if strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") || strings.Contains(text, "99 97 110") {
			t.Errorf("shown: %s", text)
		}
	}
}
