// Package vault reads the values of an agent's secrets, which systemd has decrypted into the folder of the gate's
// credentials, once at the gate's start. It says what is wrong with one, and never what one is.
package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"fleet/cmd/internal/credential"
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
	d, err := credential.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("the policy has secrets: %w", err)
	}
	defer d.Close()
	var faults []error
	read := map[string][]byte{}
	for _, s := range secrets {
		b, err := d.Read(s.Name, MaxValue)
		if err == nil && len(b) < MinValue {
			err = errShort
		}
		old, errOld := d.Previous(s.Name, MaxValue)
		if errOld == nil && old != nil && len(old) < MinValue {
			errOld = errShort
		}
		faults = append(faults, fault(s.Name, s.Name, err), fault(s.Name, s.Name+previous, errOld))
		read[s.Name], read[s.Name+previous] = b, old
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
	}
	return fmt.Errorf("secret %s: credential %s %w; sudo fleet secret set %s sets it anew", secret, credential, err, secret)
}

var errShort = fmt.Errorf("must have %d bytes at least, a newline at its end not counted", MinValue)

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
