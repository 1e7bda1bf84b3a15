package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"fleet/schemas/manifest"
)

// copyTree copies every listed file into the new folder tmp.
func (p *Profile) copyTree(src *os.File, tmp string, m *manifest.Manifest, text []byte) error {
	err := p.fx.Do("make incoming generation", func() error { return os.Mkdir(tmp, 0o700) })
	if err != nil {
		return err
	}
	c := copier{p: p, tmp: tmp, made: []string{tmp}, dirs: map[string]*os.File{".": src}}
	defer c.close()
	for _, f := range m.Files {
		from, err := c.folder(filepath.Dir(f.Path))
		if err != nil {
			return err
		}
		err = p.fx.Do("copy "+f.Path, func() error { return copyEntry(from, filepath.Join(tmp, f.Path), f) })
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return p.fx.Do("close incoming generation", func() error {
		err := writeNew(filepath.Join(tmp, manifest.FileName), bytes.NewReader(text), int64(len(text)), 0o444)
		for _, dir := range slices.Backward(c.made) {
			err = errors.Join(err, os.Chmod(dir, 0o555)) //nolint:gosec // a generation is readable
		}
		return err
	})
}

// copier knows which folders of the source are open and have a counterpart in tmp.
type copier struct {
	p    *Profile
	tmp  string
	dirs map[string]*os.File
	made []string
}

func (c *copier) folder(rel string) (*os.File, error) {
	if d, ok := c.dirs[rel]; ok {
		return d, nil
	}
	parent, err := c.folder(filepath.Dir(rel))
	if err != nil {
		return nil, err
	}
	d, err := openDir(int(parent.Fd()), filepath.Base(rel), filepath.Join(parent.Name(), filepath.Base(rel)))
	if err != nil {
		return nil, err
	}
	c.dirs[rel] = d
	path := filepath.Join(c.tmp, rel)
	c.made = append(c.made, path)
	return d, c.p.fx.Do("make folder "+rel, func() error { return os.Mkdir(path, 0o700) })
}

func (c *copier) close() {
	for rel, d := range c.dirs {
		if rel != "." {
			d.Close()
		}
	}
}

func copyEntry(from *os.File, to string, f manifest.File) error {
	if f.Mode == manifest.ModeLink {
		return os.Symlink(f.Link, to)
	}
	h, err := openFile(from, filepath.Base(f.Path))
	if err != nil {
		return err
	}
	defer h.Close()
	mode, err := strconv.ParseUint(f.Mode, 8, 32)
	if err != nil {
		return err
	}
	return writeNew(to, h, f.Size, fs.FileMode(mode))
}

// writeNew makes the file to of at most size bytes; a source that grows meanwhile is cut off and then refused by its
// hash.
func writeNew(to string, from io.Reader, size int64, mode fs.FileMode) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.LimitReader(from, size))
	return errors.Join(err, f.Chmod(mode), f.Close())
}
