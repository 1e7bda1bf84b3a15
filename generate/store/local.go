package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// latestLink names the link to the newest generation in a generations folder.
const latestLink = "latest"

// writers bounds the files that are written at once; more only queue in the kernel.
const writers = 16

// Written tells what Write did.
type Written struct {
	Number  int         `json:"number"` // local to the folder
	ID      manifest.ID `json:"id"`
	Path    string      `json:"path"`
	Changed bool        `json:"changed"` // false: the newest generation has this content already
}

// Write puts the generation into dir as dir/N, N counting up, and points dir/latest at it. Content that is the newest
// already makes no new one. A generation appears whole or not at all: it is written beside and renamed.
func Write(dir string, s *Sealed) (Written, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Written{}, fmt.Errorf("make generations folder: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return Written{}, err
	}
	defer unlock()
	numbers, err := Numbers(dir)
	if err != nil {
		return Written{}, err
	}
	last := 0
	if len(numbers) > 0 {
		last = numbers[len(numbers)-1]
		path := filepath.Join(dir, strconv.Itoa(last))
		if m, err := manifest.Verify(path); err == nil && m.ID == s.Manifest.ID && same(path, s) {
			return Written{Number: last, ID: m.ID, Path: path}, link(dir, last)
		}
	}
	w := Written{Number: last + 1, ID: s.Manifest.ID, Path: filepath.Join(dir, strconv.Itoa(last+1)), Changed: true}
	if err := writeNew(dir, w.Path, s.Files); err != nil {
		return Written{}, err
	}
	return w, link(dir, w.Number)
}

// same reports whether the manifest on disk is byte for byte the sealed one: the id does not cover it.
func same(path string, s *Sealed) bool {
	have, err := os.ReadFile(filepath.Join(path, manifest.FileName))
	if err != nil {
		return false
	}
	i := slices.IndexFunc(s.Files, func(f artifact.File) bool { return f.Path == manifest.FileName })
	return string(have) == string(s.Files[i].Data)
}

func writeNew(dir, path string, files []artifact.File) error {
	tmp, err := os.MkdirTemp(dir, ".building-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // nothing is left to remove after the rename
	if err := writeTree(tmp, files); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil { //nolint:gosec // local folders are readable, and removable by their owner
		return err
	}
	return os.Rename(tmp, path)
}

// writeTree writes files below dir with exactly their modes, whatever the umask.
func writeTree(dir string, files []artifact.File) error {
	made := map[string]bool{dir: true}
	var g errgroup.Group
	g.SetLimit(writers)
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(string(f.Path)))
		if parent := filepath.Dir(path); !made[parent] {
			if err := makeFolders(dir, parent, made); err != nil {
				return err
			}
		}
		g.Go(func() error { return writeFile(path, f) })
	}
	return g.Wait()
}

func makeFolders(root, dir string, made map[string]bool) error {
	if made[dir] {
		return nil
	}
	if err := makeFolders(root, filepath.Dir(dir), made); err != nil {
		return err
	}
	made[dir] = true
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // the umask must not show in a generation
}

func writeFile(path string, f artifact.File) error {
	if f.Link != "" {
		return os.Symlink(f.Link, path)
	}
	h, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = h.Write(f.Data)
	return errors.Join(err, h.Chmod(f.Mode), h.Close())
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
	if left, err := filepath.Glob(filepath.Join(dir, ".building-*")); err == nil {
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
