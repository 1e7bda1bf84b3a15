package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/gates"
	"fleet/generate"
	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// secretCause is where one credential of a spec is, and where it is not.
type secretCause struct {
	Name        string      `json:"name"`
	Disposition string      `json:"disposition"`
	Vault       string      `json:"vault"`  // file on the host, sealed
	Units       []string    `json:"units"`  // that get the value when they start
	Users       []secretUse `json:"users"`  // agents that may use it
	Calls       []secretFor `json:"calls"`  // sidecars that hold it, and the agents that may call them
	Hosts       []string    `json:"hosts"`  // to which gates send it
	Place       string      `json:"place"`  // where it stands in a request
	Only        string      `json:"only"`   // which ports and requests
	Others      []string    `json:"others"` // agents that have nothing of it
}

// secretUse is what one agent has.
type secretUse struct {
	Agent string `json:"agent"`
	Env   string `json:"env"` // variable, "" is none
	Has   string `json:"has"` // the placeholder, or "the value"
}

// secretFor is a tool that holds a value, and who has the use of it.
type secretFor struct {
	Sidecar string   `json:"sidecar"`
	User    string   `json:"user"`
	Agents  []string `json:"agents"`
	Offers  string   `json:"offers"`
}

func (a *app) explainSecret(cmd *cobra.Command, b *buildFlags, name string) error {
	c, err := a.compiled(cmd, b)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(c.Fleet.Secrets, func(s model.Secret) bool { return s.Name == name })
	if i < 0 {
		return usage(fmt.Errorf("the spec has no secret %q", name))
	}
	out := secretOf(c, &c.Fleet.Secrets[i])
	return a.result(out, out.text())
}

func secretOf(c *generate.Compiled, s *model.Secret) secretCause {
	m := c.Fleet
	out := secretCause{
		Name: s.Name, Disposition: s.Disposition, Vault: m.SecretFile(s.Name), Units: []string{}, Users: []secretUse{},
		Calls: []secretFor{}, Hosts: append([]string{}, s.Hosts...), Place: s.Place, Others: []string{},
	}
	out.calls(m)
	for i := range m.Agents {
		a := &m.Agents[i]
		switch {
		case out.calledBy(a.Key):
		case !a.Enabled || !slices.Contains(s.Agents, a.Key):
			out.Others = append(out.Others, a.Key)
		case s.Disposition == fleet.Expose:
			out.Units = append(out.Units, string(m.AgentUnit(a.Key)))
			for _, j := range a.Schedules {
				out.Units = append(out.Units, string(m.JobService(a.Key, j.Name)))
			}
			out.Users = append(out.Users, exposedTo(a, s.Name))
		default:
			out.Units = append(out.Units, gates.Service(m.Project, a.Key))
			use, only := placeholderOf(a, s.Name)
			out.Users, out.Only = append(out.Users, use), only
		}
	}
	return out
}

// calls adds the sidecars that hold the value.
func (c *secretCause) calls(m *model.Fleet) {
	for i := range m.Sidecars {
		s := &m.Sidecars[i]
		if !s.Box.Enabled || !slices.Contains(s.Secrets, c.Name) {
			continue
		}
		f := secretFor{Sidecar: s.Name, User: s.Box.User, Agents: []string{}, Offers: s.Offers()}
		for _, by := range s.Callers {
			f.Agents = append(f.Agents, by.Key)
		}
		c.Units, c.Calls = append(c.Units, string(m.AgentUnit(s.Box.Key))), append(c.Calls, f)
	}
}

func (c *secretCause) calledBy(key string) bool {
	return slices.ContainsFunc(c.Calls, func(f secretFor) bool { return slices.Contains(f.Agents, key) })
}

func exposedTo(a *model.Agent, name string) secretUse {
	use := secretUse{Agent: a.Key, Has: "the value"}
	for _, e := range a.Exposed {
		if e.Name == name {
			use.Env = e.Env
		}
	}
	return use
}

// placeholderOf returns what the agent has, and the requests that get the value.
func placeholderOf(a *model.Agent, name string) (use secretUse, only string) {
	use = secretUse{Agent: a.Key}
	for _, s := range a.Policy.Secrets {
		if s.Name != name {
			continue
		}
		use.Has, only = s.Placeholder, "port "+portList(s.Ports)+special(s.Methods, s.Paths, false)
		for _, env := range slices.Sorted(maps.Keys(a.Harness.Env)) {
			if strings.Contains(a.Harness.Env[env], s.Placeholder) {
				use.Env = env // as its provider wants it
			}
		}
		for env, value := range a.Env {
			if value == s.Placeholder {
				use.Env = env
			}
		}
	}
	return use, only
}

func (c secretCause) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("secret", "%s: %s", c.Name, c.Disposition)
	if c.Disposition == fleet.Absent {
		line("value", "nowhere: a switch takes it out of the vault")
		return b.String()
	}
	line("value", "sealed in %s", c.Vault)
	for _, u := range c.Units {
		line("held by", "%s", u)
	}
	elsewhere := "the settings of its harness"
	if c.Disposition == fleet.Expose {
		elsewhere = "$CREDENTIALS_DIRECTORY/" + c.Name
	}
	for _, u := range c.Users {
		line("used by", "%s, which has %s in %s", u.Agent, u.Has, cmp.Or(u.Env, elsewhere))
	}
	for _, f := range c.Calls {
		line("used by", "sidecar %s as user %s, which %s may call: %s", f.Sidecar, f.User, strings.Join(f.Agents, ", "), f.Offers)
	}
	for _, host := range c.Hosts {
		line("sent to", "%s, %s, as %s", host, c.Only, c.Place)
	}
	if c.Disposition == fleet.Expose {
		line("sent to", "every host that these agents may reach, if they want")
	} else {
		line("never", "seen by an agent: not in its files, environment or processes, nor in an answer that it gets")
	}
	if len(c.Others) > 0 {
		line("never", "used by %s", strings.Join(c.Others, ", "))
	}
	line("never", "in the spec, a generation, golden, a log or the journal")
	return b.String()
}
