package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// systemDir is where the administrator's units are.
const systemDir = "/etc/systemd/system"

// kept are the vendor's services that a machine starts by itself. Without systemd-user-sessions nobody but root may
// log in.
var kept = []string{"dbus.service", "dbus-broker.service", "systemd-logind.service", "systemd-user-sessions.service"}

// configure chooses the services that the machine boots.
func (t *tree) configure(o Options) error {
	if !o.AllServices {
		if err := t.prune(); err != nil {
			return err
		}
	}
	if o.WithoutDBus {
		if err := t.maskUnits("dbus.service", "dbus.socket", "dbus-broker.service"); err != nil {
			return err
		}
	}
	if o.WithoutLogind {
		return t.maskUnits("systemd-logind.service")
	}
	return nil
}

// prune takes away what starts services: the links of those that are enabled, and the scripts of System V. The units
// stay, so that all that one of ours requires can be started.
func (t *tree) prune() error {
	for _, dir := range []string{"/usr/lib/systemd/system", "/lib/systemd/system", systemDir} {
		if err := t.pruneUnits(dir); err != nil {
			return err
		}
	}
	for level := range strings.SplitSeq("0123456S", "") {
		if err := t.hide("/etc/rc"+level+".d", true); err != nil {
			return err
		}
	}
	return nil
}

// pruneUnits empties the folders of dependencies. Of the vendor's, those that boot the system itself stay.
func (t *tree) pruneUnits(dir string) error {
	at, err := resolve(t.lower, dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(t.lower, at))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		ours := dir == systemDir && (strings.HasSuffix(name, ".wants") || strings.HasSuffix(name, ".requires"))
		vendors := name == "multi-user.target.wants" || name == "graphical.target.wants"
		if !e.IsDir() || !ours && !vendors {
			continue
		}
		if err := t.pruneDir(filepath.Join(at, name)); err != nil {
			return err
		}
	}
	return nil
}

// pruneDir empties one folder but for the links to what is kept.
func (t *tree) pruneDir(dir string) error {
	l, rel := t.layerOf(dir)
	up := filepath.Join(l.upper(), rel)
	if _, err := os.Lstat(up); err == nil {
		return nil // reached by another name before
	}
	if err := l.empty(rel); err != nil {
		return err
	}
	links, err := os.ReadDir(filepath.Join(l.lower, rel))
	if err != nil {
		return err
	}
	for _, e := range links {
		if !slices.Contains(kept, e.Name()) || e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := os.Readlink(filepath.Join(l.lower, rel, e.Name()))
		if err != nil {
			return err
		}
		if err := os.Symlink(target, filepath.Join(up, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// maskUnits masks units as systemctl does.
func (t *tree) maskUnits(names ...string) error {
	for _, n := range names {
		at, err := resolve(t.lower, systemDir)
		if err != nil {
			return err
		}
		l, rel := t.layerOf(filepath.Join(at, n))
		if err := l.parents(rel); err != nil {
			return err
		}
		if err := os.Symlink("/dev/null", filepath.Join(l.upper(), rel)); err != nil {
			return err
		}
	}
	return nil
}
