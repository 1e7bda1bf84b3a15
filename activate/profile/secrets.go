package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fleet/activate/safefile"
)

// Secrets is the folder of the project's vault. It outlasts the project's other files: values cannot be built again.
func (l Layout) Secrets() string { return filepath.Join(l.State(), "secrets") }

// Secret is the file of an encrypted value.
func (l Layout) Secret(name string) string { return filepath.Join(l.Secrets(), name) }

// HostKey is the host's own age identity, encrypted, of all projects. No project has a dash in its name.
func (l Layout) HostKey() string { return l.at("/var/lib/fleet/host-key") }

// PrepareSecrets makes the vault's folder, also before the first switch.
func (p *Profile) PrepareSecrets() error {
	if err := p.prepareLib(); err != nil {
		return err
	}
	if err := p.mkdir(p.State(), 0o755); err != nil {
		return err
	}
	if err := p.mkdir(p.Secrets(), 0o700); err != nil {
		return err
	}
	return p.SecretsPrivate()
}

// PrepareHostKey makes the folder of the host's key, and that of the lock for making it.
func (p *Profile) PrepareHostKey() error {
	if err := p.mkdir(p.at("/run/fleet"), 0o755); err != nil {
		return err
	}
	return p.prepareLib()
}

func (p *Profile) prepareLib() error { return p.mkdir(p.at("/var/lib/fleet"), 0o755) }

// SecretsPrivate refuses a vault that somebody else than root can look into, or that is no folder at all.
func (p *Profile) SecretsPrivate() error {
	st, err := os.Lstat(p.Secrets())
	if err != nil {
		return err
	}
	if !st.IsDir() || owner(st) != self() || st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s must be a folder of root's with mode 0700, is %s\n"+
			"  hint: find out who changed it; the values in it may be known", p.Secrets(), st.Mode())
	}
	return nil
}

// Vaults returns the names of all projects that have a vault on the host, sorted: also of those that are no longer
// installed.
func (l Layout) Vaults() ([]string, error) {
	entries, err := os.ReadDir(l.at("/var/lib/fleet"))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var out []string
	for _, e := range entries {
		st, err := os.Lstat(Layout{Project: e.Name(), Root: l.Root}.Secrets())
		if err == nil && st.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// removeState removes the project's persistent folder, a vault that holds something only where purge says so.
func (p *Profile) removeState(purge bool) error {
	if purge || !p.holdsSecrets() {
		return p.removeFolder(p.State())
	}
	entries, err := os.ReadDir(p.State())
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		if path := filepath.Join(p.State(), e.Name()); path != p.Secrets() {
			if err := p.removeFolder(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// holdsSecrets reports whether values are in the vault. What begins with a dot is no value.
func (p *Profile) holdsSecrets() bool {
	entries, err := os.ReadDir(p.Secrets())
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), ".") })
}

// PurgeSecrets removes a vault that outlasted its project, and what only it kept.
func (p *Profile) PurgeSecrets() error {
	if err := p.removeFolder(p.State()); err != nil {
		return err
	}
	return p.removeEmpty(true)
}

// removeHostKey removes the host's key where nothing else of fleet's is left that could need it.
func (p *Profile) removeHostKey() error {
	entries, err := os.ReadDir(filepath.Dir(p.HostKey()))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		if path := filepath.Join(filepath.Dir(p.HostKey()), e.Name()); path != p.HostKey() && path != p.Store() {
			return nil
		}
	}
	return safefile.Remove(p.fx, p.HostKey())
}
