package systemd

import (
	"context"
	"fmt"
	"syscall"

	"github.com/coreos/go-systemd/v22/dbus"

	"fleet/activate/system"
)

// Signal sends a signal to the main process of a service. One that does not run is no error.
func (m *Manager) Signal(ctx context.Context, fx system.Effects, unit string, s syscall.Signal) error {
	return fx.Do(fmt.Sprintf("send %v to %s", s, unit), func() error {
		err := m.conn.KillUnitWithTarget(ctx, unit, dbus.Main, int32(s))
		if err != nil && !is(err, errNoSuchUnit) && m.Running(ctx, unit) {
			return fmt.Errorf("signal %s: %w", unit, err)
		}
		return nil
	})
}
