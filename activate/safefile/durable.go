package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fleet/activate/system"
)

// Writing so that a power cut leaves the old content or the new one takes three steps, each of which was seen to be
// needed on ext4, xfs and btrfs: the content on disk (fsync or one syncfs for many files), the rename, the folder on
// disk. Temporary names begin with a dot and are the same in every run, so that a killed run leaves nothing that the
// next one does not take over; the caller holds the lock that makes it the only writer.

// Write replaces path by data with mode, whatever the umask.
func Write(fx system.Effects, path string, data []byte, mode fs.FileMode) error {
	tmp := temporary(path)
	err := fx.Do("write "+path, func() error {
		if err := removeFile(tmp); err != nil {
			return err
		}
		f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	})
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), removeFile(tmp))
	}
	return Rename(fx, tmp, path)
}

// Link makes dir/name a symbolic link to target, in place of whatever link was there, by one rename.
func Link(fx system.Effects, dir, name, target string) error {
	path := filepath.Join(dir, name)
	tmp := temporary(path)
	err := fx.Do("prepare "+path+" -> "+target, func() error {
		if err := removeFile(tmp); err != nil {
			return err
		}
		return os.Symlink(target, tmp)
	})
	if err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	err = fx.Do("rename "+path+" -> "+target, func() error { return os.Rename(tmp, path) })
	if err != nil {
		return errors.Join(fmt.Errorf("link %s: %w", path, err), removeFile(tmp))
	}
	return SyncDir(fx, dir)
}

// Rename moves old to path in the same file system, in place of what was there, and puts the folder on disk.
func Rename(fx system.Effects, old, path string) error {
	if err := fx.Do("rename to "+path, func() error { return os.Rename(old, path) }); err != nil {
		return err
	}
	return SyncDir(fx, filepath.Dir(path))
}

// Remove removes the file or link at path, which may be missing, and puts the folder on disk.
func Remove(fx system.Effects, path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := fx.Do("remove "+path, func() error { return removeFile(path) }); err != nil {
		return err
	}
	return SyncDir(fx, filepath.Dir(path))
}

// SyncDir puts the names in dir on disk.
func SyncDir(fx system.Effects, dir string) error {
	return fx.Do("sync "+dir, func() error {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// SyncFS puts the whole file system of path on disk: cheaper than an fsync for each of many files, and the only thing
// that was seen to keep them whole over a power cut.
func SyncFS(fx system.Effects, path string) error {
	return fx.Do("sync the file system of "+path, func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.Syncfs(int(f.Fd()))
		if err != nil {
			err = fmt.Errorf("syncfs %s: %w", path, err)
		}
		return errors.Join(err, f.Close())
	})
}

func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
