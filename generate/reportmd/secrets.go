package reportmd

import (
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// secrets says of each credential who holds it, where it goes and who has what.
func secrets(b *strings.Builder, m *model.Fleet) {
	var logins []*model.Agent
	for _, a := range enabled(m) {
		if len(a.Harness.Login) > 0 {
			logins = append(logins, a)
		}
	}
	if len(m.Secrets)+len(logins) == 0 {
		return
	}
	b.WriteString("\n## Secrets\n\nNo value is here, nor in any file of the generation: they are in the host's vault, sealed for that host.\n\n")
	table(b, []string{"secret", "disposition", "who holds the value", "used by", "sent to", "in a request", "note"})
	for _, s := range m.Secrets {
		hosts := list(s.Hosts)
		if s.Disposition == fleet.Expose {
			hosts = "whatever its agents may reach"
		}
		row(b, s.Name, s.Disposition, holder(s), list(s.Agents), hosts, s.Place, s.Note)
	}
	for _, a := range logins {
		row(b, "token of a login to "+a.Harness.Name, fleet.Expose, "the agent itself, in its home", a.Key, "whatever its agent may reach", "", "")
	}
	b.WriteString("\nA broker's agents have a placeholder, for which their own gate puts the value into requests over verified TLS.\n")
	for _, s := range m.Secrets {
		if s.Disposition == fleet.Expose && len(s.Agents) > 0 {
			b.WriteString("\n**" + text(s.Name) + " can be leaked** by " + text(strings.Join(s.Agents, ", ")) + ", to every host that it may reach.\n")
		}
	}
	for _, a := range logins {
		b.WriteString("\n**The token of its login can be leaked** by " + text(a.Key) + ", to every host that it may reach.\n")
	}
}

// sidecars says who calls which tool, and what that holds and reaches.
func sidecars(b *strings.Builder, m *model.Fleet) {
	if !slices.ContainsFunc(m.Sidecars, func(s model.Sidecar) bool { return s.Chat == nil }) {
		return
	}
	b.WriteString("\n## Sidecars\n\nEach is a tool that runs as a user of its own, behind a gate of its own, and is called over MCP.\n\n")
	table(b, []string{"sidecar", "user", "called by", "holds", "offers", "reaches", "note"})
	for i := range m.Sidecars {
		s := &m.Sidecars[i]
		if s.Chat != nil {
			continue
		}
		var callers, hosts []string
		for _, c := range s.Callers {
			callers = append(callers, c.Key)
		}
		for _, r := range s.Box.Policy.Allow {
			hosts = append(hosts, r.Host)
		}
		row(b, s.Name, s.Box.User, list(callers), list(s.Secrets), s.Offers(), list(slices.Compact(hosts)), s.Note)
	}
}

func holder(s model.Secret) string {
	switch s.Disposition {
	case fleet.ForSidecar:
		return "the sidecars that list it"
	case fleet.Broker:
		return "the gates of its agents"
	case fleet.Expose:
		return "the agents themselves"
	}
	return "nobody"
}
