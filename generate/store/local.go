package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"fleet/schemas/manifest"
)

// latestLink names the link to the newest generation in a generations folder.
const latestLink = "latest"

// Written tells what a build did.
type Written struct {
	Number  int         `json:"number"` // local to the folder
	ID      manifest.ID `json:"id"`
	Path    string      `json:"path"`
	Changed bool        `json:"changed"` // false: the newest generation has this content already
}

// Write puts a generation that is kept elsewhere into dir; see [Building].
func Write(dir string, s *Sealed) (Written, error) {
	b := NewBuilding(dir)
	defer b.Discard()
	for f, err := range s.Tree.All() {
		if err == nil {
			err = b.Put(f)
		}
		if err != nil {
			return Written{}, err
		}
	}
	return b.Commit(s)
}

func link(dir string, number int) error {
	target := strconv.Itoa(number)
	path := filepath.Join(dir, latestLink)
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	tmp := filepath.Join(dir, ".latest")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Numbers returns the numbers of the generations in dir, rising. A missing folder has none.
func Numbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && e.IsDir() && strconv.Itoa(n) == e.Name() {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Prune removes all but the newest keep generations of dir and what an interrupted build left, and returns the removed
// numbers.
func Prune(dir string, keep int) ([]int, error) {
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	numbers, err := Numbers(dir)
	if err != nil {
		return nil, err
	}
	if left, err := filepath.Glob(filepath.Join(dir, building+"*")); err == nil {
		for _, path := range left {
			if err := os.RemoveAll(path); err != nil {
				return nil, err
			}
		}
	}
	if len(numbers) <= keep {
		return nil, nil
	}
	gone := numbers[:len(numbers)-keep]
	for _, n := range gone {
		if err := os.RemoveAll(filepath.Join(dir, strconv.Itoa(n))); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// lock holds dir against other builds until the returned function is called.
func lock(dir string) (func(), error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // a lock, no content
	if err != nil {
		return nil, fmt.Errorf("lock generations folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock generations folder: %w", err)
	}
	return func() { f.Close() }, nil
}
