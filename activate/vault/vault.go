// Package vault keeps the values of a project's secrets on a host: one file each, encrypted by systemd-creds with the
// host's key and bound to the name, which units take with LoadCredentialEncrypted=. Nothing of ours keeps a value; one
// is in this process only while it is set, and never on a command line, in an environment, a log or an error.
package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"fleet/activate/profile"
	"fleet/activate/safefile"
	"fleet/activate/system"
	"fleet/schemas/policy"
	"fleet/schemas/report"
)

// Vault is that of one project. What changes it wants the project's lock held.
type Vault struct {
	*profile.Profile
	fx     system.Effects
	sealer Sealer
}

// Sealer encrypts and decrypts values, each bound to a name. Creds does it on a host.
type Sealer interface {
	Seal(ctx context.Context, name string, v Value) ([]byte, error)
	Open(ctx context.Context, name string, sealed []byte) (Value, error)
}

// New returns the vault of a project. It touches nothing.
func New(p *profile.Profile, fx system.Effects, s Sealer) *Vault {
	return &Vault{Profile: p, fx: fx, sealer: s}
}

// previousSuffix is of the file, and of the credential, that holds a value from before a rotation.
const previousSuffix = ".previous"

// Previous names what a rotation keeps of a secret.
func Previous(name string) string { return name + previousSuffix }

// maxSealed bounds an encrypted file: a third more for its letters, and what a TPM adds.
const maxSealed = MaxValue*2 + 64<<10

// Names returns the names of all values, sorted. A vault that is not there has none.
func (v *Vault) Names() ([]string, error) {
	entries, err := os.ReadDir(v.Secrets())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if policy.IsSecretName(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// Has reports whether there is a file of that name, a secret's or a previous one's.
func (v *Vault) Has(name string) bool {
	_, err := os.Lstat(v.Secret(name))
	return err == nil
}

// Changed returns when the file was written last.
func (v *Vault) Changed(name string) (time.Time, error) {
	st, err := os.Lstat(v.Secret(name))
	if err != nil {
		return time.Time{}, err
	}
	return st.ModTime(), nil
}

// sealed reads an encrypted file. What others than root could have put there is refused.
func (v *Vault) sealed(name string) ([]byte, error) {
	if err := v.SecretsPrivate(); err != nil {
		return nil, err
	}
	dir, err := safefile.Open(v.Secrets())
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	st, err := dir.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.Mode.IsRegular() && st.Mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s must have mode 0600, has %04o\n  hint: find out who changed it, then chmod 600 it",
			v.Secret(name), st.Mode.Perm())
	}
	return dir.Read(name, maxSealed)
}

// Read returns a value, which is the caller's to wipe. Where there is none, the error is fs.ErrNotExist.
func (v *Vault) Read(ctx context.Context, name string) (Value, error) {
	sealed, err := v.sealed(name)
	if err != nil {
		return Value{}, err
	}
	return v.sealer.Open(ctx, name, sealed)
}

// seal encrypts a value and proves that this host can decrypt it.
func (v *Vault) seal(ctx context.Context, name string, value Value) ([]byte, error) {
	sealed, err := v.sealer.Seal(ctx, name, value)
	if err != nil {
		return nil, err
	}
	again, err := v.sealer.Open(ctx, name, sealed)
	if err != nil {
		return nil, fmt.Errorf("%s was encrypted and cannot be decrypted again: %w", name, err)
	}
	defer again.Wipe()
	if !again.Equal(value) {
		return nil, fmt.Errorf("%s was encrypted and comes out as something else: systemd-creds is at fault", name)
	}
	return sealed, nil
}

// write puts an encrypted file in place of what was there.
func (v *Vault) write(name string, sealed []byte) error {
	return safefile.Write(v.fx, v.Secret(name), sealed, 0o600)
}

// Entry is a value under its name.
type Entry struct {
	Name  string
	Value Value
}

// Put sets values and returns the names of those that were not there, or others, sorted. Everything that can fail for
// a value is done for all before the first file is written. The values stay the caller's to wipe.
func (v *Vault) Put(ctx context.Context, entries []Entry) ([]string, error) {
	if err := v.PrepareSecrets(); err != nil {
		return nil, err
	}
	sealed := map[string][]byte{}
	var changed []string
	for _, e := range entries {
		if same, err := v.holds(ctx, e); err != nil || same {
			if err != nil {
				return nil, err
			}
			continue
		}
		text, err := v.seal(ctx, e.Name, e.Value)
		if err != nil {
			return nil, fmt.Errorf("encrypt %s: %w", e.Name, err)
		}
		sealed[e.Name] = text
		changed = append(changed, e.Name)
	}
	slices.Sort(changed)
	for i, name := range changed {
		if err := v.write(name, sealed[name]); err != nil {
			return changed[:i], err
		}
	}
	return changed, nil
}

// holds reports whether the vault has this value already. One that cannot be decrypted any more is another one.
func (v *Vault) holds(ctx context.Context, e Entry) (bool, error) {
	if !policy.IsSecretName(e.Name) {
		return false, fmt.Errorf("%q must be the name of a secret", e.Name)
	}
	have, err := v.Read(ctx, e.Name)
	if err != nil {
		return false, nil //nolint:nilerr // whatever is wrong with it, it is replaced
	}
	defer have.Wipe()
	return have.Equal(e.Value), nil
}

// Remove takes a value away, and what a rotation kept of it. What is not there is no error.
func (v *Vault) Remove(ctx context.Context, sd Manager, name string) error {
	if err := v.EndGrace(ctx, sd, name); err != nil {
		return err
	}
	return safefile.Remove(v.fx, v.Secret(name))
}

// Verify reports every one of these secrets that is missing or that this host cannot decrypt.
func (v *Vault) Verify(ctx context.Context, names []string) report.Report {
	var r report.Report
	for _, name := range names {
		at, hint := "secrets."+name, "sudo fleet secret set "+name
		value, err := v.Read(ctx, name)
		value.Wipe()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			r.ErrorHint(at, "has no value on this host", hint)
		case err != nil:
			r.ErrorHint(at, "cannot be used: "+firstLine(err), hint)
		}
		if old := Previous(name); v.Has(old) && err == nil {
			value, err := v.Read(ctx, old)
			value.Wipe()
			if err != nil {
				r.ErrorHint(at, "its value from before the rotation cannot be used: "+firstLine(err),
					"sudo fleet secret rotate "+name+" --end")
			}
		}
	}
	return r
}
