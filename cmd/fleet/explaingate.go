package main

import (
	"cmp"
	"strconv"
	"strings"

	"fleet/activate/gates"
	"fleet/generate"
	"fleet/schemas/manifest"
	"fleet/schemas/policy"
)

// gateCause is an agent's way out.
type gateCause struct {
	User   manifest.User `json:"user"`
	Socket string        `json:"socket"`
	Unit   string        `json:"unit"`
	Policy policy.Policy `json:"policy"`
}

// gateOf returns the way out of an agent of a compiled spec, nil where it has none.
func gateOf(c *generate.Compiled, key string) *gateCause {
	m := &c.Sealed.Manifest
	g := &gateCause{Socket: gates.Socket(m.Project, key), Unit: gates.Service(m.Project, key)}
	for _, u := range m.Users {
		if u.Agent == key && u.Gate {
			g.User = u
		}
	}
	for _, a := range c.Fleet.Agents {
		if a.Key == key && a.Enabled && a.Policy != nil {
			g.Policy = *a.Policy
			return g
		}
	}
	return nil
}

// lines are for people: who the gate is, and which rule lets what pass.
func (g *gateCause) lines(line func(name, format string, args ...any)) {
	if g == nil {
		line("network", "no way out")
		return
	}
	p := &g.Policy
	line("gate", "%s, uid %d, socket %s", g.User.Name, g.User.UID, g.Socket)
	line("policy", "mode %s, names from %s", p.Mode, cmp.Or(p.DNS, "the host's resolver"))
	if p.Upstream != nil {
		line("policy", "all through %s:%d", p.Upstream.Host, p.Upstream.Port)
	}
	for _, r := range p.Allow {
		line("reaches", "%s port %s, %s%s  by %s", r.Host, portList(r.Ports), r.Protocol, special(r.Methods, r.Paths, r.Private), r.Name)
	}
	for _, d := range p.Deny {
		line("never", "%s port %s%s  by %s", d.Host, cmp.Or(portList(d.Ports), "any"), special(d.Methods, d.Paths, false), d.Name)
	}
	if hosts := p.Inspected(); len(hosts) > 0 {
		line("inspects", "%s", strings.Join(hosts, ", "))
	}
}

func special(methods, paths []string, private bool) string {
	out := ""
	if len(methods) > 0 {
		out += ", " + strings.Join(methods, " ")
	}
	if len(paths) > 0 {
		out += ", " + strings.Join(paths, " ")
	}
	if private {
		out += ", private addresses too"
	}
	return out
}

func portList(list []int) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = strconv.Itoa(p)
	}
	return strings.Join(out, ",")
}
