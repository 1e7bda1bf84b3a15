// Package vault reads the values of an agent's secrets, which systemd has decrypted into the folder of the gate's
// credentials, once at the gate's start. It says what is wrong with one, and never what one is.
package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"fleet/activate/safefile"
	"fleet/schemas/policy"
)

// Bounds of a value, without the newline at its end. Shorter ones stand in other texts by chance.
const (
	MinValue = 8
	MaxValue = 64 << 10
)

// previous is what follows the name of the credential that holds the value before.
const previous = ".previous"

// Value is a value, which no text shows: package fmt goes behind a pointer at the outside alone.
type Value struct{ b *[]byte }

// Bytes is the value, empty where there is none. Nobody changes it.
func (v Value) Bytes() []byte {
	if v.b == nil {
		return nil
	}
	return *v.b
}

// Format writes what stands for a value in every text.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText is Format for encodings.
func (v Value) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// Vault holds values by name. It does not change.
type Vault struct {
	now, before map[string]Value
}

// Open reads the values of secrets from the folder of credentials. One that is missing, or cannot stand where the secret
// says, is an error: no agent has half of its secrets. All faults are reported.
func Open(dir string, secrets []policy.Secret) (*Vault, error) {
	v := &Vault{now: map[string]Value{}, before: map[string]Value{}}
	if len(secrets) == 0 {
		return v, nil
	}
	if dir == "" {
		return nil, errors.New("the policy has secrets and CREDENTIALS_DIRECTORY names no folder of them: the gate's unit must load them")
	}
	d, err := safefile.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of credentials: %w", err)
	}
	defer d.Close()
	var faults []error
	read := map[string][]byte{}
	for _, s := range secrets {
		for _, name := range []string{s.Name, s.Name + previous} {
			b, err := value(d, name)
			faults = append(faults, fault(s.Name, name, err))
			read[name] = b
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if err := v.keep(read); err != nil {
		return nil, err
	}
	return v, v.Check(secrets)
}

func fault(secret, credential string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("secret %s is missing; sudo fleet secret set %s sets it", secret, secret)
	case errors.Is(err, safefile.ErrTooLarge):
		err = errLong
	}
	return fmt.Errorf("secret %s: credential %s %w; sudo fleet secret set %s sets it anew", secret, credential, err, secret)
}

var (
	errShort = fmt.Errorf("must have %d bytes at least, a newline at its end not counted", MinValue)
	errLong  = fmt.Errorf("must have at most %d bytes", MaxValue)
)

// value reads a credential. The value before a rotation is empty or missing where none runs.
func value(d *safefile.Folder, name string) ([]byte, error) {
	b, err := d.Read(name, MaxValue+2)
	optional := len(name) > len(previous) && name[len(name)-len(previous):] == previous
	if optional && (errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b = chomp(b)
	switch {
	case len(b) < MinValue:
		return nil, errShort
	case len(b) > MaxValue:
		return nil, errLong
	}
	return b, nil
}

// chomp takes one newline off the end, which editors and echo leave there.
func chomp(b []byte) []byte {
	if n := len(b) - 1; n >= 0 && b[n] == '\n' {
		b = b[:n]
		if n > 0 && b[n-1] == '\r' {
			b = b[:n-1]
		}
	}
	return b
}

// Now is the value of a secret that Check has passed.
func (v *Vault) Now(secret string) Value { return v.now[secret] }

// Before is the value before a rotation; it is empty where there is none.
func (v *Vault) Before(secret string) Value { return v.before[secret] }

// Check tells whether there is a value for each of these secrets that can stand where it says. A policy that came later
// may list others.
func (v *Vault) Check(secrets []policy.Secret) error {
	var faults []error
	for i := range secrets {
		s := &secrets[i]
		b, ok := v.now[s.Name]
		if !ok {
			faults = append(faults, fmt.Errorf("secret %s was not there when the gate was started; a restart of the gate loads it", s.Name))
			continue
		}
		if err := fits(s, b.Bytes(), secrets); err != nil {
			faults = append(faults, fmt.Errorf("secret %s: the value %w; sudo fleet secret set %s sets another", s.Name, err, s.Name))
		}
	}
	return errors.Join(faults...)
}
