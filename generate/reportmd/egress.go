package reportmd

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/policy"
)

// same are agents whose gates decide alike.
type same struct {
	keys  []string
	agent *model.Agent // one of them
}

// alike groups the agents that run by what they may reach, in their order.
func alike(m *model.Fleet) (out []same) {
	for _, a := range enabled(m) {
		if a.Policy == nil {
			continue
		}
		i := slices.IndexFunc(out, func(s same) bool { return decideAlike(s.agent, a) })
		if i < 0 {
			out = append(out, same{agent: a})
			i = len(out) - 1
		}
		out[i].keys = append(out[i].keys, a.Key)
	}
	return out
}

func decideAlike(a, b *model.Agent) bool {
	p, q := *a.Policy, *b.Policy
	p.Agent, p.UID, q.Agent, q.UID = "", 0, "", 0
	p.Secrets, q.Secrets = unnamed(p.Secrets), unnamed(q.Secrets)
	return reflect.DeepEqual(p, q) && reflect.DeepEqual(a.RuleNotes, b.RuleNotes)
}

// unnamed returns secrets without their placeholders, of which each agent has its own.
func unnamed(list []policy.Secret) []policy.Secret {
	out := slices.Clone(list)
	for i := range out {
		out[i].Placeholder = ""
	}
	return out
}

// egress lists what gates let pass, agent by agent or for those together that may reach the same.
func egress(b *strings.Builder, m *model.Fleet) {
	groups := alike(m)
	if len(groups) == 0 {
		return
	}
	b.WriteString("\n## Hosts that gates let pass\n\nIn mode enforce all that is not listed is refused. In every mode, addresses that are private, link-local, " +
		"of metadata services or multicast are refused whatever name leads there; a rule that says private lets private ones pass.\n")
	for _, g := range groups {
		p := g.agent.Policy
		fmt.Fprintf(b, "\n### %s: mode %s\n\n", text(strings.Join(g.keys, ", ")), text(p.Mode))
		if why := weak[p.Mode]; why != "" {
			fmt.Fprintf(b, "%s\n\n", why)
		}
		if len(p.Allow) == 0 {
			b.WriteString("No host is listed.\n")
		} else {
			table(b, []string{"host", "ports", "requests", "private", "limits a day", "note", "from"})
		}
		for i, r := range p.Allow {
			if i > 0 && p.Allow[i-1].Name == r.Name {
				continue // the same rule of the spec, with another protocol
			}
			row(b, r.Host, protocols(p.Allow[i:]), requests(r.Methods, r.Paths), yes(r.Private), dayLimits(r.Limits),
				g.agent.RuleNotes[r.Name], r.Name)
		}
		denied(b, g.agent)
		ways(b, p)
	}
	unseen(b, groups)
}

var weak = map[string]string{
	policy.Report: "Nothing is refused but what is unsafe: what no rule allows passes too, and is recorded.",
	policy.Off:    "Nothing is refused but what is unsafe, and nothing says what a rule would refuse.",
}

func denied(b *strings.Builder, a *model.Agent) {
	if len(a.Policy.Deny) == 0 {
		return
	}
	b.WriteString("\nRefused, unless a rule for a more specific name allows them:\n\n")
	table(b, []string{"host", "ports", "requests", "note", "from"})
	for _, d := range a.Policy.Deny {
		on := ports(d.Ports)
		if len(d.Ports) == 0 {
			on = "all"
		}
		row(b, d.Host, on, requests(d.Methods, d.Paths), a.RuleNotes[d.Name], d.Name)
	}
}

// ways say how the gate gets out, where that is not the usual way, and into which TLS it looks.
func ways(b *strings.Builder, p *policy.Policy) {
	var out []string
	if hosts := p.Inspected(); len(hosts) > 0 {
		out = append(out, "TLS to "+strings.Join(hosts, ", ")+" is opened by the gate, with an authority of its own that the agent trusts")
	}
	if p.DNS != "" {
		out = append(out, "names are asked of "+p.DNS)
	}
	if p.Upstream != nil {
		out = append(out, "all goes through the proxy "+p.Upstream.Host+":"+strconv.Itoa(p.Upstream.Port))
	}
	for i, line := range out {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "- %s\n", text(line))
	}
}

// unseen tells what the lists above cannot promise.
func unseen(b *strings.Builder, groups []same) {
	var plain, wild, raw []string
	resolves := false
	for _, g := range groups {
		inspected := g.agent.Policy.Inspected()
		for _, r := range g.agent.Policy.Allow {
			switch {
			case r.Protocol == policy.Raw:
				raw = append(raw, r.Host)
			case r.Protocol == policy.TLS && !slices.Contains(inspected, r.Host):
				plain = append(plain, r.Host)
			}
			if strings.HasPrefix(r.Host, "*.") {
				wild = append(wild, r.Host)
			}
		}
		resolves = resolves || g.agent.Policy.Upstream != nil && g.agent.Policy.Upstream.Resolves
	}
	b.WriteString("\n## What gates cannot see\n\n")
	remark := func(hosts []string, what string) {
		if len(hosts) > 0 {
			slices.Sort(hosts)
			fmt.Fprintf(b, "- %s: %s\n", what, text(strings.Join(slices.Compact(hosts), ", ")))
		}
	}
	remark(plain, "Inside TLS of these hosts nothing but the name is seen. Where one lies behind a CDN that it shares, a request inside "+
		"can be for another host of that CDN, and whoever can write to the host can be sent anything")
	remark(raw, "Of these, the bytes are passed on unread")
	remark(wild, "Whoever can make a name below these receives what an agent sends there; names cost a look-up each, which are limited in rate and length")
	if resolves {
		b.WriteString("- The proxy behind the gates looks names up: no gate checks an address, and the proxy's network is in reach\n")
	}
	b.WriteString("- Sizes, order and times of what is allowed can carry a message to whoever watches the line\n")
}

func ports(list []int) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = strconv.Itoa(p)
	}
	return strings.Join(out, ", ")
}

// protocols are the ports of the first rule's name, each with what the gate expects there.
func protocols(rules []policy.Rule) string {
	var out []string
	for _, r := range rules {
		if r.Name != rules[0].Name {
			break
		}
		what := r.Protocol
		if what == policy.Raw {
			what = "any bytes"
		}
		out = append(out, ports(r.Ports)+" "+what)
	}
	return strings.Join(out, ", ")
}

func requests(methods, paths []string) string {
	if len(methods)+len(paths) == 0 {
		return "all"
	}
	m, p := "every method", "every path"
	if len(methods) > 0 {
		m = strings.Join(methods, ", ")
	}
	if len(paths) > 0 {
		p = strings.Join(paths, ", ")
	}
	return m + " at " + p
}

func dayLimits(l *policy.Limits) string {
	var out []string
	if l != nil && l.RequestsPerDay > 0 {
		out = append(out, fmt.Sprintf("%d requests", l.RequestsPerDay))
	}
	if l != nil && l.BytesUpPerDay > 0 {
		out = append(out, bytes(uint64(l.BytesUpPerDay))+" bytes up")
	}
	return list(out)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// reaches is what fits into the picture of what an agent may reach.
func reaches(a *model.Agent) string {
	if a.Policy == nil {
		return "reaches nothing"
	}
	var hosts []string
	for _, r := range a.Policy.Allow {
		if !slices.Contains(hosts, r.Host) {
			hosts = append(hosts, r.Host)
		}
	}
	switch {
	case a.Policy.Mode != policy.Enforce:
		return "reaches every public host (mode " + a.Policy.Mode + ")"
	case len(hosts) == 0:
		return "reaches nothing"
	case len(hosts) > 2:
		return fmt.Sprintf("reaches %s and %d more", hosts[0], len(hosts)-1)
	}
	return "reaches " + strings.Join(hosts, ", ")
}
