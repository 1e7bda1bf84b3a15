package systemd

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"

	"fleet/activate/system"
)

// Ending is a service that was told to end at its boundary, so that systemd starts its new definition then.
type Ending struct {
	Name  string // of the transient unit that sees to it, NAME.service
	Unit  string
	With  []string      // units to restart once it has ended, since they cannot end by themselves
	Limit time.Duration // after which it is restarted though it has not ended: an agent may be unwilling
}

// endingScript waits for another instance of the unit, or for its end. Its arguments are the unit, the invocation that
// was told to end, the limit in seconds of the kernel's uptime, and the units to restart. It has no ${...}, which
// systemd would replace in an argument (systemd.service(5)).
const endingScript = `unit=$1 was=$2 end=$(($(cut -d. -f1 /proc/uptime) + $3))
shift 3
same() {
	[ "$(systemctl show --property=InvocationID --value -- "$unit")" = "$was" ] && systemctl is-active --quiet -- "$unit"
}
while same && [ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ]; do sleep 2; done
[ $# -eq 0 ] || systemctl restart -- "$@"
! same || systemctl restart -- "$unit"`

// SeeToEnding starts what brings an ending about. It runs on without the tool, and needs nothing that a boot takes away:
// after one the new definition runs anyway. One that is at work already for the same name is replaced. A unit that does
// not run needs none.
func (m *Manager) SeeToEnding(ctx context.Context, fx system.Effects, e Ending) error {
	if err := m.DropEnding(ctx, fx, e.Name); err != nil {
		return err
	}
	units, err := m.Units(ctx, []string{e.Unit})
	if err != nil {
		return err
	}
	u := units[e.Unit]
	if !u.Running() && len(e.With) == 0 {
		return nil
	}
	argv := append([]string{
		"/bin/sh", "-uc", endingScript, "ending", e.Unit, u.InvocationID,
		strconv.Itoa(int(e.Limit.Seconds())),
	}, e.With...)
	return m.startTransient(ctx, fx, e.Name+".service", []dbus.Property{
		dbus.PropDescription(fmt.Sprintf("fleet: %s ends at its boundary", e.Unit)), dbus.PropType("exec"),
		property("CollectMode", "inactive-or-failed"), property("ExecStart", []command{{argv[0], argv, false}}),
	}, []dbus.PropertyCollection{})
}

// DropEnding takes back what SeeToEnding started: its service goes on as it is. None at work is no error.
func (m *Manager) DropEnding(ctx context.Context, fx system.Effects, name string) error {
	if !m.Running(ctx, name+".service") {
		return nil
	}
	return m.job(ctx, fx, Job{name + ".service", Stop})
}
