package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// building begins the names of generations in the making.
const building = ".building-"

// Building is a generation in the making: a hidden folder beside the finished ones. It is an [artifact.Sink], so that a
// large generation is never in memory as a whole.
type Building struct {
	dir    string
	at     string          // where the files are; empty until something is put
	made   map[string]bool // folders
	unlock func()          // nil where it has ended, or has not begun
}

// NewBuilding returns a building in the generations folder dir. Nothing is touched before the first Put, which waits for
// other builds in dir to end.
func NewBuilding(dir string) *Building { return &Building{dir: dir} }

func (b *Building) begin() error {
	if b.at != "" {
		return nil
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return fmt.Errorf("make generations folder: %w", err)
	}
	unlock, err := lock(b.dir)
	if err != nil {
		return err
	}
	b.unlock = unlock
	if b.at, err = os.MkdirTemp(b.dir, building); err != nil {
		return err
	}
	b.made = map[string]bool{b.at: true}
	return os.Chmod(b.at, 0o755) //nolint:gosec // local folders are readable, and removable by their owner
}

func (b *Building) path(p artifact.Path) string {
	return filepath.Join(b.at, filepath.FromSlash(string(p)))
}

// Put writes a file with exactly its mode, whatever the umask.
func (b *Building) Put(f artifact.File) error {
	path, err := b.place(f.Path)
	if err != nil {
		return err
	}
	return writeFile(path, f)
}

// Stream is Put of a file whose content write writes.
func (b *Building) Stream(f artifact.File, write func(io.Writer) error) error {
	path, err := b.place(f.Path)
	if err != nil {
		return err
	}
	return writeContent(path, f.Mode, write)
}

// place returns where a file will be, in a folder that is there.
func (b *Building) place(p artifact.Path) (string, error) {
	if err := b.begin(); err != nil {
		return "", err
	}
	path := b.path(p)
	return path, makeFolders(filepath.Dir(path), b.made)
}

// Get returns what was put, also when it is committed.
func (b *Building) Get(p artifact.Path) ([]byte, error) { return os.ReadFile(b.path(p)) }

// Commit makes the sealed generation, whose files were all put, dir/N, N counting up, and points dir/latest at it. It
// appears whole or not at all. Content that is the newest already makes no new one. The building has ended then.
func (b *Building) Commit(s *Sealed) (Written, error) {
	defer b.Discard()
	numbers, err := Numbers(b.dir)
	if err != nil {
		return Written{}, err
	}
	last := 0
	if len(numbers) > 0 {
		last = numbers[len(numbers)-1]
		path := filepath.Join(b.dir, strconv.Itoa(last))
		if m, err := manifest.Verify(path); err == nil && m.ID == s.Manifest.ID && b.same(path) {
			b.Discard()
			b.at = path
			return Written{Number: last, ID: m.ID, Path: path}, link(b.dir, last)
		}
	}
	w := Written{Number: last + 1, ID: s.Manifest.ID, Path: filepath.Join(b.dir, strconv.Itoa(last+1)), Changed: true}
	if err := os.Rename(b.at, w.Path); err != nil {
		return Written{}, err
	}
	b.at = w.Path
	return w, link(b.dir, w.Number)
}

// same reports whether the manifest of a generation is byte for byte this one's: the id does not cover it.
func (b *Building) same(path string) bool {
	have, err := os.ReadFile(filepath.Join(path, manifest.FileName))
	if err != nil {
		return false
	}
	want, err := b.Get(manifest.FileName)
	return err == nil && bytes.Equal(have, want)
}

// Discard ends the building without a generation, where Commit did not end it. The next build goes on.
func (b *Building) Discard() {
	if b.unlock == nil {
		return
	}
	if strings.HasPrefix(filepath.Base(b.at), building) {
		os.RemoveAll(b.at)
	}
	b.unlock()
	b.unlock = nil
}

func makeFolders(dir string, made map[string]bool) error {
	if made[dir] {
		return nil
	}
	if err := makeFolders(filepath.Dir(dir), made); err != nil {
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
	return writeContent(path, f.Mode, func(w io.Writer) error {
		_, err := w.Write(f.Data)
		return err
	})
}

func writeContent(path string, mode fs.FileMode, write func(io.Writer) error) error {
	h, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(h), h.Chmod(mode), h.Close())
}
