package agents

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fleet/activate/safefile"
	"fleet/activate/systemd"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
	"fleet/schemas/session"
)

// Control starts and stops agents.
type Control struct {
	*Fleet
	Systemd *systemd.Manager
	Log     func(format string, args ...any) // a line of progress
}

// What was done to an agent.
const (
	DidStart   = "started"
	DidStop    = "stopped"
	DidRestart = "restarted"
	DidTell    = "told to end" // at the boundary of its session; systemd then starts it again
	DidNothing = "unchanged"
)

// Outcome is what became of one agent.
type Outcome struct {
	Agent string `json:"agent"`
	Did   string `json:"did,omitempty"`
	Note  string `json:"note,omitempty"`
	Error string `json:"error,omitempty"`
}

// settle is how long a started agent is watched before it counts as started: what fails at once does so within it.
const settle = 500 * time.Millisecond

// Stop stops agents and keeps them stopped over restarts, switches and reboots. The mark comes first, so that nothing
// starts again what is about to be stopped. What does not end in time is killed: an agent cannot refuse.
func (c Control) Stop(ctx context.Context, picked []manifest.Agent) []Outcome {
	out := outcomes(picked)
	for i, a := range picked {
		if err := c.mark(a.Key); err != nil {
			out[i].Error = err.Error()
		}
	}
	units, err := c.running(ctx, picked)
	if err != nil {
		return failAll(out, err)
	}
	owner := map[string]int{}
	var jobs []systemd.Job
	for i, a := range picked {
		for _, u := range units[a.Key] {
			owner[u] = i
			jobs = append(jobs, systemd.Job{Unit: u, Kind: systemd.Stop})
		}
		if out[i].Error == "" {
			out[i].Did = DidStop
			if len(units[a.Key]) == 0 {
				out[i].Note = "did not run; stays stopped"
			}
		}
	}
	for _, res := range c.Systemd.Jobs(ctx, c.fx, jobs, c.limit(), c.progress) {
		if err := c.killed(ctx, res); err != nil {
			out[owner[res.Unit]].Error = err.Error()
		}
	}
	return out
}

// mark keeps an agent stopped.
func (c Control) mark(key string) error {
	path := c.Stopped(key)
	dir := filepath.Dir(path)
	err := c.fx.Do("make "+dir, func() error { return os.Mkdir(dir, 0o755) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return safefile.Write(c.fx, path, nil, 0o444)
}

// IsStopped reports whether a person stopped the agent by this tool.
func (f *Fleet) IsStopped(key string) bool {
	_, err := os.Lstat(f.Stopped(key))
	return err == nil
}

// running returns the units in which processes of each agent may run: its service, its jobs, terminals of operators. In
// the last ones, too, an agent can have processes.
func (c Control) running(ctx context.Context, picked []manifest.Agent) (map[string][]string, error) {
	var names, templates []string
	for _, a := range picked {
		names = append(names, c.Units(a.Key)...)
		for _, unit := range []string{c.attachUnit(a.Key, 0), c.loginUnit(a.Key, 0)} {
			templates = append(templates, strings.Replace(unit, "@0.", "@.", 1))
		}
	}
	units, err := c.Systemd.Units(ctx, names, templates...)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, a := range picked {
		for _, name := range sortedKeys(units) {
			if c.owns(a.Key, name) && units[name].Running() {
				out[a.Key] = append(out[a.Key], name)
			}
		}
	}
	return out, nil
}

// owns reports whether the unit is the agent's service, one of its jobs or one of its terminals. Keys may begin with
// each other, so that whole names are compared.
func (f *Fleet) owns(key, unit string) bool {
	for _, name := range f.Units(key) {
		if unit == name {
			return true
		}
	}
	ours := "fleet-" + f.Project + "-" + key
	return strings.HasPrefix(unit, ours+"-attach@") || strings.HasPrefix(unit, ours+"-login@")
}

// killed sees to it that a stop ends.
func (c Control) killed(ctx context.Context, res systemd.JobResult) error {
	if res.OK() {
		return nil
	}
	c.Log("%s does not stop: killed", res.Unit)
	return c.Systemd.Kill(ctx, c.fx, res.Unit)
}

// Start starts agents and forgets that a person stopped them.
func (c Control) Start(ctx context.Context, picked []manifest.Agent) []Outcome {
	out := outcomes(picked)
	var jobs []systemd.Job
	var of []int
	for i, a := range picked {
		if err := safefile.Remove(c.fx, c.Stopped(a.Key)); err != nil {
			out[i].Error = err.Error()
			continue
		}
		if u, err := c.Systemd.Unit(ctx, a.Unit); err == nil && u.ActiveState == "active" {
			out[i].Did, out[i].Note = DidNothing, "runs already"
			continue
		}
		jobs, of = append(jobs, systemd.Job{Unit: a.Unit, Kind: systemd.Start}), append(of, i)
	}
	c.up(ctx, out, jobs, of, DidStart)
	return out
}

// Restart ends agents at once and starts them again. One that a person stopped stays so, which is a note where all were
// meant and an error where it was named.
func (c Control) Restart(ctx context.Context, picked []manifest.Agent, named bool) []Outcome {
	out := outcomes(picked)
	var jobs []systemd.Job
	var of []int
	for i, a := range picked {
		if c.stays(&out[i], named) {
			continue
		}
		jobs, of = append(jobs, systemd.Job{Unit: a.Unit, Kind: systemd.Restart}), append(of, i)
	}
	c.up(ctx, out, jobs, of, DidRestart)
	return out
}

// Tell raises the flag at which runners end at the boundary of their session.
func (c Control) Tell(ctx context.Context, picked []manifest.Agent, named bool) []Outcome {
	out := outcomes(picked)
	for i, a := range picked {
		if c.stays(&out[i], named) {
			continue
		}
		u, err := c.Systemd.Unit(ctx, a.Unit)
		if err == nil && u.ActiveState != "active" {
			err = fmt.Errorf("does not run (%s)\n  hint: sudo fleet start %s", u.ActiveState, a.Key)
		}
		if err == nil {
			err = safefile.Write(c.fx, c.EndFlag(a.Key), []byte("restart\n"), 0o444)
		}
		if err != nil {
			out[i].Error = err.Error()
			continue
		}
		out[i].Did, out[i].Note = DidTell, c.boundary(a)
	}
	return out
}

// boundary says when a told agent will end.
func (c Control) boundary(a manifest.Agent) string {
	if now := c.Signs(a.Key).Now; now.State == session.Working {
		return fmt.Sprintf("starts again when session %d has ended, after %s at most", now.N, time.Duration(a.Session)*time.Second)
	}
	return "starts again in a moment"
}

func (c Control) stays(o *Outcome, named bool) bool {
	if !c.IsStopped(o.Agent) {
		return false
	}
	o.Did, o.Note = DidNothing, "a person stopped it"
	if named {
		o.Did, o.Note = "", ""
		o.Error = "is stopped\n  hint: sudo fleet start " + o.Agent
	}
	return true
}

// up does jobs that leave agents running and looks whether they do.
func (c Control) up(ctx context.Context, out []Outcome, jobs []systemd.Job, of []int, did string) {
	results := c.Systemd.Jobs(ctx, c.fx, jobs, c.limit(), c.progress)
	if len(jobs) > 0 {
		time.Sleep(settle)
	}
	for i, res := range results {
		o := &out[of[i]]
		if !res.OK() {
			o.Error = c.Systemd.Explain(ctx, res)
			continue
		}
		u, err := c.Systemd.Unit(ctx, res.Unit)
		switch {
		case err != nil:
			o.Error = err.Error()
		case u.ActiveState != "active":
			o.Error = fmt.Sprintf("does not stay up (%s, %s)%s", u.ActiveState, u.Result, c.Systemd.LastLines(ctx, res.Unit))
		default:
			o.Did = did
		}
	}
}

func (c Control) limit() time.Duration { return time.Duration(c.Manifest.Activation.Job) * time.Second }

func (c Control) progress(res systemd.JobResult) {
	c.Log("%-8s %s: %s", res.Kind, report.Printable(res.Unit), res.Result)
}

func outcomes(picked []manifest.Agent) []Outcome {
	out := make([]Outcome, len(picked))
	for i, a := range picked {
		out[i].Agent = a.Key
	}
	return out
}

func failAll(out []Outcome, err error) []Outcome {
	for i := range out {
		out[i].Did, out[i].Note, out[i].Error = "", "", err.Error()
	}
	return out
}
