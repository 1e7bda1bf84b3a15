package policy

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Compile makes a policy ready to be asked. The error is a *report.Err with all faults that Check finds.
func (p *Policy) Compile() (*Matcher, error) {
	if r := p.Check(); r.Failed() {
		return nil, r.Err()
	}
	m := &Matcher{
		mode: p.Mode, agent: p.Agent, exact: map[string]*node{}, below: map[string]*node{}, addrs: map[netip.Addr]*node{},
		limits: map[string]Limits{}, keys: newKeyring(p),
	}
	for i := range p.Allow {
		m.addAllow(&p.Allow[i])
	}
	for i := range p.Deny {
		m.addDenial(&p.Deny[i])
	}
	return m, nil
}

// In returns the same rules in another mode, such as Bypassed.
func (m *Matcher) In(mode string) *Matcher {
	c := *m
	c.mode = mode
	return &c
}

// modeCut is the mode of Cut.
const modeCut = "cut"

// Cut returns a matcher that refuses everything, as an operator's switch wants it.
func (m *Matcher) Cut() *Matcher { return m.In(modeCut) }

// at returns the node of a host of a policy.
func (m *Matcher) at(host string) *node {
	if name, ok := strings.CutPrefix(host, "*."); ok {
		return entry(m.below, name)
	}
	if h, err := ParseHost(host); err == nil && h.Name == "" {
		return entry(m.addrs, h.Addr)
	}
	return entry(m.exact, host)
}

func entry[K comparable, V any](m map[K]*V, key K) *V {
	v := m[key]
	if v == nil {
		v = new(V)
		m[key] = v
	}
	return v
}

func (n *node) at(port int) *group {
	i, ok := n.find(uint16(port))
	if !ok {
		n.groups = slices.Insert(n.groups, i, group{port: uint16(port)})
	}
	return &n.groups[i]
}

func (m *Matcher) addAllow(a *Rule) {
	n, r := m.at(a.Host), &rule{name: a.Name, host: a.Host}
	if a.Limits != nil {
		r.limits, r.budget = *a.Limits, a.budget()
		m.limits[r.budget] = both(m.limits[r.budget], r.limits)
	}
	some := len(a.Methods)+len(a.Paths) > 0
	for _, port := range a.Ports {
		g := n.at(port)
		g.protocol = a.Protocol
		g.inspect = g.inspect || some
		g.private = g.private || a.Private
		if g.allow == nil {
			g.allow = new(set)
		}
		g.allow.add(a.Methods, a.Paths, r)
		if g.first == nil {
			g.first = &rule{name: a.Name, host: a.Host}
		}
		if !some { // a connection is not inspected, so its limits are this rule's
			g.first = g.allow.any.any
		}
	}
}

func (m *Matcher) addDenial(a *Denial) {
	n, r := m.at(a.Host), &rule{name: a.Name}
	if len(a.Ports) == 0 && n.denied == nil {
		n.denied = r
	}
	for _, port := range a.Ports {
		g := n.at(port)
		if len(a.Methods)+len(a.Paths) > 0 {
			g.inspect = true
			if g.deny == nil {
				g.deny = &set{fold: true}
			}
			g.deny.add(a.Methods, a.Paths, r)
		} else if g.denied == nil {
			g.denied = r
		}
	}
}

func (s *set) add(methods, paths []string, r *rule) {
	if len(paths) == 0 {
		if s.any == nil {
			s.any = new(leaf)
		}
		s.any.add(methods, r)
	}
	if s.exact == nil {
		s.exact, s.below = map[string]*leaf{}, map[string]*leaf{}
	}
	for _, p := range paths {
		key := string(s.key(nil, p))
		if prefix, ok := strings.CutSuffix(key, "*"); ok {
			s.depth = max(s.depth, strings.Count(prefix, "/"))
			entry(s.below, prefix).add(methods, r)
			continue
		}
		if s.fold && key != "/" {
			key = strings.TrimSuffix(key, "/")
		}
		entry(s.exact, key).add(methods, r)
	}
}

func (l *leaf) add(methods []string, r *rule) {
	if len(methods) == 0 {
		l.any = merge(l.any, r)
		return
	}
	if l.methods == nil {
		l.methods = map[string]*rule{}
	}
	for _, m := range methods {
		l.methods[m] = merge(l.methods[m], r)
	}
}

// merge returns one rule for two that fit the same requests: the name of the first, of each limit the stricter one.
func merge(a, b *rule) *rule {
	if a == nil {
		return b
	}
	return &rule{name: a.name, host: a.host, budget: cmp.Or(a.budget, b.budget), limits: both(a.limits, b.limits)}
}

func both(a, b Limits) Limits {
	return Limits{
		RequestsPerDay: stricter(a.RequestsPerDay, b.RequestsPerDay), BytesUpPerDay: stricter(a.BytesUpPerDay, b.BytesUpPerDay),
	}
}

// budget names what is counted for a rule's limits: by what it allows, not by its place among the rules. All ports of a
// host count together: a rule of a spec without ports is one for 443 and one for 80 here.
func (r *Rule) budget() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", r.Methods, r.Paths))
	return fmt.Sprintf("%s#%x", r.Host, sum[:4])
}

func stricter(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
