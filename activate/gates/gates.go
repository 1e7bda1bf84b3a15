// Package gates acts on the gates of the live generation's agents and sidecars and reads what they tell: records, counts, metrics.
// A gate runs as a user of its own and what it says is bounded, read strictly and shown as printable text only; whose
// words they are is decided by the user who wrote them.
package gates

import (
	"context"
	"path/filepath"
	"time"

	"fleet/activate/agents"
	"fleet/activate/safefile"
	"fleet/activate/systemd"
	"fleet/schemas/egress"
	"fleet/schemas/manifest"
)

// answerTime is how long a gate may take to tell of itself. A person waits for it, and a cut must be done in a second.
const answerTime = 700 * time.Millisecond

// Service and Socket name the units of an agent's gate, Namespace and Journal the journal that the gates of a project
// write to, and its unit.
func Service(project, key string) string { return "fleet-" + project + "-" + key + "-gate.service" }
func Socket(project, key string) string  { return "fleet-" + project + "-" + key + "-gate.socket" }
func Namespace(project string) string    { return "fleet-" + project }
func Journal(project string) string      { return "systemd-journald@" + Namespace(project) + ".service" }

// UID returns the number of the user of an agent's gate, 0 where it has none.
func UID(m *manifest.Manifest, key string) int {
	for _, u := range m.Users {
		if u.Gate && u.Agent == key {
			return u.UID
		}
	}
	return 0
}

// Told is what a gate says of itself.
type Told struct {
	Status *egress.Status // nil where it does not run, or does not answer
	Counts *egress.Counts // as it kept them last, where it does not run; nil where it has none
}

// Day are the decisions of the last 24 hours.
func (t Told) Day(now time.Time) egress.Tally {
	switch {
	case t.Status != nil:
		return t.Status.Day
	case t.Counts != nil:
		return t.Counts.Last(now)
	}
	return egress.Tally{}
}

// Total are all decisions since the gate's state began.
func (t Told) Total() egress.Tally {
	switch {
	case t.Status != nil:
		return t.Status.Total
	case t.Counts != nil:
		return t.Counts.Total
	}
	return egress.Tally{}
}

// Ask asks the gate of an agent, running or not. The error says why one that runs tells nothing.
func Ask(ctx context.Context, f *agents.Fleet, key string, running bool) (Told, error) {
	if !running {
		return Told{Counts: counts(f, key)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	s, err := egress.Ask(ctx, f.GateControl(key))
	if err != nil {
		return Told{Counts: counts(f, key)}, err
	}
	return Told{Status: s}, nil
}

// counts reads what the gate has kept, nil where there is nothing that can be read.
func counts(f *agents.Fleet, key string) *egress.Counts {
	dir, err := safefile.Open(f.GateState(key))
	if err != nil {
		return nil
	}
	defer dir.Close()
	b, err := dir.Read(filepath.Base(egress.CountsFile), egress.MaxCounts)
	if err != nil {
		return nil
	}
	c, err := egress.ParseCounts(b)
	if err != nil {
		return nil
	}
	return c
}

// Running tells which of the gates run.
func Running(ctx context.Context, sd *systemd.Manager, project string, keys []string) (map[string]bool, error) {
	var names []string
	for _, key := range keys {
		names = append(names, Service(project, key))
	}
	units, err := sd.Units(ctx, names)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, key := range keys {
		out[key] = units[Service(project, key)].Running()
	}
	return out, nil
}
