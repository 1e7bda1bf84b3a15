package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fleet/activate/system"
	"fleet/activate/unitfile"
)

// generatorDir is where systemd's generators put units, and where ours must be loaded from.
const generatorDir = "/run/systemd/generator"

// reloadTime bounds a daemon-reload: PID 1 gives generators 90 s, and waits for that.
const reloadTime = 120 * time.Second

// ErrRateLimited is what Reload's error is where systemd refuses one because there were too many.
var ErrRateLimited = errors.New("systemd refuses a reload so soon after others")

// Reload makes systemd read its units anew. That it succeeds says nothing of whether generators did: see VerifyLoaded.
func (m *Manager) Reload(ctx context.Context, fx system.Effects) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	return fx.Do("daemon-reload", func() error { return reloadError(m.conn.ReloadContext(ctx)) })
}

func reloadError(err error) error {
	switch {
	case err == nil:
		return nil
	case is(err, errLimits):
		return fmt.Errorf("daemon-reload: %w: %w", ErrRateLimited, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("daemon-reload is not over in time: %w\n  hint: a generator may hang, see journalctl -b -p err", err)
	}
	return fmt.Errorf("daemon-reload: %w", err)
}

// VerifyLoaded proves that systemd has loaded the units of a set, and that they are those of the generation: the exit
// status of a reload is 0 also where a generator failed and every unit is missing. A unit that the administrator masked
// or overrode is left to the plan, which reports it.
func (m *Manager) VerifyLoaded(ctx context.Context, set *unitfile.Set, anchor string, generation int) error {
	var err error
	for range verifyTries {
		if err = m.verifyLoaded(ctx, set, anchor, generation); err == nil {
			return nil
		}
		time.Sleep(verifyPause)
	}
	return err
}

// Somebody else's daemon-reload empties the folder for the time that generators take.
const (
	verifyTries = 4
	verifyPause = 250 * time.Millisecond
)

func (m *Manager) verifyLoaded(ctx context.Context, set *unitfile.Set, anchor string, generation int) error {
	units, err := m.Units(ctx, append(set.Names(), anchor))
	if err != nil {
		return err
	}
	var faults []error
	for _, name := range append(set.Names(), anchor) {
		faults = append(faults, checkLoaded(units[name]))
	}
	for _, name := range set.Templates() {
		if _, err := os.Lstat(filepath.Join(generatorDir, name)); err != nil {
			faults = append(faults, fmt.Errorf("%s is not there: %w", name, err))
		}
	}
	faults = append(faults, checkAnchor(units[anchor], generation))
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("systemd has not loaded generation %d:\n%w\n  hint: fleet doctor looks at the generator",
			generation, first(err, 10))
	}
	return nil
}

func checkLoaded(u Unit) error {
	switch u.LoadState {
	case "loaded", "masked":
		return nil
	case "":
		return errors.New("systemd does not speak of a unit that it was asked for")
	}
	return fmt.Errorf("%s is %s %s", u.Name, u.LoadState, u.LoadError)
}

// anchorLimit bounds the anchor's file; it has some dozen lines.
const anchorLimit = 64 << 10

// checkAnchor proves from the file that the anchor was loaded from which generation systemd took its units.
func checkAnchor(u Unit, generation int) error {
	if u.LoadState != "loaded" {
		return nil // said already
	}
	if u.Fragment != filepath.Join(generatorDir, u.Name) {
		return fmt.Errorf("%s is loaded from %s, not from %s\n  hint: remove what overrides it",
			u.Name, u.Fragment, generatorDir)
	}
	if u.NeedReload {
		return fmt.Errorf("%s changed since systemd read it", u.Name)
	}
	f, err := os.Open(u.Fragment)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, anchorLimit))
	if err != nil {
		return fmt.Errorf("read %s: %w", u.Fragment, err)
	}
	parsed, err := unitfile.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", u.Fragment, err)
	}
	if got := parsed.Last("Unit", "X-Fleet-Generation"); got != strconv.Itoa(generation) {
		return fmt.Errorf("%s says generation %q, not %d", u.Name, got, generation)
	}
	return nil
}

// first cuts a joined error to its first n lines.
func first(err error, n int) error {
	lines := strings.Split(err.Error(), "\n")
	if len(lines) <= n {
		return err
	}
	return fmt.Errorf("%s\nand %d more", strings.Join(lines[:n], "\n"), len(lines)-n)
}
