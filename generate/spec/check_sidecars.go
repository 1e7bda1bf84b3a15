package spec

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
	"fleet/schemas/sidecar"
)

// sidecars checks the tools that hold secrets, and who calls them.
func (c *checker) sidecars() {
	names := slices.Sorted(maps.Keys(c.fleet.Sidecars))
	for _, name := range names {
		p, s := place{"sidecars", name}, c.fleet.Sidecars[name]
		c.tool(p, s)
		c.toolSecrets(p, s)
		c.rules(p.in("egress", "allow"), s.Egress.Allow)
		c.weak(p.in("egress"), s.Egress.Mode)
		c.env(p.in("env"), s.Env)
		c.duration(p.in("callTimeout"), s.CallTimeout, callSpan)
		if n := c.size(p.in("maxMessage"), s.MaxMessage, sidecar.MinMessage); n > sidecar.MaxMessage {
			c.error(p.in("maxMessage"), fmt.Sprintf("%q must be at most 64M", s.MaxMessage), "it is held in memory several times")
		}
		c.size(p.in("limits", "memory"), s.Limits.Memory, leastMemory)
		if len(model.SidecarUsers(c.fleet, name)) == 0 && !c.failedBelow(p) {
			c.warn(p, "no agent calls it", "list it in sidecars of an agent")
		}
	}
	for _, key := range c.keys() {
		for i, name := range c.fleet.Agents[key].Sidecars {
			c.listed(place{"agents", key, "sidecars"}.at(i), name, "sidecar", names)
		}
	}
	if c.failedBelow(place{"sidecars"}) {
		return // what follows would say it once more
	}
	for _, s := range model.Sidecars(c.fleet) {
		c.refused(s.Box.Policy)
		for _, e := range s.Config.Check().Entries {
			if !strings.HasPrefix(e.Path, "agents") { // all are disabled
				c.error(append(place{"sidecars", s.Name}, placeOf(strings.TrimPrefix(e.Path, "tool."))...), e.Message, e.Hint)
			}
		}
	}
}

// tool checks how the server is reached.
func (c *checker) tool(p place, s fleet.Sidecar) {
	switch {
	case (len(s.Command) > 0) == (s.URL != ""):
		if !c.failedBelow(p) {
			c.error(p, "must have command or url, one of them", `such as command: ["/usr/bin/deploy-mcp"]`)
		}
	case s.URL != "":
		u, err := url.Parse(s.URL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			c.error(p.in("url"), show(s.URL)+" is not an address of the web without user and fragment", `such as "https://mcp.example.com/mcp"`)
		}
		if len(s.Env) > 0 {
			c.error(p.in("env"), "has no effect with url: only a program has variables", "take it out")
		}
	case !path.IsAbs(s.Command[0]) || path.Clean(s.Command[0]) != s.Command[0]:
		c.error(p.in("command").at(0), show(s.Command[0])+" must be the absolute path of a program", `such as "/usr/bin/deploy-mcp"`)
	}
}

// toolSecrets checks that each is a sidecar's, and that no two have one place.
func (c *checker) toolSecrets(p place, s fleet.Sidecar) {
	names := slices.Sorted(maps.Keys(c.fleet.Secrets))
	taken := map[string]string{}
	for i, name := range s.Secrets {
		at := p.in("secrets").at(i)
		c.listed(at, name, "secret", names)
		secret, known := c.fleet.Secrets[name]
		if !known {
			continue
		}
		if secret.Disposition != fleet.ForSidecar {
			c.error(at, fmt.Sprintf("%s has disposition %s: no sidecar holds it", name, secret.Disposition), `set disposition: "sidecar" there`)
			continue
		}
		if s.Identity == fleet.Shared && len(secret.Agents) > 0 {
			c.error(place{"secrets", name, "agents"}, "has an effect only where each agent has a tool of its own", `take it out, or set identity: "per-agent" of the sidecar`)
		}
		key := secretPlace(name, secret, s.URL != "") + " " + strings.Join(secret.Agents, " ")
		if other, twice := taken[key]; twice {
			c.error(at, fmt.Sprintf("%s and %s would be at one place, %s", other, name, secretPlace(name, secret, s.URL != "")),
				"set env or header of one of them, or let the tool have one")
		}
		taken[key] = name
	}
}

// secretPlace says where a tool has a secret.
func secretPlace(name string, s fleet.Secret, remote bool) string {
	switch {
	case remote && s.Header != "":
		return "header " + s.Header
	case remote:
		return "Authorization"
	case s.Env != "":
		return "variable " + s.Env
	}
	return "variable " + name
}

// refused checks the policy that a sidecar would get.
func (c *checker) refused(out *policy.Policy) {
	for _, e := range out.Check().Entries {
		if at := policyPlace(out, e.Path); at != nil {
			c.error(at, e.Message, e.Hint)
		}
	}
}
