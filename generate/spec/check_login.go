package spec

import (
	"fmt"
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// login checks that an agent's harness can be logged in, and warns that the token then lies with the agent.
func (c *checker) login(p place, key string, a fleet.Agent) {
	h, known := c.fleet.Harnesses[a.Harness]
	if !a.Login || !known {
		return
	}
	held := c.heldFor(key, a)
	switch {
	case h.Login == nil:
		c.error(p, fmt.Sprintf("harness %s has no login", a.Harness), "login is for "+strings.Join(c.withLogin(), ", ")+"; others get a secret")
	case a.Provider != "":
		c.error(p, fmt.Sprintf("is to an account of harness %s's, and provider %s is asked instead", a.Harness, a.Provider), "take one of them out")
	case held != "":
		c.error(p, fmt.Sprintf("is not wanted: the gate holds %s for harness %s", held, a.Harness),
			"take it out, or take the secret from the agent: then the token of the login lies with the agent")
	default:
		c.warn(p, "the token of its login lies with the agent, which can send it to every host that egress allows",
			`a key or a long-lived token with disposition "broker" would stay with the gate`)
	}
}

// heldFor is the secret that an agent's gate holds for a host of its harness, "" where there is none.
func (c *checker) heldFor(key string, a fleet.Agent) string {
	out, _ := model.Egress(c.fleet, key, c.fleet.UIDs.From) // what is wrong with it is another check's
	for _, s := range out.Secrets {
		for _, r := range c.fleet.Harnesses[a.Harness].Egress {
			if slices.Contains(s.Hosts, r.Host) {
				return s.Name
			}
		}
	}
	return ""
}

// withLogin are the harnesses that have a login, sorted.
func (c *checker) withLogin() []string {
	var out []string
	for name, h := range c.fleet.Harnesses {
		if h.Login != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// harnessLogin checks how a harness is logged in.
func (c *checker) harnessLogin(p place, l *fleet.HarnessLogin) {
	if l == nil {
		return
	}
	if len(l.Command) == 0 && !c.failedBelow(p) {
		c.error(p.in("command"), "must not be empty", `such as ["my-agent", "login"]`)
	}
	c.argv(p.in("command"), l.Command)
	for i, item := range l.Command {
		if template.MatchString(item) {
			c.error(p.in("command").at(i), show(item)+" holds a variable, and a login has none", "")
		}
	}
	c.rules(p.in("egress"), l.Egress)
	c.env(p.in("env"), l.Env)
	c.settings(p.in("settings"), l.Settings, "")
}
