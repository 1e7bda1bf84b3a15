package activate

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"fleet/activate/profile"
)

const (
	scratchName = ".fleet-dry-run-"
	// scratchAge is what a new folder gets to be locked before another dry run takes it for a leftover.
	scratchAge = time.Minute
)

// newScratch makes a folder for a dry run below dir, locked until release, and removes those that killed ones left there.
func newScratch(dir string) (path string, release func(), err error) {
	left, err := filepath.Glob(filepath.Join(dir, scratchName+"*"))
	if err != nil {
		return "", nil, err
	}
	for _, old := range left {
		info, err := os.Lstat(old)
		if err != nil || time.Since(info.ModTime()) < scratchAge {
			continue
		}
		if unlock, err := lockFolder(old); err == nil {
			err = os.RemoveAll(old)
			unlock()
			if err != nil {
				return "", nil, err
			}
		}
	}
	if path, err = os.MkdirTemp(dir, scratchName); err != nil {
		return "", nil, err
	}
	release, err = lockFolder(path)
	return path, release, err
}

func lockFolder(path string) (release func(), err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return func() { unix.Close(fd) }, nil
}

func removeScratch(dir string, copied *profile.Profile) error {
	return errors.Join(copied.Uninstall(true), os.RemoveAll(dir))
}
