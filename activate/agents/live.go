// Package agents acts on the agents of the live generation: starts and stops them, queues prompts, reads what they left.
// Everything that an agent wrote is read through safefile, bounded, and shown only as printable text.
package agents

import (
	"fmt"
	"slices"
	"strings"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Fleet is what is live of one project on this host.
type Fleet struct {
	*profile.Profile
	Number   int
	Manifest *manifest.Manifest
	fx       system.Effects
}

// Live finds the live generation. Where there is none, the error is a *report.Err with the remedy.
func Live(l profile.Layout, fx system.Effects) (*Fleet, error) {
	p := profile.New(l, fx)
	n, err := p.Active()
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, notLive(l.Project)
	}
	m, err := p.Read(n)
	if err != nil {
		return nil, fmt.Errorf("read generation %d: %w", n, err)
	}
	return &Fleet{Profile: p, Number: n, Manifest: m, fx: fx}, nil
}

func notLive(project string) error {
	var r report.Report
	r.Add(report.Entry{
		Message: fmt.Sprintf("no generation of project %s is live on this host", project),
		Hint:    "activate one: sudo fleet switch",
	})
	return r.Err()
}

// Unknown says that the live generation has no agent of this key.
type Unknown struct {
	Key  string
	Have []string
}

// Error lists what there is.
func (u *Unknown) Error() string {
	return fmt.Sprintf("no agent %q in the live generation\n  hint: there are: %s", u.Key, strings.Join(u.Have, ", "))
}

// Keys returns the keys of all agents, sorted.
func (f *Fleet) Keys() []string {
	var keys []string
	for _, a := range f.Manifest.Agents {
		keys = append(keys, a.Key)
	}
	slices.Sort(keys)
	return keys
}

// Agent returns the agent of this key, or *Unknown.
func (f *Fleet) Agent(key string) (manifest.Agent, error) {
	for _, a := range f.Manifest.Agents {
		if a.Key == key {
			return a, nil
		}
	}
	return manifest.Agent{}, &Unknown{Key: key, Have: f.Keys()}
}

// Pick returns the enabled agents of these keys in the order of the keys, each once; without keys all enabled ones. A
// key that there is not is *Unknown, a disabled agent that is named is a *report.Err.
func (f *Fleet) Pick(keys []string) ([]manifest.Agent, error) {
	all := len(keys) == 0
	if all {
		keys = f.Keys()
	}
	var out []manifest.Agent
	var r report.Report
	for i, key := range keys {
		a, err := f.Agent(key)
		switch {
		case err != nil:
			return nil, err
		case slices.Contains(keys[:i], key) || all && !a.Enabled:
		case !a.Enabled:
			r.ErrorHint("agents."+key, "is disabled in the live generation", "set enabled: true in the spec, then fleet build and sudo fleet switch")
		default:
			out = append(out, a)
		}
	}
	return out, r.Err()
}

// gid returns the number of the agent's group, which is the number of its user.
func (f *Fleet) gid(a manifest.Agent) (int, error) {
	for _, u := range f.Manifest.Users {
		if u.Name == a.User {
			return u.UID, nil
		}
	}
	return 0, fmt.Errorf("user %s of agent %s is missing from the manifest of generation %d", a.User, a.Key, f.Number)
}

// attachUnit returns the name of the unit that gives terminal n to the agent of this key.
func (f *Fleet) attachUnit(key string, n int) string {
	return fmt.Sprintf("fleet-%s-%s-attach@%d.service", f.Project, key, n)
}

// loginUnit returns the name of the unit that logs the agent of this key in on terminal n.
func (f *Fleet) loginUnit(key string, n int) string {
	return fmt.Sprintf("fleet-%s-%s-login@%d.service", f.Project, key, n)
}

// jobPrefix is what the names of all units of an agent's jobs begin with.
func (f *Fleet) jobPrefix(key string) string { return fmt.Sprintf("fleet-%s-%s-job-", f.Project, key) }

// jobServices returns the services of the agent's schedules, sorted.
func (f *Fleet) jobServices(key string) []string {
	var out []string
	for _, u := range f.Manifest.Units {
		if u.Agent == key && strings.HasPrefix(u.Name, f.jobPrefix(key)) && strings.HasSuffix(u.Name, ".service") {
			out = append(out, u.Name)
		}
	}
	slices.Sort(out)
	return out
}

// Units returns the services whose output is the agent's: its own and those of its jobs.
func (f *Fleet) Units(key string) []string {
	return append([]string{"fleet-" + f.Project + "-" + key + ".service"}, f.jobServices(key)...)
}
