package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// layer is one overlay of the machine's tree. Its upper layer is changed only before it is mounted. Paths in it begin
// with a slash and have no links.
type layer struct {
	at      string  // inside
	lower   string  // outside, "" where there is none
	dir     string  // holds upper and work
	flags   uintptr // of mount(2)
	changed bool    // the upper layer hides or adds something
}

func (l *layer) upper() string { return filepath.Join(l.dir, "upper") }
func (l *layer) work() string  { return filepath.Join(l.dir, "work") }

// prepare makes the folders that overlayfs wants.
func (l *layer) prepare() error {
	if err := os.Mkdir(l.work(), 0o700); err != nil {
		return err
	}
	if l.lower == "" {
		return os.Mkdir(l.upper(), 0o755)
	}
	return cloneDir(l.lower, l.upper())
}

// mount mounts the layer at an outside path.
func (l *layer) mount(at string) error {
	if l.lower != "" {
		return mountOverlay(at, l.lower, l.upper(), l.work(), l.flags)
	}
	if err := unix.Mount(l.upper(), at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", l.upper(), err)
	}
	if err := unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|l.flags, ""); err != nil {
		return fmt.Errorf("remount %s: %w", at, err)
	}
	return nil
}

// parents makes the folders above rel in the upper layer, as they are in the lower one: an upper folder's owner and
// mode are what the machine sees.
func (l *layer) parents(rel string) error {
	l.changed = true
	dir := filepath.Dir(rel)
	if dir == "/" {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(l.upper(), dir)); err == nil {
		return nil
	}
	if err := l.parents(dir); err != nil {
		return err
	}
	return cloneDir(filepath.Join(l.lower, dir), filepath.Join(l.upper(), dir))
}

// cloneDir makes an empty folder with the owner and the mode of another.
func cloneDir(from, to string) error {
	fi, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	st := fi.Sys().(*syscall.Stat_t)
	if err := os.Lchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Chmod(to, st.Mode&0o7777)
}

// empty hides what the lower layer has in the folder rel, which it must have.
func (l *layer) empty(rel string) error {
	if err := l.parents(rel); err != nil {
		return err
	}
	to := filepath.Join(l.upper(), rel)
	if err := cloneDir(filepath.Join(l.lower, rel), to); err != nil {
		return err
	}
	return unix.Setxattr(to, "trusted.overlay.opaque", []byte("y"), 0)
}

// remove hides what the lower layer has at rel, by a whiteout.
func (l *layer) remove(rel string) error {
	if err := l.parents(rel); err != nil {
		return err
	}
	return unix.Mknod(filepath.Join(l.upper(), rel), unix.S_IFCHR, 0)
}
