package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"fleet/activate/safefile"
	"fleet/schemas/manifest"
)

// fillStore puts every file of the generation in dir, which is proved whole, into the store under its name there. A
// file that is there and is damaged is replaced by a rename, so that who has it open keeps what they have.
func (p *Profile) fillStore(dir string, m *manifest.Manifest) error {
	wrote := false
	for _, f := range m.Files {
		if f.Store == "" {
			continue
		}
		to := filepath.Join(p.Store(), f.Store)
		if sound(to, f) {
			continue
		}
		wrote = true
		if err := p.addToStore(filepath.Join(dir, f.Path), to, f); err != nil {
			return fmt.Errorf("store %s: %w", f.Store, err)
		}
	}
	if !wrote {
		return nil
	}
	return safefile.SyncFS(p.fx, p.Store())
}

// Refill puts back what the store lacks of generation n, which is proved whole, or has damaged.
func (p *Profile) Refill(n int) error {
	m, err := p.Read(n)
	if err != nil {
		return err
	}
	return p.fillStore(p.Generation(n), m)
}

func (p *Profile) addToStore(from, to string, f manifest.File) error {
	mode, err := strconv.ParseUint(f.Mode, 8, 32)
	if err != nil {
		return err
	}
	tmp := filepath.Join(p.Store(), storeTemp)
	err = p.fx.Do("write store "+f.Store, func() error {
		if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		h, err := os.Open(from)
		if err != nil {
			return err
		}
		defer h.Close()
		if err := writeNew(tmp, h, f.Size, fs.FileMode(mode)); err != nil {
			return err
		}
		if !sound(tmp, f) {
			return errors.New("reads back as something else: the disk is failing")
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(tmp)))
	}
	return p.fx.Do("rename store "+f.Store, func() error { return os.Rename(tmp, to) })
}

// storeTemp is the one file that is being written to the store; its lock allows one at a time.
const storeTemp = ".new"

// sound reports whether path is f as it must stand in the store: content, mode, owner.
func sound(path string, f manifest.File) bool {
	h, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer h.Close()
	st, err := h.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() != f.Size {
		return false
	}
	if manifest.Octal(st.Mode()) != f.Mode || owner(st) != self() {
		return false
	}
	sum := sha256.New()
	_, err = io.Copy(sum, io.LimitReader(h, f.Size))
	return err == nil && hex.EncodeToString(sum.Sum(nil)) == f.SHA256
}

// VerifyStore returns the names of the files of m that are missing from the store or damaged there.
func (p *Profile) VerifyStore(m *manifest.Manifest) []string {
	var out []string
	for _, f := range m.Files {
		if f.Store != "" && !sound(filepath.Join(p.Store(), f.Store), f) {
			out = append(out, f.Store)
		}
	}
	return out
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
