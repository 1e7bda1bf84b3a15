package activate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fleet/activate/profile"
	"fleet/activate/safefile"
	"fleet/activate/system"
	"fleet/schemas/manifest"
)

// PlaceTool copies the running program to the store by its content and returns the copy's path, so that a switch goes
// on with it whatever happens to the original.
func PlaceTool(fx system.Effects, l profile.Layout) (string, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", err
	}
	defer self.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, self); err != nil {
		return "", err
	}
	path := filepath.Join(l.Store(), manifest.StoreName(hex.EncodeToString(sum.Sum(nil)), "fleet"))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(l.Store(), 0o755); err != nil {
		return "", err
	}
	return path, copyTool(fx, "/proc/self/exe", path, 0o555)
}

// copyTool makes to an executable copy of from, in place of what was there, unless it has that content already.
func copyTool(fx system.Effects, from, to string, mode fs.FileMode) error {
	if same, err := sameContent(from, to); err != nil || same {
		return err
	}
	return fx.Do("copy the tool to "+filepath.Dir(to), func() error {
		src, err := os.Open(from)
		if err != nil {
			return err
		}
		defer src.Close()
		tmp, err := os.OpenFile(to+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(tmp, src)
		err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
		if err != nil {
			return fmt.Errorf("copy the tool: %w", errors.Join(err, os.Remove(to+".new")))
		}
		return safefile.Rename(system.Real{}, to+".new", to)
	})
}

func sameContent(a, b string) (bool, error) {
	sumA, err := digest(a)
	if err != nil {
		return false, err
	}
	sumB, err := digest(b)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return sumA == sumB, err
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
