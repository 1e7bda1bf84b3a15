package activate

import (
	"context"
	"fmt"
	"time"

	"fleet/activate/journal"
	"fleet/activate/safefile"
	"fleet/activate/systemd"
	"fleet/schemas/manifest"
)

// coarse is how far the time of a file may lie before that of its change: file systems ask a clock that ticks.
const coarse = 20 * time.Millisecond

// beats reports whether the agent's new instance has a heartbeat: one that has moved since P10 began, and not by the old
// instance before it ended. The agent's folder is its own, only the time stamp counts.
func (r *run) beats(ctx context.Context, a manifest.Agent) bool {
	at, ok := r.beat(a)
	if !ok || at.Equal(r.beatsBefore[a.Key]) {
		return false
	}
	u, err := r.host.Systemd.Unit(ctx, a.Unit)
	return err == nil && r.renewed(u) && !at.Before(u.MainStarted.Add(-coarse))
}

// renewed reports whether the unit runs as another instance than before this switch.
func (r *run) renewed(u systemd.Unit) bool {
	return u.Running() && u.InvocationID != "" && u.InvocationID != r.invocations[u.Name]
}

func (r *run) beat(a manifest.Agent) (at time.Time, ok bool) {
	d, err := safefile.Open(r.profile.AgentOwn(a.Key))
	if err != nil {
		return at, false
	}
	defer d.Close()
	info, err := d.Stat("beat")
	return info.ModTime, err == nil
}

// listen notes the heartbeats before anything is started.
func (r *run) listen() {
	r.beatsBefore = map[string]time.Time{}
	for _, a := range r.to.manifest.Agents {
		if at, ok := r.beat(a); ok {
			r.beatsBefore[a.Key] = at
		}
	}
}

// mute returns the agents that have given no sign of life at all. One that takes its heartbeat away, to hold up the
// switch by that, cannot take away what its runner said in the journal when it began. The error is of one that does not
// even run.
func (r *run) mute(ctx context.Context, silent []manifest.Agent) ([]manifest.Agent, error) {
	var out []manifest.Agent
	stopped := r.stopped()
	for _, a := range silent {
		u, err := r.host.Systemd.Unit(ctx, a.Unit)
		switch {
		case err != nil:
			return nil, err
		case stopped[a.Key]: // while the switch went on
			continue
		case !r.renewed(u):
			return nil, fmt.Errorf("%s was not started (%s)\n  hint: systemctl status %s tells why", a.Unit, u.ActiveState, a.Unit)
		}
		spoke, err := journal.Spoke(ctx, a.Unit, u.InvocationID)
		if err != nil {
			return nil, err
		}
		if !spoke {
			out = append(out, a)
		}
	}
	return out, nil
}
