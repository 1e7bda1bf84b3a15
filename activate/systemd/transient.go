package systemd

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"fleet/activate/system"
)

// Detached is a program that runs as a unit of its own, so that no terminal, session or unit that it restarts takes it
// along.
type Detached struct {
	Unit        string // NAME.service
	Description string
	Argv        []string
	Output      string // file that gets its standard output and error, appended; "" is the journal
}

// command is D-Bus's form of a command line, a(sasb).
type command struct {
	Path          string
	Args          []string
	IgnoreFailure bool
}

// StartDetached starts the program and returns when it has been executed. The unit is gone when the program has ended,
// also where it failed.
func (m *Manager) StartDetached(ctx context.Context, fx system.Effects, d Detached) error {
	props := []dbus.Property{
		dbus.PropDescription(d.Description), dbus.PropType("exec"), property("CollectMode", "inactive-or-failed"),
		property("ExecStart", []command{{d.Argv[0], d.Argv, false}}),
	}
	if d.Output != "" {
		props = append(props, property("StandardOutputFileToAppend", d.Output),
			property("StandardErrorFileToAppend", d.Output))
	}
	return m.startTransient(ctx, fx, d.Unit, props, []dbus.PropertyCollection{})
}

// Deadman is a command that runs unless it is disarmed in time, and again until then.
type Deadman struct {
	Name  string // of its units NAME.timer and NAME.service
	After time.Duration
	Argv  []string
}

// plainWord matches arguments that come through a daemon-reload as they are. systemd writes transient units to files
// and escapes more there than it takes back when it reads them, a semicolon for one (seen on 252).
var plainWord = regexp.MustCompile(`^[A-Za-z0-9/._@:=+,-]+$`)

// deadmanAgain is how long after a run that did not disarm it the command runs again.
const deadmanAgain = 20 * time.Second

// ArmTimer arms the dead man. Time is monotonic: a clock that jumps moves nothing.
func (m *Manager) ArmTimer(ctx context.Context, fx system.Effects, d Deadman) error {
	for _, arg := range d.Argv {
		if !plainWord.MatchString(arg) {
			return fmt.Errorf("dead man's argument %q must be plain: systemd changes others when it reloads", arg)
		}
	}
	if err := m.arm(ctx, fx, d.Name, d, true); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed[d.Name] = d
	return nil
}

// arm makes NAME.timer and the service that it starts.
func (m *Manager) arm(ctx context.Context, fx system.Effects, name string, d Deadman, again bool) error {
	service := dbus.PropertyCollection{Name: name + ".service", Properties: []dbus.Property{
		dbus.PropDescription("fleet: way back from an unfinished switch"), dbus.PropType("oneshot"),
		property("ExecStart", []command{{d.Argv[0], d.Argv, false}}),
	}}
	times := []monotonic{{"OnActiveSec", uint64(d.After.Microseconds())}}
	if again {
		times = append(times, monotonic{"OnUnitInactiveSec", uint64(deadmanAgain.Microseconds())})
	}
	timer := []dbus.Property{
		dbus.PropDescription("fleet: dead man of a switch"), property("TimersMonotonic", times),
		property("AccuracyUSec", uint64(time.Second.Microseconds())), // else up to a minute late
		property("RemainAfterElapse", again),
	}
	return m.startTransient(ctx, fx, name+".timer", timer, []dbus.PropertyCollection{service})
}

// property returns a property of systemd's D-Bus interface, whose names are those of org.freedesktop.systemd1(5).
func property(name string, value any) dbus.Property {
	return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
}

// monotonic is D-Bus's form of a time that a timer waits, (st).
type monotonic struct {
	Base  string
	After uint64 // microseconds
}

// RearmTimer lets the time of a dead man begin anew that this process armed. At no moment is none armed: where the time
// differs, a second timer stands in while the first one is made again.
func (m *Manager) RearmTimer(ctx context.Context, fx system.Effects, name string, after time.Duration) error {
	m.mu.Lock()
	d, armed := m.armed[name]
	m.mu.Unlock()
	switch {
	case !armed:
		return fmt.Errorf("%s was not armed by this process", name)
	case d.After == after:
		return m.job(ctx, fx, Job{name + ".timer", Restart})
	}
	d.After = after
	if err := m.arm(ctx, fx, guard(name), d, false); err != nil {
		return err
	}
	if err := m.job(ctx, fx, Job{name + ".timer", Stop}); err != nil {
		return err
	}
	if err := m.ArmTimer(ctx, fx, d); err != nil {
		return err
	}
	return m.job(ctx, fx, Job{guard(name) + ".timer", Stop})
}

// guard names the units that stand in for a dead man.
func guard(name string) string { return name + "-guard" }

// DisarmTimer takes the dead man away, also where it is at work already: callers hold the project's lock, so that it
// waits. That there is none is no error.
func (m *Manager) DisarmTimer(ctx context.Context, fx system.Effects, name string) error {
	units := []string{name + ".timer", guard(name) + ".timer", name + ".service", guard(name) + ".service"}
	known, err := m.Units(ctx, units)
	if err != nil {
		return err
	}
	for _, unit := range units {
		if known[unit].Running() {
			if err := m.job(ctx, fx, Job{unit, Stop}); err != nil {
				return err
			}
		}
		if err := m.ResetFailed(ctx, fx, unit); err != nil {
			return err
		}
	}
	return nil
}

// shortJob bounds jobs on units of our own that have nothing to wait for.
const shortJob = 30 * time.Second

func (m *Manager) job(ctx context.Context, fx system.Effects, j Job) error {
	if r := m.Jobs(ctx, fx, []Job{j}, shortJob, nil)[0]; !r.OK() && !is(r.Err, errNoSuchUnit) {
		return fmt.Errorf("%s", m.Explain(ctx, r))
	}
	return nil
}

// collectTries is how often a transient unit is asked for again whose name systemd still holds: a unit that ended is
// forgotten a moment later.
const (
	collectTries = 40
	collectPause = 25 * time.Millisecond
)

func (m *Manager) startTransient(
	ctx context.Context, fx system.Effects, name string, props []dbus.Property, aux []dbus.PropertyCollection,
) error {
	signal := make(chan string, 1)
	err := fx.Do("start "+name, func() error {
		var err error
		for range collectTries {
			if _, err = m.conn.StartTransientUnitAux(ctx, name, "fail", props, aux, signal); !is(err, errUnitExists) {
				break
			}
			time.Sleep(collectPause)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	r := JobResult{Job: Job{name, Start}}
	if r.Result = m.await(ctx, r.Job, signal, shortJob); !r.OK() {
		return fmt.Errorf("%s", m.Explain(ctx, r))
	}
	return nil
}
