// Package scratch gives a person a folder for secret text that is in memory alone: for root one that no other process of
// the host has in sight and that is never in the swap, for others one of their own in a tmpfs.
package scratch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet/internal/caller"
)

// Dir is such a folder.
type Dir struct {
	path string
	who  caller.Person
	on   chan func() // calls of the thread that sees the folder; nil where every one does
}

// New makes a folder of the person's. It must be closed.
func New(who caller.Person) (*Dir, error) {
	if os.Geteuid() == 0 {
		d, err := hidden(who)
		if !errors.Is(err, unix.EPERM) { // as in a container without rights to mount
			return d, err
		}
	}
	for _, base := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm"} {
		if base == "" || !inMemory(base) {
			continue
		}
		path, err := os.MkdirTemp(base, "fleet-edit-")
		if err != nil {
			continue
		}
		d := &Dir{path: path, who: who}
		if os.Geteuid() == 0 {
			if err := os.Chown(path, who.UID, who.GID); err != nil {
				return nil, errors.Join(err, d.Close())
			}
		}
		return d, nil
	}
	return nil, errors.New("neither XDG_RUNTIME_DIR nor /dev/shm is a folder in memory that this user can write")
}

func inMemory(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && (st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC)
}

// hidden mounts a ramfs, which is never written to the swap, in a mount namespace that one thread of this process has and
// that the programs inherit which it starts. It is gone with them, however they end.
func hidden(who caller.Person) (*Dir, error) {
	path, err := os.MkdirTemp("/run", "fleet-edit-") // the place alone; it stays empty
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, who: who, on: make(chan func())}
	ready := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine, and with it the namespace
		ready <- d.mount()
		for f := range d.on {
			f()
		}
	}()
	if err := <-ready; err != nil {
		return nil, errors.Join(fmt.Errorf("make a folder in memory: %w", err), d.Close())
	}
	return d, nil
}

func (d *Dir) mount() error {
	if err := os.Chmod(d.path, 0o755); err != nil { //nolint:gosec // empty; what is mounted on it is private
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("fleet", d.path, "ramfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return err
	}
	return os.Chown(d.path, d.who.UID, d.who.GID)
}

// do calls f where the folder is in sight.
func (d *Dir) do(f func() error) error {
	if d.on == nil {
		return f()
	}
	done := make(chan error, 1)
	d.on <- func() { done <- f() }
	return <-done
}

// Path returns the path of a file for the programs that Run starts.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Write makes a file of the person's.
func (d *Dir) Write(name string, text []byte) error {
	return d.do(func() error {
		f, err := os.OpenFile(d.Path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		if os.Geteuid() == 0 {
			err = errors.Join(err, f.Chown(d.who.UID, d.who.GID))
		}
		return errors.Join(err, f.Close())
	})
}

// Read returns at most limit bytes of a file that the person's programs may have replaced; it must still be a file.
func (d *Dir) Read(name string, limit int64) (text []byte, err error) {
	err = d.do(func() error {
		f, err := os.OpenFile(d.Path(name), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			return errors.Join(fmt.Errorf("%s is no file any more", d.Path(name)), err)
		}
		text, err = io.ReadAll(io.LimitReader(f, limit))
		return err
	})
	return text, err
}

// Command returns a program that runs as the person. It is to be started by Run.
func (d *Dir) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return d.who.Command(ctx, argv...)
}

// Run starts a program where the folder is in sight, and waits for its end.
func (d *Dir) Run(c *exec.Cmd) error {
	if err := d.do(c.Start); err != nil {
		return err
	}
	return c.Wait()
}

// Close removes the folder with all that is in it.
func (d *Dir) Close() error {
	if d.on == nil {
		return os.RemoveAll(d.path)
	}
	err := d.do(func() error {
		if err := unix.Unmount(d.path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
		return nil
	})
	close(d.on)
	return errors.Join(err, os.Remove(d.path))
}
