package agents

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"fleet/schemas/manifest"
	"fleet/schemas/report"
	"fleet/schemas/session"
	"fleet/schemas/status"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// UnknownJob says that an agent has no schedule of this name.
type UnknownJob struct {
	Agent, Name string
	Have        []string
}

// Error lists what there is.
func (u *UnknownJob) Error() string {
	if len(u.Have) == 0 {
		return fmt.Sprintf("agent %s has no schedules", u.Agent)
	}
	return fmt.Sprintf("agent %s has no schedule %q\n  hint: it has: %s", u.Agent, u.Name, strings.Join(u.Have, ", "))
}

// Jobs returns the schedules of an agent, by name.
func (c Control) Jobs(ctx context.Context, a manifest.Agent) ([]status.Job, error) {
	records, err := c.Sessions(a.Key, math.MaxInt)
	if err != nil {
		c.Log("%s", report.Printable(err.Error())) // the agent's own fault: all else can still be told
	}
	out := []status.Job{}
	for _, service := range c.jobServices(a.Key) {
		name := strings.TrimSuffix(strings.TrimPrefix(service, c.jobPrefix(a.Key)), ".service")
		j := status.Job{Agent: a.Key, Name: name, Unit: service}
		units, err := c.Systemd.Units(ctx, []string{service})
		if err != nil {
			return nil, err
		}
		j.Running = units[service].Running()
		s, err := c.Systemd.Schedule(ctx, strings.TrimSuffix(service, ".service")+".timer")
		if err != nil {
			return nil, err
		}
		if a.Enabled && !c.IsStopped(a.Key) {
			j.Next = s.Next
		}
		j.Last = s.Last
		fromRecord(&j, records)
		out = append(out, j)
	}
	slices.SortFunc(out, func(a, b status.Job) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// fromRecord adds what the newest record of the job says.
func fromRecord(j *status.Job, records []session.Record) {
	for _, r := range records {
		if r.Kind == session.KindJob && r.Job == j.Name {
			j.Last, j.Result, j.TokensIn, j.TokensOut, j.Cost = r.Start, r.Result, r.TokensIn, r.TokensOut, r.CostUSD
			return
		}
	}
}

// Runs returns the last records of a job, newest first, at most most. A name that the agent has not is *UnknownJob.
func (f *Fleet) Runs(a manifest.Agent, name string, most int) ([]session.Record, error) {
	if _, err := f.JobUnit(a, name); err != nil {
		return nil, err
	}
	all, err := f.Sessions(a.Key, math.MaxInt)
	all = slices.DeleteFunc(all, func(r session.Record) bool { return r.Kind != session.KindJob || r.Job != name })
	return all[:min(most, len(all))], err
}

// JobUnit returns the service of a job, or *UnknownJob.
func (f *Fleet) JobUnit(a manifest.Agent, name string) (string, error) {
	service := f.jobPrefix(a.Key) + name + ".service"
	if all := f.jobServices(a.Key); !slices.Contains(all, service) {
		unknown := &UnknownJob{Agent: a.Key, Name: name}
		for _, s := range all {
			unknown.Have = append(unknown.Have, strings.TrimSuffix(strings.TrimPrefix(s, f.jobPrefix(a.Key)), ".service"))
		}
		return "", unknown
	}
	return service, nil
}

// Trigger starts a job now. With wait it returns when the job has ended, with its record where it left one.
func (c Control) Trigger(ctx context.Context, a manifest.Agent, name string, wait bool) (*session.Record, error) {
	service, err := c.JobUnit(a, name)
	if err != nil {
		return nil, err
	}
	if err := c.mayTrigger(ctx, a, service); err != nil {
		return nil, err
	}
	before := c.last(a, name)
	limit := noWait
	if wait {
		limit = longestJob
		c.Log("job %s of %s runs; Ctrl-C leaves it running", name, a.Key)
	}
	res := c.Systemd.StartAndWait(ctx, c.fx, service, limit)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("left; the job goes on\n  hint: sudo fleet jobs %s tells its result: %w", a.Key, ctx.Err())
	case !wait && res.Err == nil && res.Result == overdue:
		return nil, nil
	case !res.OK():
		return nil, fmt.Errorf("job %s of %s: %s", name, a.Key, c.Systemd.Explain(ctx, res))
	}
	if r := c.last(a, name); r != nil && (before == nil || r.N > before.N) {
		return r, nil
	}
	return nil, nil
}

const (
	// noWait is how long a job that nobody waits for may take to fail at once.
	noWait = time.Second
	// longestJob is more than the session limit of any job: the unit's own limit ends it.
	longestJob = 30 * 24 * time.Hour
	// overdue is the result of a job that goes on.
	overdue = "overdue"
)

// mayTrigger refuses what systemd would pass over in silence.
func (c Control) mayTrigger(ctx context.Context, a manifest.Agent, service string) error {
	var r report.Report
	if c.IsStopped(a.Key) {
		r.ErrorHint("agents."+a.Key, "is stopped, and so are its jobs", "sudo fleet start "+a.Key)
	}
	units, err := c.Systemd.Units(ctx, []string{service})
	if err != nil {
		return err
	}
	if units[service].Running() {
		r.ErrorHint("agents."+a.Key, "the job runs already", "sudo fleet logs "+a.Key+" --follow")
	}
	return r.Err()
}

// last returns the newest record of a job.
func (c Control) last(a manifest.Agent, name string) *session.Record {
	if runs, err := c.Runs(a, name, 1); err == nil && len(runs) > 0 {
		return &runs[0]
	}
	return nil
}
