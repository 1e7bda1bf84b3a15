package profile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fleet/activate/safefile"
)

// Projects returns the names of all projects that have a folder on the host, sorted.
func (l Layout) Projects() ([]string, error) {
	entries, err := os.ReadDir(l.Etc())
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, nil
}

// Uninstall takes the project's folders and links away; its units must be stopped before. Links go first, so that a
// reboot in between finds no generation rather than half of one; a second call finishes what a killed one began. Files
// of the store that no other project needs go too, and with the last project every folder of fleet's. The vault, and the
// host's key, stay unless purge says otherwise.
func (p *Profile) Uninstall(purge bool) error {
	for _, path := range append([]string{filepath.Join(p.Run(), "active")}, p.bootPaths()...) {
		if err := safefile.Remove(p.fx, path); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(p.Dir()); err == nil {
		if err := p.removeTree(p.Dir()); err != nil {
			return err
		}
	}
	if err := p.removeState(purge); err != nil {
		return err
	}
	var got Collected
	if err := p.collectStore(GC{}, &got); err != nil {
		return err
	}
	if err := p.removeFolder(p.Run()); err != nil {
		return err
	}
	return p.removeEmpty(purge)
}

func (p *Profile) bootPaths() []string {
	var out []string
	for _, name := range bootLinks {
		out = append(out, filepath.Join(p.Dir(), name))
	}
	return out
}

// removeFolder removes a folder in which agents own folders. Nothing in it is followed or has its mode changed.
func (p *Profile) removeFolder(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return p.fx.Do("remove "+dir, func() error { return os.RemoveAll(dir) })
}

// removeEmpty removes the folders that all projects share, if this was the last one, and the lock files.
func (p *Profile) removeEmpty(purge bool) error {
	if others, err := p.Projects(); err != nil || len(others) > 0 {
		return err
	}
	if purge {
		if err := p.removeHostKey(); err != nil {
			return err
		}
	}
	for _, path := range []string{
		p.Store(), p.at("/var/lib/fleet"), p.Etc(), p.StoreLockFile(), p.LockFile(), p.at("/run/fleet"),
	} {
		err := p.fx.Do("remove "+path, func() error { return ignoreMissing(os.Remove(path)) })
		var perr *fs.PathError
		if err != nil && !(errors.As(err, &perr) && stays(perr.Err)) {
			return err
		}
	}
	return nil
}
