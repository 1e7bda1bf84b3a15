package spec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// secrets checks how credentials are contained and who may use them.
func (c *checker) secrets() {
	for _, name := range slices.Sorted(maps.Keys(c.fleet.Secrets)) {
		p, s := place{"secrets", name}, c.fleet.Secrets[name]
		c.likeness(p.in("like"), s)
		for i, key := range s.Agents {
			c.listed(p.in("agents").at(i), key, "agent", c.keys())
		}
		if s.Disposition == fleet.Broker {
			c.brokered(p, name, s)
		} else {
			c.notBrokered(p, s)
		}
		c.users(p, name, s)
	}
	names := slices.Sorted(maps.Keys(c.fleet.Secrets))
	for _, key := range c.keys() {
		p := place{"agents", key}
		for i, name := range c.fleet.Agents[key].Secrets {
			c.listed(p.in("secrets").at(i), name, "secret", names)
		}
		c.variables(p, key)
	}
}

// listed refuses a name of nothing.
func (c *checker) listed(p place, name, what string, names []string) {
	if slices.Contains(names, name) {
		return
	}
	hint := what + "s: " + strings.Join(names, ", ")
	if near := nearest(name, names); near != "" {
		hint = "did you mean " + show(near) + "?"
	} else if len(names) == 0 {
		hint = "the fleet has none: write secrets: { " + name + `: { disposition: "broker" } } at the top level`
	}
	c.error(p, show(name)+" is no "+what+" of the fleet", hint)
}

func (c *checker) likeness(p place, s fleet.Secret) {
	switch known := c.builtin.names(); {
	case s.Like == "":
	case s.Disposition != fleet.Broker:
		c.error(p, "has an effect with broker only", "take it out")
	case !slices.Contains(known, s.Like):
		c.error(p, show(s.Like)+" is not a credential that fleet knows", "it knows "+strings.Join(known, ", "))
	}
}

// brokered checks what the gate needs to put a secret into requests.
func (c *checker) brokered(p place, name string, s fleet.Secret) {
	if len(s.Hosts) == 0 && !c.failedBelow(p) {
		c.error(p.in("hosts"), "is missing: the gate must know where "+name+" may go", `such as hosts: ["api.example.com"]`)
	}
	if s.Header == "" && !s.Bearer && !s.Basic && s.Query == "" && s.SigV4 == "" && !c.failedBelow(p) {
		c.error(p, "must say where in a request it stands: header, bearer, basic, query or sigv4",
			`such as bearer: true or header: "x-api-key"`)
	}
	if least := model.LeastPlaceholder(s.Placeholder.Prefix); s.Placeholder.Length > 0 && s.Placeholder.Length < least {
		c.error(p.in("placeholder", "length"), fmt.Sprintf("must be at least %d with this prefix, is %d", least,
			s.Placeholder.Length), "")
	}
	c.variable(p.in("env"), cmp.Or(s.Env, name))
	if !c.failedBelow(p) { // whoever may use it
		c.refused(model.SecretAlone(c.fleet, name))
	}
}

// notBrokered refuses keys that would have no effect.
func (c *checker) notBrokered(p place, s fleet.Secret) {
	tool := s.Disposition == fleet.ForSidecar
	for key, set := range map[string]bool{
		"hosts": len(s.Hosts) > 0, "methods": len(s.Methods) > 0, "paths": len(s.Paths) > 0, "header": s.Header != "" && !tool,
		"bearer": s.Bearer && !tool, "basic": s.Basic, "query": s.Query != "", "sigv4": s.SigV4 != "",
		"placeholder": s.Placeholder != fleet.Placeholder{},
	} {
		if set {
			c.error(p.in(key), "has an effect with broker only: no gate holds this secret", "take it out")
		}
	}
	if s.Disposition == fleet.Absent {
		for key, set := range map[string]bool{"env": s.Env != "", "agents": len(s.Agents) > 0} {
			if set {
				c.error(p.in(key), "has no effect: nobody has this secret", "take it out")
			}
		}
		return
	}
	c.variable(p.in("env"), s.Env)
}

// users warns of a secret that nobody uses, and of one that somebody can leak.
func (c *checker) users(p place, name string, s fleet.Secret) {
	users := model.SecretUsers(c.fleet, name)
	switch {
	case s.Disposition == fleet.Absent:
		for _, key := range c.keys() {
			if i := slices.Index(c.fleet.Agents[key].Secrets, name); i >= 0 {
				c.error(place{"agents", key, "secrets"}.at(i), show(name)+" is absent: nobody can have it", "take it out, or name a disposition")
			}
		}
	case s.Disposition == fleet.ForSidecar:
		c.heldByTool(p, name)
	case len(users) == 0:
		if !c.failedBelow(p) {
			c.warn(p, "no agent uses it", `list it in secrets of an agent, or agents: ["lead"] here`)
		}
	case s.Disposition == fleet.Expose:
		c.warn(p, "its value is given to "+strings.Join(users, ", ")+", which can send it to every host that egress allows",
			`with disposition "broker" the gate holds it, and puts it into requests`)
	}
}

// heldByTool warns of a secret that no tool has, and refuses that an agent lists one: it calls the sidecar.
func (c *checker) heldByTool(p place, name string) {
	used := false
	for _, s := range c.fleet.Sidecars {
		used = used || slices.Contains(s.Secrets, name)
	}
	used = used || slices.Contains(model.ChatSecrets(c.fleet), name)
	if !used && !c.failedBelow(p) {
		c.warn(p, "no sidecar uses it", "list it in secrets of a sidecar, or name it in coordination")
	}
	for _, key := range c.keys() {
		if i := slices.Index(c.fleet.Agents[key].Secrets, name); i >= 0 {
			c.error(place{"agents", key, "secrets"}.at(i), show(name)+" is held by a sidecar, which the agent calls",
				"list the sidecar in sidecars of the agent")
		}
	}
}

// reachable warns of hosts of secrets that an agent has and egress does not allow to it.
func (c *checker) reachable(out *policy.Policy) {
	if len(out.Secrets) == 0 {
		return
	}
	m, err := out.Compile()
	if err != nil {
		return // said already
	}
	for _, s := range out.Secrets {
		port := s.Ports[0]
		for i, host := range s.Hosts {
			asked := strings.Replace(host, "*.", "any.", 1)
			if !m.Decide(policy.Request{Kind: policy.KindConnect, Host: asked, Port: uint16(port)}).Allow {
				c.warn(place{"secrets", s.Name, "hosts"}.at(i),
					fmt.Sprintf("agent %s may not reach %s, so %s is of no use to it there", out.Agent, host, s.Name),
					"allow the host in egress, or take it out here")
			}
		}
	}
}

// variables refuses two values for one variable of an agent.
func (c *checker) variables(p place, key string) {
	env := c.fleet.Agents[key].Env
	for name, secrets := range model.SecretVariables(c.fleet, key) {
		if len(secrets) > 1 {
			c.error(p.in("secrets"), fmt.Sprintf("%s would each be the variable %s of agent %s", strings.Join(secrets, " and "), name, key),
				"set env of one of them, or let the agent use one")
		}
		if _, twice := env[name]; twice {
			c.error(p.in("env", name), fmt.Sprintf("is also the variable of secret %s", secrets[0]), "take it out, or set env of the secret")
		}
	}
}
