// Package credentials reads the secrets that systemd has decrypted for the sidecar's unit, LoadCredentialEncrypted= of
// systemd.exec(5). No error has a value in it.
package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"

	"fleet/cmd/fleet-sidecar/internal/scrub"
	"fleet/cmd/internal/credential"
	"fleet/schemas/sidecar"
)

// maxValue bounds a value: a key with its chain of certificates. systemd takes at most 1 MiB for all of a unit.
const maxValue = 256 << 10

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
	root, err := credential.Open(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var errs []error
	for i := range secrets {
		errs = append(errs, s.load(root, &secrets[i]))
	}
	return s, errors.Join(errs...)
}

func (s *Set) load(root *credential.Folder, secret *sidecar.Secret) error {
	name := secret.Name
	value, err := root.Read(name, maxValue)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("is missing: %w", fs.ErrNotExist)
	}
	if err == nil {
		err = fit(secret, value)
	}
	if err != nil {
		return fmt.Errorf("secret %s: %w; set it with: sudo fleet secret set %s", name, err, name)
	}
	s.values[name] = value
	old, err := root.Previous(name, maxValue)
	if err != nil {
		return fmt.Errorf("secret %s, the value before: %w", name, err)
	}
	if len(old) > 0 {
		s.previous = append(s.previous, scrub.Value{Name: name, Value: old})
	}
	return nil
}

// fit tells whether a value can stand where the secret's place is.
func fit(secret *sidecar.Secret, value []byte) error {
	text := value
	if len(text) < scrub.MinValue {
		return fmt.Errorf("must have at least %d bytes", scrub.MinValue)
	}
	switch {
	case secret.Env != "" && (bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text)):
		return errors.New("must be text without NUL to be a variable")
	case (secret.Bearer || secret.Header != "") && bytes.ContainsFunc(text, unprintable):
		return errors.New("must be printable ASCII without spaces to be in a field")
	}
	return nil
}

func unprintable(c rune) bool { return c <= ' ' || c > '~' }

// Text is the value of a secret without the end of its last line.
func (s *Set) Text(name string) string { return string(s.values[name]) }

// Scrubber replaces the values, and those before them.
func (s *Set) Scrubber() *scrub.Scrubber {
	all := s.previous
	for name, value := range s.values {
		all = append(all, scrub.Value{Name: name, Value: value})
	}
	return scrub.New(all)
}
