package systemd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Unit is what systemd knows of one unit. A unit that it does not know has LoadState "not-found".
type Unit struct {
	Name         string
	LoadState    string
	LoadError    string // why it could not be loaded
	ActiveState  string
	SubState     string
	Result       string // of a service, socket or timer that ended, such as "exit-code"
	Fragment     string // file that it is loaded from
	DropIns      []string
	NeedReload   bool
	Job          string // type of the job that is queued, "" for none
	InvocationID string // lower-case hex; "" where it has not run
	Ran          bool   // has been active since the boot, or tried to be

	// Of services alone, and read by Unit alone.
	MainPID        int
	MainStarted    time.Time // of the main process that ran last
	ControlGroup   string
	NRestarts      int // restarts by systemd itself since a person or a switch started it
	ExecMainStatus int
}

// Running reports whether processes of the unit may run.
func (u Unit) Running() bool {
	return slices.Contains([]string{"active", "activating", "reloading", "deactivating"}, u.ActiveState)
}

// Unit returns one unit, loading it where systemd has not.
func (m *Manager) Unit(ctx context.Context, name string) (Unit, error) {
	units, err := m.Units(ctx, []string{name})
	u := units[name]
	if err != nil || !strings.HasSuffix(name, ".service") || u.LoadState == notFound && u.ActiveState == "inactive" {
		return u, err
	}
	p, err := m.conn.GetUnitTypePropertiesContext(ctx, name, "Service")
	if err != nil {
		return u, fmt.Errorf("ask systemd for %s: %w", name, err)
	}
	u.Result = text(p, "Result")
	u.ControlGroup = text(p, "ControlGroup")
	u.MainPID = number(p, "MainPID")
	u.MainStarted = realtime(p["ExecMainStartTimestamp"])
	u.NRestarts = number(p, "NRestarts")
	u.ExecMainStatus = number(p, "ExecMainStatus")
	return u, nil
}

const notFound = "not-found"

// Units returns the named units, loading what is not loaded, and the loaded instances of templates, whose names end in
// "@" before their type.
func (m *Manager) Units(ctx context.Context, names []string, templates ...string) (map[string]Unit, error) {
	out := map[string]Unit{}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	list, err := m.conn.ListUnitsByNamesContext(ctx, names)
	if err != nil {
		return out, fmt.Errorf("list units: %w", err)
	}
	if len(templates) > 0 {
		instances, err := m.conn.ListUnitsByPatternsContext(ctx, nil, patterns(templates))
		if err != nil {
			return out, fmt.Errorf("list units: %w", err)
		}
		list = append(list, instances...)
	}
	for _, s := range list {
		u := Unit{Name: s.Name, LoadState: s.LoadState, ActiveState: s.ActiveState, SubState: s.SubState, Job: s.JobType}
		if u.LoadState != notFound || u.ActiveState != "inactive" {
			if err := m.fill(ctx, &u); err != nil {
				return out, err
			}
		}
		out[u.Name] = u
	}
	return out, nil
}

// patterns makes globs of template names. systemd takes a backslash in them as it is.
func patterns(templates []string) []string {
	var out []string
	for _, t := range templates {
		out = append(out, strings.Replace(t, "@.", "@*.", 1))
	}
	return out
}

// properties returns what is needed of a unit. All of a unit's properties, with its dependencies, take PID 1 longer than
// a few; but one that does not run is forgotten after each answer, and read from disk anew for the next question.
func (m *Manager) properties(ctx context.Context, u *Unit) (map[string]any, error) {
	if u.ActiveState == "inactive" {
		values, err := m.conn.GetUnitPropertiesContext(ctx, u.Name)
		if err != nil {
			err = fmt.Errorf("ask systemd for %s: %w", u.Name, err)
		}
		return values, err
	}
	values := map[string]any{}
	keys := []string{"FragmentPath", "DropInPaths", "NeedDaemonReload", "InvocationID"}
	if u.LoadState != "loaded" {
		keys = append(keys, "LoadError")
	}
	for _, key := range keys {
		p, err := m.conn.GetUnitPropertyContext(ctx, u.Name, key)
		if err != nil {
			return nil, fmt.Errorf("ask systemd for %s of %s: %w", key, u.Name, err)
		}
		values[key] = p.Value.Value()
	}
	return values, nil
}

func (m *Manager) fill(ctx context.Context, u *Unit) error {
	values, err := m.properties(ctx, u)
	if err != nil {
		return err
	}
	u.Fragment, u.LoadError = text(values, "FragmentPath"), loadError(values["LoadError"])
	u.DropIns, _ = values["DropInPaths"].([]string)
	u.NeedReload, _ = values["NeedDaemonReload"].(bool)
	u.Ran = u.ActiveState != "inactive" || number(values, "ActiveEnterTimestampMonotonic") > 0
	if id, _ := values["InvocationID"].([]byte); len(id) > 0 {
		u.InvocationID = fmt.Sprintf("%x", id)
	}
	if u.ActiveState == "failed" {
		return m.result(ctx, u)
	}
	return nil
}

// result reads why a unit failed. Kinds of units that have no result have none.
func (m *Manager) result(ctx context.Context, u *Unit) error {
	_, kind, _ := strings.Cut(u.Name[strings.LastIndex(u.Name, "."):], ".")
	if !slices.Contains([]string{"service", "socket", "timer", "mount", "path"}, kind) {
		return nil
	}
	p, err := m.conn.GetUnitTypePropertyContext(ctx, u.Name, strings.ToUpper(kind[:1])+kind[1:], "Result")
	if err != nil {
		return fmt.Errorf("ask systemd for %s: %w", u.Name, err)
	}
	u.Result, _ = p.Value.Value().(string)
	return nil
}

// loadError returns the message of a LoadError property, a pair of name and message.
func loadError(v any) string {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return ""
	}
	message, _ := pair[1].(string)
	return message
}

// Running reports whether processes of the unit may run. Where systemd does not answer it says no.
func (m *Manager) Running(ctx context.Context, name string) bool {
	units, err := m.Units(ctx, []string{name})
	return err == nil && units[name].Running()
}

func text(p map[string]any, key string) string {
	s, _ := p[key].(string)
	return s
}

// number returns a property of any of D-Bus's integer types.
func number(p map[string]any, key string) int {
	var n int64
	switch v := p[key].(type) {
	case int32:
		n = int64(v)
	case uint32:
		n = int64(v)
	case int64:
		n = v
	case uint64:
		n = int64(v)
	}
	return int(n)
}
