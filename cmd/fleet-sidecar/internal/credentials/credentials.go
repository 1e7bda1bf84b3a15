// Package credentials reads the secrets that systemd has decrypted for the sidecar's unit, LoadCredentialEncrypted= of
// systemd.exec(5). No error has a value in it.
package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"

	"fleet/cmd/fleet-sidecar/internal/scrub"
	"fleet/schemas/sidecar"
)

// Variable names the folder of a unit's credentials, systemd.exec(5).
const Variable = "CREDENTIALS_DIRECTORY"

// maxValue bounds a value: a key with its chain of certificates. systemd takes at most 1 MiB for all of a unit.
const maxValue = 256 << 10

// previous ends the name of the credential with the value before, while the grace of a rotation runs.
const previous = ".previous"

// Set are the values of a tool's secrets.
type Set struct {
	Dir      string
	values   map[string][]byte
	previous []scrub.Value
}

// Load reads the value of each secret from dir. One that is missing, empty, too short to be told from other text, or not
// fit for its place is an error that tells the remedy.
func Load(dir string, secrets []sidecar.Secret) (*Set, error) {
	s := &Set{Dir: dir, values: map[string][]byte{}}
	if len(secrets) == 0 {
		return s, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("no credentials: $%s must name their folder: %w", Variable, err)
	}
	defer root.Close()
	var errs []error
	for i := range secrets {
		errs = append(errs, s.load(root, &secrets[i]))
	}
	return s, errors.Join(errs...)
}

func (s *Set) load(root *os.Root, secret *sidecar.Secret) error {
	name := secret.Name
	value, err := read(root, name)
	if err == nil {
		err = fit(secret, value)
	}
	if err != nil {
		return fmt.Errorf("secret %s: %w; set it with: sudo fleet secret set %s", name, err, name)
	}
	s.values[name] = value
	old, err := read(root, name+previous)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("secret %s, the value before: %w", name, err)
	}
	if len(old) > 0 {
		s.previous = append(s.previous, scrub.Value{Name: name, Value: old})
	}
	return nil
}

func read(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("is missing: %w", fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("must be a file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if len(b) > maxValue {
		return nil, fmt.Errorf("must have at most %d bytes", maxValue)
	}
	return b, nil
}

// fit tells whether a value can stand where the secret's place is.
func fit(secret *sidecar.Secret, value []byte) error {
	text := trim(value)
	if len(text) < scrub.MinValue {
		return fmt.Errorf("must have at least %d bytes", scrub.MinValue)
	}
	switch {
	case secret.Env != "" && (bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text)):
		return errors.New("must be text without NUL to be a variable")
	case (secret.Bearer || secret.Header != "") && bytes.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }):
		return errors.New("must be printable ASCII without spaces to be in a field")
	}
	return nil
}

// trim takes the end of the last line off, which editors and echo add.
func trim(value []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
}

// Text is the value of a secret without the end of its last line.
func (s *Set) Text(name string) string { return string(trim(s.values[name])) }

// Scrubber replaces the values, and those before them.
func (s *Set) Scrubber() *scrub.Scrubber {
	all := s.previous
	for name, value := range s.values {
		all = append(all, scrub.Value{Name: name, Value: value})
	}
	return scrub.New(all)
}
