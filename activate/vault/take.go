package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"fleet/activate/safefile"
	"fleet/activate/vault/agefile"
	"fleet/activate/vault/dotenv"
	"fleet/schemas/policy"
	"fleet/schemas/report"
)

// AgeFile is a file of values that came with a spec.
type AgeFile struct {
	Path       string // for messages
	Text       []byte // encrypted
	Identities []age.Identity
	Wanted     []string // names of the secrets that the generation loads; others in the file stay there

	// Check refuses values before one is written; nil refuses none.
	Check func([]Entry) error
}

// Taken is what was brought into the vault.
type Taken struct {
	Changed []string // names whose value is another one now
	Missing []string // wanted names that are neither in the vault nor in the file
}

// TakeAge brings the values of an age file into the vault. A file is taken once: as long as it does not change, what is
// set by hand afterwards stays, and only values that the vault lacks are taken. Nothing is changed where the file cannot
// be read whole.
func (v *Vault) TakeAge(ctx context.Context, f AgeFile) (Taken, error) {
	sum := sha256.Sum256(f.Text)
	digest := hex.EncodeToString(sum[:])
	known := v.taken() == digest
	wanted := slices.DeleteFunc(slices.Clone(f.Wanted), func(name string) bool { return known && v.Has(name) })
	if known && len(wanted) == 0 {
		return Taken{}, nil
	}
	vars, err := readAge(f)
	if err != nil {
		return Taken{}, err
	}
	defer Wipe(vars)
	entries, err := Entries(f.Path, vars, func(name string) bool { return slices.Contains(wanted, name) })
	if err != nil {
		return Taken{}, err
	}
	if f.Check != nil {
		if err := f.Check(entries); err != nil {
			return Taken{}, err
		}
	}
	var t Taken
	if t.Changed, err = v.Put(ctx, entries); err != nil {
		return t, err
	}
	for _, name := range f.Wanted {
		if !v.Has(name) {
			t.Missing = append(t.Missing, name)
		}
	}
	return t, safefile.Write(v.fx, v.takenFile(), []byte(digest+"\n"), 0o600)
}

// takenFile holds the digest of the age file that was taken last. It is no secret's name.
func (v *Vault) takenFile() string { return filepath.Join(v.Secrets(), ".taken") }

func (v *Vault) taken() string {
	text, err := os.ReadFile(v.takenFile())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// readAge returns what stands in the file.
func readAge(f AgeFile) ([]dotenv.Var, error) {
	text, err := agefile.Decrypt(f.Text, f.Identities)
	if errors.Is(err, agefile.ErrNoIdentity) {
		return nil, fmt.Errorf("%s: %w\n  hint: put the line that sudo fleet host-key prints into the list beside it, "+
			"and run fleet secret edit --rekey where it can be decrypted", f.Path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	defer clear(text)
	vars, err := dotenv.Parse(text)
	if err != nil {
		Wipe(vars)
		return nil, located(f.Path, err)
	}
	return vars, nil
}

// located says in which file the faults of a report are.
func located(file string, err error) error {
	var refused *report.Err
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", file, err)
	}
	var r report.Report
	r.Merge(file, refused.Report)
	return r.Err()
}

// Entries makes values of variables, of those that take says. All that cannot be values are reported at once. The
// values share the variables' memory.
func Entries(file string, vars []dotenv.Var, take func(name string) bool) ([]Entry, error) {
	var out []Entry
	var r report.Report
	for _, one := range vars {
		at := fmt.Sprintf("line %d", one.Line)
		if !take(one.Name) {
			continue
		}
		if !policy.IsSecretName(one.Name) {
			r.Add(report.Entry{Where: file, Path: at, Message: one.Name + " is no name of a secret", Hint: NameRule})
			continue
		}
		value, err := NewValue(one.Value)
		var refused *report.Err
		if errors.As(err, &refused) {
			for _, e := range refused.Report.Entries {
				r.Add(report.Entry{Where: file, Path: at, Message: one.Name + ": " + e.Message, Hint: e.Hint})
			}
			continue
		}
		out = append(out, Entry{Name: one.Name, Value: value})
	}
	return out, r.Err()
}

// NameRule says what a secret may be called.
const NameRule = "1 to 64 upper-case letters, digits and underscores that begin with a letter, such as GITHUB_TOKEN"

// Wipe overwrites the values of variables.
func Wipe(vars []dotenv.Var) {
	for _, one := range vars {
		clear(one.Value)
	}
}
