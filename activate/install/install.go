// Package install puts on a host what is the same for every generation: systemd's generator, the one line that lets
// sudo read the live generation's rules, and the script that undoes an unfinished switch.
package install

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fleet/activate/profile"
	"fleet/activate/safefile"
	"fleet/activate/system"
)

//go:embed generator.sh
var generator []byte

//go:embed revert.sh
var revert []byte

// generatorMark is in the second line of every version of the generator: a file without it is somebody else's.
const generatorMark = "# fleet's systemd generator"

// generatorName is the generator's name in one of systemd's folders.
const generatorName = "fleet"

// generatorDirs are systemd's folders for what an administrator installs, the one for packages without a distribution
// first. /etc may be mounted noexec where a confext is merged (systemd-confext(8)).
var generatorDirs = []string{"/usr/local/lib/systemd/system-generators", "/etc/systemd/system-generators"}

// hidingDirs come before generatorDirs in systemd's search: a file of the same name there would run instead.
var hidingDirs = []string{"/run/systemd/system-generators", "/etc/systemd/system-generators"}

// probeFlag makes the generator write probeUnit. No project's unit has a name without a dash after "fleet".
const (
	probeFlag = "/run/fleet/.probe"
	probeUnit = "fleetprobe.target"
)

// Reloader is systemd's manager, or a test's.
type Reloader interface {
	Reload(ctx context.Context, fx system.Effects) error
}

// Host installs the generator, if it is not there already, and proves that systemd runs it; then the project's line for
// sudo. What is there and right is not touched, and systemd is then not reloaded.
func Host(ctx context.Context, fx system.Effects, m Reloader, l profile.Layout) error {
	if err := installGenerator(ctx, fx, m, l); err != nil {
		return err
	}
	return sudoers(ctx, fx, l)
}

func installGenerator(ctx context.Context, fx system.Effects, m Reloader, l profile.Layout) error {
	if err := hidden(l); err != nil {
		return err
	}
	dirs, there := ours(l)
	if there && allCurrent(dirs) {
		return nil
	}
	var tried error
	for i, dir := range dirs {
		err := placeGenerator(fx, dir)
		if there && i < len(dirs)-1 {
			continue // one in each folder: each is brought up to date, and proved at the last
		}
		if err == nil {
			err = Probe(ctx, fx, m, l)
		}
		if err == nil {
			return nil
		}
		tried = errors.Join(tried, err, removeGenerator(fx, dir))
	}
	return fmt.Errorf("systemd's generator cannot be installed: %w", tried)
}

// ours returns the folders that hold a generator of fleet's, of whatever version, or where none does all that may hold
// one: an older version in one folder could hide a newer one in the other.
func ours(l profile.Layout) (dirs []string, there bool) {
	var all []string
	for _, dir := range generatorDirs {
		dir = filepath.Join(l.Root, dir)
		all = append(all, dir)
		if b, err := os.ReadFile(filepath.Join(dir, generatorName)); err == nil && bytes.Contains(b, []byte(generatorMark)) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		return all, false
	}
	return dirs, true
}

func allCurrent(dirs []string) bool {
	for _, dir := range dirs {
		if !current(filepath.Join(dir, generatorName)) {
			return false
		}
	}
	return true
}

// hidden refuses a file that systemd would run in place of the generator.
func hidden(l profile.Layout) error {
	for _, dir := range hidingDirs {
		path := filepath.Join(l.Root, dir, generatorName)
		if b, err := os.ReadFile(path); !errors.Is(err, fs.ErrNotExist) && !bytes.Contains(b, []byte(generatorMark)) {
			return fmt.Errorf("%s is not fleet's and hides fleet's generator: move it away", path)
		}
	}
	return nil
}

func current(path string) bool {
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() || st.Mode().Perm() != 0o755 {
		return false
	}
	b, err := os.ReadFile(path)
	return err == nil && bytes.Equal(b, generator)
}

func placeGenerator(fx system.Effects, dir string) error {
	if err := fx.Do("make "+dir, func() error { return os.MkdirAll(dir, 0o755) }); err != nil {
		return err
	}
	return safefile.Write(fx, filepath.Join(dir, generatorName), generator, 0o755)
}

// removeGenerator removes the generator from dir, and the folder if nothing else is in it.
func removeGenerator(fx system.Effects, dir string) error {
	path := filepath.Join(dir, generatorName)
	b, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(b, []byte(generatorMark)) {
		return nil
	}
	if err := safefile.Remove(fx, path); err != nil {
		return err
	}
	return removeEmpty(fx, dir)
}

// removeEmpty removes dir and the folders above it that hold nothing, up to the one that every host has.
func removeEmpty(fx system.Effects, dir string) error {
	ours := func() bool {
		return strings.HasSuffix(dir, "/system-generators") || strings.HasSuffix(dir, "/usr/local/lib/systemd")
	}
	for ; ours(); dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 0 {
			return nil
		}
		if err := fx.Do("remove "+dir, func() error { return os.Remove(dir) }); err != nil {
			return err
		}
	}
	return nil
}

// Probe proves that systemd runs the generator: with a flag raised, a reload must bring a unit. A generator that is
// missing, not executable or failing shows in no exit status.
func Probe(ctx context.Context, fx system.Effects, m Reloader, l profile.Layout) (err error) {
	flag := filepath.Join(l.Root, probeFlag)
	err = fx.Do("raise the generator's probe flag", func() error {
		if err := os.MkdirAll(filepath.Dir(flag), 0o755); err != nil {
			return err
		}
		return os.WriteFile(flag, nil, 0o600)
	})
	defer func() { err = errors.Join(err, lower(ctx, fx, m, flag)) }()
	if err != nil {
		return err
	}
	if err := m.Reload(ctx, fx); err != nil {
		return err
	}
	state, err := system.Output(ctx, "systemctl", "show", "--property=LoadState", "--value", probeUnit)
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(state); got != "loaded" {
		return fmt.Errorf("systemd does not run fleet's generator: %s is %s\n"+
			"  hint: see that %s is on a file system without noexec, and `journalctl -b _PID=1`",
			probeUnit, got, strings.Join(generatorDirs, " or "))
	}
	return nil
}

func lower(ctx context.Context, fx system.Effects, m Reloader, flag string) error {
	err := fx.Do("lower the generator's probe flag", func() error { return os.Remove(flag) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, m.Reload(ctx, fx))
}

// Remove takes the project's line for sudo away, and the generator if no other project is left on the host. Units must
// be stopped before; systemd forgets them at the next reload, which is the caller's.
func Remove(fx system.Effects, l profile.Layout) error {
	if err := removeSudoers(fx, l); err != nil {
		return err
	}
	projects, err := l.Projects()
	if err != nil {
		return err
	}
	for _, p := range projects {
		if p != l.Project {
			return nil
		}
	}
	for _, dir := range generatorDirs {
		if err := removeGenerator(fx, filepath.Join(l.Root, dir)); err != nil {
			return err
		}
	}
	return safefile.Remove(fx, filepath.Join(l.Root, probeFlag))
}

// Generator returns where the generator stands in its current form, "" if nowhere.
func Generator(l profile.Layout) string {
	for _, dir := range generatorDirs {
		if current(filepath.Join(l.Root, dir, generatorName)) {
			return filepath.Join(dir, generatorName)
		}
	}
	return ""
}

// Revert puts the script that undoes the switch nonce into its folder in /run and returns its path. It is run as
// `/bin/sh PATH NONCE`, since /run may be mounted noexec; its head says what it reads and how it ends.
func Revert(fx system.Effects, l profile.Layout, nonce string) (string, error) {
	path := l.Revert(nonce)
	if b, err := os.ReadFile(path); err == nil && bytes.Equal(b, revert) {
		return path, nil
	}
	if err := profile.New(l, fx).Prepare(); err != nil {
		return "", err
	}
	err := fx.Do("make the revert script's folder", func() error { return os.MkdirAll(filepath.Dir(path), 0o700) })
	if err != nil {
		return "", err
	}
	return path, safefile.Write(fx, path, revert, 0o500)
}
