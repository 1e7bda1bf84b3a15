package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fleet/activate/system"
)

// A calendar timer that is started again fires at once if its schedule has elapsed since its last start, which for a
// daily job is nearly always so: systemd reckons from there and not from now (seen on 252). So a changed timer is
// started on a schedule that does not come, and gets its own back by another daemon-reload, which reckons from the new
// start.

// holdDir is where the drop-ins of held timers lie; a boot clears it.
const holdDir = "/run/systemd/system"

const holdName = "50-fleet-hold.conf"

// holdText clears all schedules (systemd.timer(5)) and sets one in ten years.
const holdText = "# Written by fleet for the time of a switch.\n[Timer]\nOnCalendar=\nOnActiveSec=3650d\n"

// HoldTimers lets stopped timers be started without firing. It is called before the daemon-reload that loads their new
// schedules, ReleaseTimers after they were started.
func (m *Manager) HoldTimers(fx system.Effects, timers []string) error {
	for _, t := range timers {
		err := fx.Do("hold "+t, func() error {
			dir := filepath.Join(holdDir, t+".d")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, holdName), []byte(holdText), 0o644)
		})
		if err != nil {
			return fmt.Errorf("hold %s: %w", t, err)
		}
		if err := m.touchStamp(fx, t); err != nil {
			return err
		}
	}
	return nil
}

// ReleaseTimers gives held timers their schedules. Timers that are not held are no error; where none is, nothing is
// done.
func (m *Manager) ReleaseTimers(ctx context.Context, fx system.Effects, timers []string) error {
	held := false
	for _, t := range timers {
		path := filepath.Join(holdDir, t+".d", holdName)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		held = true
		err := fx.Do("release "+t, func() error {
			if err := os.Remove(path); err != nil {
				return err
			}
			os.Remove(filepath.Dir(path)) //nolint:errcheck // somebody else's drop-ins may be in it
			return nil
		})
		if err != nil {
			return fmt.Errorf("release %s: %w", t, err)
		}
	}
	if !held {
		return nil
	}
	return m.Reload(ctx, fx)
}

// stampDir is where systemd keeps when a timer with Persistent=yes ran last (systemd.timer(5)).
const stampDir = "/var/lib/systemd/timers"

// touchStamp makes a persistent timer reckon from now too. A timer that is not persistent has no stamp.
func (m *Manager) touchStamp(fx system.Effects, timer string) error {
	return fx.Do("touch stamp of "+timer, func() error {
		now := time.Now()
		err := os.Chtimes(filepath.Join(stampDir, "stamp-"+timer), now, now)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}
