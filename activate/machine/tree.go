package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// tree is the machine's file system, mounted in its namespace.
type tree struct {
	root   string   // where it is mounted
	lower  string   // Options.Root
	layers []*layer // in the order of mounting, the root first
	mounts []string // all mount points, in the order of mounting
}

// buildTree mounts it, on the machine's thread.
func buildTree(o Options, host []hostMount) (*tree, error) {
	lower, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, err
	}
	t := &tree{root: filepath.Join(base, "root"), lower: lower}
	if err := os.Mkdir(t.root, 0o755); err != nil {
		return t, err
	}
	steps := []func() error{
		func() error { return t.addLayers(o, host) },
		t.mask,
		func() error { return t.configure(o) },
		t.mountAll,
		func() error { return t.copyFiles(o.Files, host) },
		func() error { return t.setName(o.Name) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return t, err
		}
	}
	return t, nil
}

// addLayers plans a layer for the root, for each folder of the host that is mounted below it, and for each volume.
func (t *tree) addLayers(o Options, host []hostMount) error {
	if err := t.addLayer("/", Volume{}); err != nil {
		return err
	}
	for _, m := range host {
		if !m.dir || slices.ContainsFunc(o.Volumes, func(v Volume) bool { return v.Path == m.at }) {
			continue
		}
		if err := t.addLayer(m.at, Volume{}); err != nil {
			return err
		}
		if m.readOnly {
			t.layers[len(t.layers)-1].flags |= unix.MS_RDONLY
		}
	}
	for _, v := range o.Volumes {
		at, err := resolve(t.lower, v.Path)
		if err != nil {
			return err
		}
		if err := t.addLayer(at, v); err != nil {
			return err
		}
	}
	slices.SortStableFunc(t.layers, func(a, b *layer) int { return strings.Compare(a.at, b.at) })
	return nil
}

// addLayer prepares the folders that an overlay at the place needs.
func (t *tree) addLayer(at string, v Volume) error {
	l := &layer{at: at, lower: filepath.Join(t.lower, at), dir: filepath.Join(base, fmt.Sprint("layer", len(t.layers)))}
	if v.NoExec {
		l.flags = unix.MS_NOEXEC
	}
	t.layers = append(t.layers, l)
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		return err
	}
	if v.Size != "" || v.Inodes > 0 {
		t.mounts = append(t.mounts, l.dir)
		if err := mountTmpfs(l.dir, 0, v.Size, v.Inodes); err != nil {
			return err
		}
	}
	fi, err := os.Stat(l.lower)
	switch {
	case errors.Is(err, os.ErrNotExist):
		l.lower = "" // nothing is there: the volume is a folder of its own
	case err != nil:
		return err
	case !fi.IsDir():
		return fmt.Errorf("%s is no folder and cannot be a volume", l.lower)
	}
	return l.prepare()
}

// layerOf returns the layer that holds an absolute, resolved path, and the path in it.
func (t *tree) layerOf(path string) (*layer, string) {
	for i := len(t.layers) - 1; ; i-- {
		l := t.layers[i]
		if l.at == "/" || within(path, []string{l.at}) {
			rel, _ := filepath.Rel(l.at, path)
			return l, filepath.Join("/", rel)
		}
	}
}

// mask hides what the machine must not see: this host's own fleet, and its users' files. Logs of the host would be
// copied up by the journal, mounts and users' services would be started.
func (t *tree) mask() error {
	for _, p := range []string{
		"/etc/fleet", "/var/lib/fleet", "/var/lib/systemd/linger", "/etc/fstab", "/etc/crypttab",
	} {
		if err := t.hide(p, false); err != nil {
			return err
		}
	}
	for _, p := range []string{"/home", "/root", "/var/log/journal"} {
		if err := t.hide(p, true); err != nil {
			return err
		}
	}
	return nil
}

// hide removes what path leads to, or empties the folder.
func (t *tree) hide(path string, keepFolder bool) error {
	at, err := resolve(t.lower, path)
	if err != nil {
		return err
	}
	l, rel := t.layerOf(at)
	if rel == "/" {
		l.lower = "" // a volume of its own, which begins empty
		return nil
	}
	if l.lower == "" {
		return nil
	}
	fi, err := os.Lstat(filepath.Join(l.lower, rel))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case fi.IsDir() && keepFolder:
		return l.empty(rel)
	}
	return l.remove(rel)
}

// mountAll mounts the layers. What of the host cannot be the lower layer of an overlay is shown read-only.
func (t *tree) mountAll() error {
	for _, l := range t.layers {
		at, err := t.mountPoint(l.at)
		if err != nil {
			return err
		}
		err = l.mount(at)
		if err != nil && l.at != "/" && l.lower != "" && !l.changed {
			err = bindReadOnly(l.lower, at)
		}
		if err != nil {
			return err
		}
		t.mounts = append(t.mounts, at)
	}
	return nil
}

// mountPoint makes sure that a folder is at the resolved path, and returns its place outside.
func (t *tree) mountPoint(path string) (string, error) {
	at, err := resolve(t.root, path)
	if err != nil {
		return "", err
	}
	at = filepath.Join(t.root, at)
	return at, os.MkdirAll(at, 0o755)
}

// mountedFileMax leaves out what is too big for memory; what containers mount so, such as resolv.conf, is small.
const mountedFileMax = 1 << 20

// copyFiles copies the files of the options, and those of the host that are mounted one by one.
func (t *tree) copyFiles(files []File, host []hostMount) error {
	for _, m := range host {
		if !m.dir && m.size <= mountedFileMax {
			files = append(files, File{Outside: m.at, Inside: m.at})
		}
	}
	for _, f := range files {
		at, err := resolve(t.root, f.Inside)
		if err != nil {
			return err
		}
		if err := copyFile(f.Outside, filepath.Join(t.root, at)); err != nil {
			return err
		}
	}
	return nil
}

// setName gives the system its host name, which sudo and others look up.
func (t *tree) setName(name string) error {
	at, err := resolve(t.root, "/etc/hosts")
	if err != nil {
		return err
	}
	hosts, err := os.ReadFile(filepath.Join(t.root, at))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := t.write("/etc/hosts", string(hosts)+"\n127.0.1.1 "+name+"\n"); err != nil {
		return err
	}
	return t.write("/etc/hostname", name+"\n")
}

// write replaces a file of the mounted tree.
func (t *tree) write(path, text string) error {
	at, err := resolve(t.root, path)
	if err != nil {
		return err
	}
	to := filepath.Join(t.root, at)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, []byte(text), 0o644)
}

func copyFile(from, to string) error {
	fi, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return err
	}
	return os.Chmod(to, fi.Mode().Perm())
}

// unmount gives the memory back at once; the namespace's end would do it later.
func (t *tree) unmount() error {
	var errs []error
	for _, at := range slices.Backward(t.mounts) {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", at, err))
		}
	}
	return errors.Join(errs...)
}
