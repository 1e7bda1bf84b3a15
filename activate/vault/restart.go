package vault

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
)

// Done is what became of the units that use a changed secret.
type Done struct {
	Restarted []string `json:"restarted"` // units
	Stopped   []string `json:"stopped,omitempty"`
	Waiting   []string `json:"waiting"` // keys of agents that get the value at the next start of their session
}

// Spread makes units have what the vault has now: those that run are restarted as one set, or stopped where kind is
// systemd.Stop since the value is gone. An agent itself is left alone, whose session would be lost. A unit that does not
// come up again is an error.
func Spread(
	ctx context.Context, sd *systemd.Manager, fx system.Effects, uses []Use, kind string, limit time.Duration,
) (Done, error) {
	done := Done{Restarted: []string{}, Waiting: []string{}}
	var names, templates []string
	for _, u := range uses {
		switch {
		case u.Disposition == Expose:
			done.Waiting = append(done.Waiting, u.Agent)
		case unitfile.IsTemplate(u.Unit):
			templates = append(templates, u.Unit)
		default:
			names = append(names, u.Unit)
		}
	}
	slices.Sort(done.Waiting)
	done.Waiting = slices.Compact(done.Waiting)
	if len(names)+len(templates) == 0 {
		return done, nil
	}
	units, err := sd.Units(ctx, names, templates...)
	if err != nil {
		return done, err
	}
	var faults []string
	for _, res := range sd.Jobs(ctx, fx, jobs(units, kind), limit, nil) {
		switch {
		case !res.OK():
			faults = append(faults, sd.Explain(ctx, res))
		case kind == systemd.Stop:
			done.Stopped = append(done.Stopped, res.Unit)
		default:
			done.Restarted = append(done.Restarted, res.Unit)
		}
	}
	if len(faults) > 0 {
		return done, errors.New(strings.Join(faults, "\n"))
	}
	return done, nil
}

// jobs returns one for each unit that is up, or would be had it not failed. One that was not needed so far reads the
// value when it is.
func jobs(units map[string]systemd.Unit, kind string) []systemd.Job {
	var out []systemd.Job
	for name, u := range units {
		if u.Running() || u.ActiveState == "failed" && kind != systemd.Stop {
			out = append(out, systemd.Job{Unit: name, Kind: kind})
		}
	}
	slices.SortFunc(out, func(a, b systemd.Job) int { return strings.Compare(a.Unit, b.Unit) })
	return out
}
