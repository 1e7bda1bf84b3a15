package systemd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fleet/activate/journal"
	"fleet/activate/system"
	"fleet/schemas/report"
)

// The kinds of jobs.
const (
	Start   = "start"
	Stop    = "stop"
	Restart = "restart"
	Reload  = "reload"
)

// Job is one request to systemd.
type Job struct {
	Unit string
	Kind string
}

// JobResult is how a job ended.
type JobResult struct {
	Job
	Result string // of org.freedesktop.systemd1(5): done, failed, timeout, canceled, dependency, ...; or overdue
	Err    error  // the job was refused, such as for a masked unit
	Time   time.Duration
}

// overdue is the result of a job that is not over when its time is.
const overdue = "overdue"

// OK reports whether the job did what it was for.
func (r JobResult) OK() bool { return r.Err == nil && (r.Result == "done" || r.Result == "skipped") }

// Jobs queues all jobs, so that systemd orders them, and waits for each at most for limit. It calls progress at the end
// of each, one after the other, and returns the results in the order of the jobs. A job that is overdue is left queued.
func (m *Manager) Jobs(
	ctx context.Context, fx system.Effects, jobs []Job, limit time.Duration, progress func(JobResult),
) []JobResult {
	type ended struct {
		index  int
		result JobResult
	}
	results := make([]JobResult, len(jobs))
	ends := make(chan ended, len(jobs))
	for i, j := range jobs {
		began, signal := time.Now(), make(chan string, 1)
		err := fx.Do(j.Kind+" "+j.Unit, func() error { return m.queue(ctx, j, signal) })
		if err != nil {
			ends <- ended{i, JobResult{Job: j, Result: "refused", Err: err}}
			continue
		}
		go func() {
			result := m.await(ctx, j, signal, limit)
			ends <- ended{i, JobResult{Job: j, Result: result, Time: time.Since(began)}}
		}()
	}
	for range jobs {
		e := <-ends
		results[e.index] = e.result
		if progress != nil {
			progress(e.result)
		}
	}
	return results
}

func (m *Manager) queue(ctx context.Context, j Job, signal chan<- string) error {
	call := map[string]func(context.Context, string, string, chan<- string) (int, error){
		Start: m.conn.StartUnitContext, Stop: m.conn.StopUnitContext,
		Restart: m.conn.RestartUnitContext, Reload: m.conn.ReloadUnitContext,
	}[j.Kind]
	if call == nil {
		return fmt.Errorf("job %q of %s is none that systemd knows", j.Kind, j.Unit)
	}
	if _, err := call(ctx, j.Unit, "replace", signal); err != nil {
		return fmt.Errorf("%s %s: %w", j.Kind, j.Unit, err)
	}
	return nil
}

// A job is looked for whose end was not told: a signal is lost where PID 1 executes itself anew. On a host with much to
// do it is only late, so that it takes several looks to call it lost.
const (
	lookEvery = 2 * time.Second
	looks     = 3
)

// await returns a job's result.
func (m *Manager) await(ctx context.Context, j Job, signal <-chan string, limit time.Duration) string {
	end := time.NewTimer(limit)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for gone := 0; ; {
		select {
		case result := <-signal:
			return result
		case <-end.C:
			return overdue
		case <-ctx.Done():
			return overdue
		case <-look.C:
			state, known := m.jobless(ctx, j.Unit)
			if gone++; !known || len(signal) > 0 {
				gone = 0
			}
			if gone == looks {
				return concluded(j, state, m.oneshot(ctx, j.Unit))
			}
		}
	}
}

// jobless returns the unit's state where no job is queued for it.
func (m *Manager) jobless(ctx context.Context, name string) (string, bool) {
	list, err := m.conn.ListUnitsByNamesContext(ctx, []string{name})
	if err != nil || len(list) != 1 || list[0].JobId != 0 {
		return "", false
	}
	return list[0].ActiveState, true
}

// oneshot reports whether the unit is a service that may be over once it was started.
func (m *Manager) oneshot(ctx context.Context, name string) bool {
	if !strings.HasSuffix(name, ".service") {
		return false
	}
	p, err := m.conn.GetUnitTypePropertyContext(ctx, name, "Service", "Type")
	return err == nil && p.Value.Value() == "oneshot"
}

// concluded tells from a unit's state how a job ended.
func concluded(j Job, state string, oneshot bool) string {
	up := state == "active" || state == "reloading" || oneshot && state == "inactive" && j.Kind != Reload
	if up && j.Kind != Stop || j.Kind == Stop && (state == "inactive" || state == "failed") {
		return "done"
	}
	return "failed"
}

// StartAndWait starts a unit and returns how that ended; of a oneshot service it is how its work ended.
func (m *Manager) StartAndWait(ctx context.Context, fx system.Effects, unit string, limit time.Duration) JobResult {
	return m.Jobs(ctx, fx, []Job{{unit, Start}}, limit, nil)[0]
}

// ResetFailed makes systemd forget a failure. A unit that it does not know has none.
func (m *Manager) ResetFailed(ctx context.Context, fx system.Effects, unit string) error {
	return fx.Do("reset-failed "+unit, func() error {
		err := m.conn.ResetFailedUnitContext(ctx, unit)
		if err != nil && !is(err, errNoSuchUnit) {
			return fmt.Errorf("reset-failed %s: %w", unit, err)
		}
		return nil
	})
}

// killWait is how long a killed unit may take to be gone: processes in the kernel end late.
const killWait = 10 * time.Second

// Stopping reports whether a unit is on its way down, by itself or in a restart.
func (m *Manager) Stopping(ctx context.Context, unit string) bool {
	units, err := m.Units(ctx, []string{unit})
	return err == nil && units[unit].ActiveState == deactivating
}

const deactivating = "deactivating"

// Kill ends all processes of a unit at once and waits until they are gone. Where a job stops the unit, that job ends
// then; where one restarts it, its new instance may be there already. A unit that does not run is no error.
func (m *Manager) Kill(ctx context.Context, fx system.Effects, unit string) error {
	stopping := m.Stopping(ctx, unit)
	err := fx.Do("kill "+unit, func() error {
		err := m.conn.KillUnitWithTarget(ctx, unit, "all", 9)
		if err != nil && !is(err, errNoSuchUnit) && m.Running(ctx, unit) {
			return fmt.Errorf("kill %s: %w", unit, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for end := time.Now().Add(killWait); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if !m.Running(ctx, unit) || stopping && !m.Stopping(ctx, unit) {
			return nil
		}
	}
	return fmt.Errorf("%s was killed and still runs after %s\n  hint: systemctl status %s", unit, killWait, unit)
}

// Explain says in words how a job ended, with the last lines of the unit's journal where it failed.
func (m *Manager) Explain(ctx context.Context, r JobResult) string {
	name := report.Printable(r.Unit)
	switch {
	case r.Err != nil:
		return report.Printable(r.Err.Error())
	case r.Result == overdue:
		return fmt.Sprintf("%s: %s is not over after %s%s", name, r.Kind, r.Time.Round(time.Second), m.LastLines(ctx, r.Unit))
	case r.OK():
		return fmt.Sprintf("%s: %s done", name, r.Kind)
	}
	why := r.Result
	if u, err := m.Unit(ctx, r.Unit); err == nil && u.Result != "" && u.Result != "success" {
		why += ", " + u.Result
		if u.ExecMainStatus != 0 {
			why += fmt.Sprintf(", status %d", u.ExecMainStatus)
		}
	}
	return fmt.Sprintf("%s: %s failed (%s)%s", name, r.Kind, why, m.LastLines(ctx, r.Unit))
}

const (
	lastLines     = 10
	lastLineLimit = 500 // characters
	journalTime   = 5 * time.Second
)

// LastLines returns the end of the unit's journal, each line on one of its own after a line break; "" where there is
// none. What units write is untrusted: lines are bounded and escaped.
func (m *Manager) LastLines(ctx context.Context, unit string) string {
	journal.Sync(ctx)
	ctx, cancel := context.WithTimeout(ctx, journalTime)
	defer cancel()
	entries, err := journal.Tail(ctx, unit, lastLines)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, e := range entries {
		line := []rune(e.Message)
		if len(line) > lastLineLimit {
			line = append(line[:lastLineLimit], []rune("...")...)
		}
		b.WriteString("\n  " + report.Printable(string(line)))
	}
	return b.String()
}
