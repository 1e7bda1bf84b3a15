package activate

import (
	"context"
	"time"

	"fleet/activate/journal"
	"fleet/activate/safefile"
	"fleet/schemas/manifest"
)

// beats reports whether the agent's heartbeat has moved since P10 began. Its folder is its own: only the time stamp
// counts, and that it is another one, since clocks jump.
func (r *run) beats(a manifest.Agent) bool {
	at, ok := r.beat(a)
	return ok && !at.Equal(r.beatsBefore[a.Key])
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
// switch by that, cannot take away what its runner said in the journal when it began.
func (r *run) mute(ctx context.Context, silent []manifest.Agent) ([]manifest.Agent, error) {
	var out []manifest.Agent
	for _, a := range silent {
		spoke, err := journal.Spoke(ctx, a.Unit, r.launched)
		if err != nil {
			return nil, err
		}
		if !spoke {
			out = append(out, a)
		}
	}
	return out, nil
}
