package activate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"fleet/activate/plan"
	"fleet/activate/safefile"
	"fleet/activate/systemd"
	"fleet/schemas/manifest"
)

// startNew (P10) reloads, restarts and starts, and waits for what is on its way already.
func (r *run) startNew(ctx context.Context) error {
	for _, unit := range r.plan.Resets() {
		if err := r.host.Systemd.ResetFailed(ctx, r.host.Effects, unit); err != nil {
			return err
		}
	}
	if err := r.tell(ctx); err != nil {
		return err
	}
	r.launched = systemd.Uptime()
	r.listen()
	jobs := r.revived(r.plan.Jobs())
	results := r.do(ctx, append(jobs, r.waits()...))
	for _, res := range results[len(jobs):] {
		if !res.OK() { // it was on its way before, and is not what this switch changes
			r.host.Log("     %s", r.host.Systemd.Explain(ctx, res))
		}
	}
	if err := r.retry(ctx, results[:len(jobs)]); err != nil {
		return err
	}
	if err := r.host.Systemd.ReleaseTimers(ctx, r.host.Effects, r.plan.Holds()); err != nil {
		return err
	}
	return r.ask(ctx)
}

// waits asks again for what comes already: systemd makes it one job with the one that is under way.
func (r *run) waits() []plan.Job {
	var out []plan.Job
	for _, unit := range r.plan.Waits() {
		out = append(out, plan.Job{Unit: unit, Verb: systemd.Start})
	}
	return out
}

// retry kills the old instances that hold up their own restart and waits once more for the new ones; the error is of
// all that does not run then.
func (r *run) retry(ctx context.Context, results []systemd.JobResult) error {
	var failed []string
	var again []plan.Job
	for _, res := range results {
		if res.OK() {
			continue
		}
		why := r.host.Systemd.Explain(ctx, res)
		if r.host.Systemd.Stopping(ctx, res.Unit) && r.unwilling(ctx, []systemd.JobResult{res}) == nil {
			again = append(again, plan.Job{Unit: res.Unit, Verb: systemd.Start})
			continue
		}
		failed = append(failed, why)
	}
	if len(failed) > 0 || len(again) == 0 {
		return joined(failed)
	}
	if err := r.rearm(ctx); err != nil {
		return err
	}
	for _, res := range r.do(ctx, again) {
		if !res.OK() {
			failed = append(failed, r.host.Systemd.Explain(ctx, res))
		}
	}
	return joined(failed)
}

// endGrace is what an agent gets beyond its session to end at the boundary.
const endGrace = 10 * time.Minute

// tell raises the flags at which runners end at their boundary, when systemd starts the new units, and lowers those of
// an earlier switch that no longer hold.
func (r *run) tell(ctx context.Context) error {
	told := map[string]plan.Ending{}
	for _, e := range r.plan.Endings() {
		told[e.Agent] = e
	}
	for _, a := range r.to.manifest.Agents {
		e, graceful := told[a.Key]
		if !graceful {
			if err := r.untell(ctx, a.Key); err != nil {
				return err
			}
			continue
		}
		err := r.host.Systemd.SeeToEnding(ctx, r.host.Effects, systemd.Ending{
			Name: r.ending(a.Key), Unit: e.Unit, With: e.With, Limit: sessionOf(a) + endGrace,
		})
		if err != nil {
			return err
		}
		if err := safefile.Write(r.host.Effects, r.profile.EndFlag(a.Key), endFlag, 0o444); err != nil {
			return err
		}
	}
	return nil
}

// endFlag is what a switch writes into the flag; a person's wish for a restart says something else.
var endFlag = []byte("switch\n")

// ending has no dash before the project, so that it can never be the name of one of a project's units.
func (r *run) ending(agent string) string { return "fleetending-" + r.req.Project + "-" + agent }

func sessionOf(a manifest.Agent) time.Duration { return time.Duration(a.Session) * time.Second }

// untell lets an agent go on that an earlier switch told to end.
func (r *run) untell(ctx context.Context, agent string) error {
	flag := r.profile.EndFlag(agent)
	text, err := os.ReadFile(flag)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", flag, err)
	}
	if err := r.host.Systemd.DropEnding(ctx, r.host.Effects, r.ending(agent)); err != nil {
		return err
	}
	if !bytes.Equal(text, endFlag) {
		return nil
	}
	return safefile.Remove(r.host.Effects, flag)
}
