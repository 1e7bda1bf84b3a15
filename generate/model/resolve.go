package model

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/schemas/fleet"
)

// Users returns the names of the OS users that a fleet needs, sorted: one for each agent and sidecar, and one for the gate
// of each. Disabled agents keep theirs.
func Users(f *fleet.Fleet) []string {
	var out []string
	for key := range f.Agents {
		out = append(out, f.Project+"-"+key, GateUser(f.Project, key))
	}
	for _, key := range SidecarKeys(f) {
		out = append(out, f.Project+"-"+key, GateUser(f.Project, key))
	}
	slices.Sort(out)
	return out
}

// Resolve returns the model of a checked fleet. uids has the number of every name of Users. A value that does not parse
// is an error that the spec's checks should have found.
func Resolve(f *fleet.Fleet, uids map[string]int) (*Fleet, error) {
	r := resolver{fleet: f}
	out := &Fleet{
		Project:     f.Project,
		Description: f.Description,
		Operators:   f.Operators.Group,
		UIDs:        f.UIDs,
		Secrets:     secrets(f),
		Watchdog:    r.watchdog(f.Watchdog),
		Retention: Retention{
			Generations: f.Retention.Generations,
			Transcripts: r.duration(f.Retention.Transcripts),
			Jobs:        r.duration(f.Retention.Jobs),
		},
		Activation: Activation{
			Health:  r.duration(f.Activation.Health),
			Deadman: r.duration(f.Activation.Deadman),
			Job:     r.duration(f.Activation.Job),
		},
	}
	for _, name := range Users(f) {
		if uids[name] == 0 {
			return nil, fmt.Errorf("user %s has no number", name)
		}
	}
	out.Agents = make([]Agent, 0, len(f.Agents))
	for _, key := range slices.Sorted(maps.Keys(f.Agents)) {
		a := r.agent(key, uids[f.Project+"-"+key], f.Agents[key])
		a.GateUser = GateUser(f.Project, key)
		a.GateUID = uids[a.GateUser]
		out.Agents = append(out.Agents, a)
	}
	out.Sidecars = r.sidecars(uids)
	out.tellCallers()
	if r.err != nil {
		return nil, fmt.Errorf("resolve fleet: %w", r.err)
	}
	return out, nil
}

// GateUser is the OS user of an agent's gate.
func GateUser(project, key string) string { return project + "-" + key + "-gate" }

// resolver remembers the first value that does not parse.
type resolver struct {
	fleet *fleet.Fleet
	err   error
}

func (r *resolver) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

// duration returns d parsed, 0 where it is empty.
func (r *resolver) duration(d fleet.Duration) time.Duration {
	if d == "" {
		return 0
	}
	got, err := d.Parse()
	r.keep(err)
	return got
}

// size returns s parsed, 0 where it is empty.
func (r *resolver) size(s fleet.Size) uint64 {
	if s == "" {
		return 0
	}
	got, err := s.Parse()
	r.keep(err)
	return got
}

func (r *resolver) watchdog(w fleet.Watchdog) Watchdog {
	every, stalled := r.duration(w.Every), r.duration(w.StalledAfter)
	runs := 1
	if every > 0 {
		runs = max(1, int((stalled+every-1)/every))
	}
	return Watchdog{
		Every: every, StalledRuns: runs, AlertAfter: w.FailuresBeforeAlert, DeniedAlert: w.DeniedBeforeAlert,
		HeartbeatURL: w.HeartbeatURL,
	}
}

func (r *resolver) agent(key string, uid int, a fleet.Agent) Agent {
	out := Agent{
		Key:         key,
		User:        r.fleet.Project + "-" + key,
		UID:         uid,
		Name:        orElse(a.Name, key),
		Role:        a.Role,
		Enabled:     a.Enabled,
		Isolation:   Isolation(a.Isolation),
		OnChange:    a.OnChange,
		Mode:        a.Mode,
		Session:     r.duration(a.Session),
		Permissions: a.Permissions,
		Notify:      a.Notify,
		Model:       a.Model,
		Effort:      a.Effort,
		Env:         a.Env,
		Limits:      r.limits(a.Limits),
		Mounts:      mounts(a.Mounts),
		LocalPorts:  a.LocalPorts,
		Sudo:        a.Sudo,
		Systemd:     a.Systemd,
		Hooks:       map[string]Hook{},
		Iteration: Iteration{
			Day: r.duration(a.Iteration.Day), Night: r.duration(a.Iteration.Night),
			From: a.Iteration.From, To: a.Iteration.To, Timezone: a.Iteration.Timezone,
		},
	}
	out.Git = fleet.Git{
		Name: orElse(a.Git.Name, out.Name), Email: orElse(a.Git.Email, out.User+"@fleet.invalid"), Signing: a.Git.Signing,
	}
	for name, h := range a.Hooks {
		out.Hooks[name] = Hook{Script: h.Script, Timeout: r.duration(h.Timeout)}
	}
	out.Prompt = fill(r.fleet, &out, a.Prompt)
	out.Instructions = compose(r.fleet, &out, a.Instructions)
	h, model := furnished(r.fleet, key)
	out.Model, a.Model = model, model
	out.Harness = harness(a.Harness, h, a, hasChat(r.fleet) && a.HasChat())
	out.Provider = provider(r.fleet, key)
	if h.Login != nil && a.Login {
		out.Harness.Login = h.Login.Command
	}
	for _, f := range r.fleet.Harnesses[a.Harness].TurnFailed {
		out.Harness.TurnFailed = append(out.Harness.TurnFailed, TurnFailed{f.Match, r.duration(f.Still)})
	}
	var err error
	out.RuleNotes = ruleNotes(r.fleet, key)
	out.Policy, err = Egress(r.fleet, key, uid)
	r.keep(err)
	out.Env = withPlaceholders(out.Env, r.fleet, key, out.Policy)
	out.Exposed = exposed(r.fleet, key)
	for _, name := range slices.Sorted(maps.Keys(a.Schedules)) {
		s := r.schedule(name, a.Schedules[name], out.Session)
		s.Prompt = fill(r.fleet, &out, s.Prompt)
		out.Schedules = append(out.Schedules, s)
	}
	return out
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func mounts(in []fleet.Mount) []fleet.Mount {
	out := slices.Clone(in)
	for i, m := range out {
		out[i].Target = orElse(m.Target, m.Source)
	}
	return out
}

func (r *resolver) limits(l fleet.Limits) Limits {
	return Limits{
		Memory: r.size(l.Memory), MemoryHigh: r.size(l.MemoryHigh), CPUQuota: l.CPU, CPUWeight: l.CPUWeight, IOWeight: l.IO,
		Tasks: l.Tasks, Files: l.Files, Shm: r.size(l.Shm), Tmp: r.size(l.Tmp), Disk: r.size(l.Disk), OOM: l.OOM,
		CostPerDay: l.CostPerDay,
	}
}
