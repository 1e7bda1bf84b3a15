// Package systemd speaks to PID 1, over its private socket so that no message bus is needed. Whatever changes the host
// passes system.Effects.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Manager is a connection to PID 1. It can be used by several goroutines.
type Manager struct {
	conn *dbus.Conn

	mu    sync.Mutex
	armed map[string]Deadman // those that this process armed
}

// Connect connects to PID 1, which only root may. The connection outlives ctx: a run that was interrupted needs it to
// undo what it did.
func Connect(ctx context.Context) (*Manager, error) {
	conn, err := dbus.NewSystemdConnectionContext(context.WithoutCancel(ctx))
	switch {
	case err != nil && !Booted():
		return nil, fmt.Errorf("systemd is not this host's PID 1: %w\n"+
			"  hint: fleet try runs the fleet in a throwaway machine", err)
	case err != nil:
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	return &Manager{conn: conn, armed: map[string]Deadman{}}, nil
}

// Booted reports whether systemd is PID 1, see sd_booted(3).
func Booted() bool {
	_, err := os.Lstat("/run/systemd/system")
	return err == nil
}

// Close ends the connection.
func (m *Manager) Close() { m.conn.Close() }

// Version returns systemd's major version, such as 252.
func (m *Manager) Version(context.Context) (int, error) {
	text, err := m.conn.GetManagerProperty("Version")
	if err != nil {
		return 0, fmt.Errorf("ask systemd for its version: %w", err)
	}
	n, err := majorVersion(text)
	if err != nil {
		return 0, fmt.Errorf("systemd's version %s: %w", text, err)
	}
	return n, nil
}

// majorVersion reads the first number of a text such as "252.39-1~deb12u2" in quotes, or "v257".
func majorVersion(text string) (int, error) {
	text = strings.TrimPrefix(strings.Trim(text, `"`), "v")
	digits := strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' })
	if digits < 0 {
		digits = len(text)
	}
	return strconv.Atoi(text[:digits])
}

// State returns what `systemctl is-system-running` does, such as "running" or "degraded".
func (m *Manager) State(ctx context.Context) (string, error) {
	p, err := m.conn.SystemStateContext(ctx)
	if err != nil {
		return "", fmt.Errorf("ask systemd for its state: %w", err)
	}
	return strings.Trim(p.Value.String(), `"`), nil
}

// Names of systemd's D-Bus errors, see sd-bus-errors(3) and org.freedesktop.systemd1(5).
const (
	errNoSuchUnit = "org.freedesktop.systemd1.NoSuchUnit"
	errUnitExists = "org.freedesktop.systemd1.UnitExists"
	errLimits     = "org.freedesktop.DBus.Error.LimitsExceeded"
)

// is reports whether err is the D-Bus error of that name.
func is(err error, name string) bool {
	var e godbus.Error
	return errors.As(err, &e) && e.Name == name
}
