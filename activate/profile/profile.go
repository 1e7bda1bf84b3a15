package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fleet/activate/safefile"
	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Profile is one project on a host. Its methods that change something want the project's lock held, see Lock.
type Profile struct {
	Layout
	fx system.Effects
}

// New returns the project's profile. It touches nothing.
func New(l Layout, fx system.Effects) *Profile { return &Profile{Layout: l, fx: fx} }

// Prepare makes the project's folders with their modes where they are missing.
func (p *Profile) Prepare() error {
	folders := []struct {
		path string
		mode fs.FileMode
	}{
		{p.at("/etc/fleet"), 0o755},
		{p.Dir(), 0o750},
		{p.Generations(), 0o750},
		{p.at("/var/lib/fleet"), 0o755},
		{p.Store(), 0o755},
		{p.State(), 0o755},
		{p.Txn(), 0o700},
		{p.at("/run/fleet"), 0o755},
		{p.Run(), 0o755},
		{p.RunningUnits(), 0o755},
		{filepath.Dir(p.RunTxn("x")), 0o700},
	}
	for _, f := range folders {
		if err := p.mkdir(f.path, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// mkdir makes one folder. One that is there must be a folder of root's: a link in its place would lead root elsewhere.
func (p *Profile) mkdir(path string, mode fs.FileMode) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p.fx.Do("make "+path, func() error {
			if err := os.Mkdir(path, mode); err != nil {
				return err
			}
			return os.Chmod(path, mode) // whatever the umask
		})
	}
	if err != nil {
		return err
	}
	if !st.IsDir() || owner(st) != self() || st.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s must be a folder that only root can write: move it away and try again", path)
	}
	return nil
}

// Numbers returns the numbers of the generations that the host holds, rising.
func (p *Profile) Numbers() ([]int, error) {
	entries, err := os.ReadDir(p.Generations())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, ok := number(e.Name()); ok && e.IsDir() {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Read returns the manifest of generation n. The files are not proved, see Verify.
func (p *Profile) Read(n int) (*manifest.Manifest, error) { return manifest.Read(p.Generation(n)) }

// Verify proves generation n whole, root's, and unwritable. What is at fault comes as a *report.Err with all of it.
func (p *Profile) Verify(n int) (*manifest.Manifest, error) { return Verify(p.Generation(n)) }

// Verify proves a generation's folder on a host: all that manifest.Verify proves, and that everything in it is root's
// with the modes of a host, folders 0555.
func Verify(dir string) (*manifest.Manifest, error) {
	m, err := manifest.Verify(dir)
	var r report.Report
	var refused *report.Err
	if errors.As(err, &refused) {
		r = refused.Report
	} else if err != nil {
		return nil, err
	}
	werr := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if owner(st) != self() {
			r.Add(report.Entry{Where: dir, Path: rel, Message: "must be owned by root"})
		}
		if d.IsDir() && st.Mode().Perm() != 0o555 {
			r.Add(report.Entry{Where: dir, Path: rel, Message: fmt.Sprintf("must have mode 0555, has %04o", st.Mode().Perm())})
		}
		return nil
	})
	if werr != nil {
		return m, werr
	}
	return m, r.Err()
}

// Clean removes what killed runs left behind: half-copied and half-removed generations, temporary files of the store.
func (p *Profile) Clean() error {
	entries, err := os.ReadDir(p.Generations())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if leftover(e.Name()) {
			if err := p.removeTree(filepath.Join(p.Generations(), e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeTree removes a folder of read-only folders, all of them root's: elsewhere a folder could turn into a link
// before its mode is changed.
func (p *Profile) removeTree(path string) error {
	return p.fx.Do("remove "+filepath.Dir(path)+"/"+stable(filepath.Base(path)), func() error {
		err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, 0o700) //nolint:gosec // root's, about to be removed
			}
			return err
		})
		return errors.Join(err, os.RemoveAll(path))
	})
}

// writeFile is safefile.Write with the profile's effects.
func (p *Profile) writeFile(path string, data []byte, mode fs.FileMode) error {
	return safefile.Write(p.fx, path, data, mode)
}
