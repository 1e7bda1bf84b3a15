package access

import (
	"net/netip"
	"slices"
	"strings"

	"fleet/schemas/policy"
)

// side is one policy, and which of its rules may have a say on a host.
type side struct {
	m     *policy.Matcher
	allow map[string][]*policy.Rule // by host, as rules have it
	deny  map[string][]*policy.Denial
}

func newSide(p *policy.Policy) (*side, error) {
	m, err := p.Compile()
	if err != nil {
		return nil, err
	}
	s := &side{m: m.In(policy.Enforce), allow: map[string][]*policy.Rule{}, deny: map[string][]*policy.Denial{}}
	for i := range p.Allow {
		r := &p.Allow[i]
		s.allow[r.Host] = append(s.allow[r.Host], r)
	}
	for i := range p.Deny {
		d := &p.Deny[i]
		s.deny[d.Host] = append(s.deny[d.Host], d)
	}
	return s, nil
}

func (s *side) hosts() []string {
	var out []string
	for h := range s.allow {
		out = append(out, h)
	}
	for h := range s.deny {
		out = append(out, h)
	}
	return out
}

// above are the hosts of rules that fit a host of a rule: itself, and the wildcards that it lies below.
func above(host string) []string {
	out := []string{host}
	if _, err := netip.ParseAddr(host); err == nil {
		return out
	}
	for name := strings.TrimPrefix(host, "*."); ; {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return out
		}
		name = rest
		out = append(out, "*."+name)
	}
}

func (s *side) ports(host string) (out []int) {
	for _, h := range above(host) {
		for _, r := range s.allow[h] {
			out = append(out, r.Ports...)
		}
	}
	return out
}

func (s *side) methods(host string) (out []string) {
	for _, h := range above(host) {
		for _, r := range s.allow[h] {
			out = append(out, r.Methods...)
		}
		for _, d := range s.deny[h] {
			out = append(out, d.Methods...)
		}
	}
	return out
}

func (s *side) paths(host string) (out []string) {
	for _, h := range above(host) {
		for _, r := range s.allow[h] {
			out = append(out, r.Paths...)
		}
		for _, d := range s.deny[h] {
			out = append(out, d.Paths...)
		}
	}
	return out
}

// What stands for all that no rule names.
const (
	otherName   = "any-other-name"
	otherMethod = "OTHER"
	otherPath   = "/any-other-path"
)

// question is what both sides are asked about a host of a rule and a port.
type question struct {
	host           string
	port           int
	methods, paths []string // that any rule of either side names
}

// answer is what a side lets through.
type answer struct {
	cells        []string // requests, such as "GET /x/*"; one for all where no rule names any
	all          bool     // none of the requests is left out
	rule         string
	private, raw bool
	limits       policy.Limits
}

// about says by which rule, and how it is special.
func (a answer) about() string {
	out := " (" + a.rule
	if a.raw {
		out += ", any protocol"
	}
	if a.private {
		out += ", private addresses too"
	}
	return out + ")"
}

// ask asks for every request that rules can tell apart.
func (s *side) ask(q question) answer {
	host := q.host
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		host = otherName + "." + rest
	}
	d := s.m.Decide(policy.Request{Kind: policy.KindConnect, Host: host, Port: uint16(q.port)})
	if !d.Allow {
		return answer{}
	}
	a := answer{rule: d.Rule, raw: d.Protocol == policy.Raw, limits: d.Limits, private: s.private(host, q.port)}
	kind := policy.KindHTTPS
	if d.Protocol == policy.HTTP {
		kind = policy.KindHTTP
	}
	for _, method := range slices.Concat(q.methods, []string{otherMethod}) {
		for _, path := range slices.Concat(q.paths, []string{otherPath}) {
			r := policy.Request{Kind: kind, Host: host, Port: uint16(q.port), Method: method, Path: sample(path)}
			e := s.m.Decide(r)
			if !a.raw && !e.Allow {
				continue
			}
			if !a.raw {
				a.rule, a.limits = e.Rule, e.Limits
			}
			a.cells = append(a.cells, cell(method, path))
		}
	}
	a.all = len(a.cells) == (len(q.methods)+1)*(len(q.paths)+1)
	return a
}

// sample is a path that a pattern fits and nothing more specific does.
func sample(pattern string) string {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return prefix + strings.TrimPrefix(otherPath, "/")
	}
	return pattern
}

func cell(method, path string) string {
	if method == otherMethod {
		method = "any other method"
	}
	if path == otherPath {
		path = "any other path"
	}
	return method + " " + path
}

// private tells whether a host may lie at a private address. A rule for an address says so by itself.
func (s *side) private(host string, port int) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	return s.m.Decide(policy.Request{
		Kind: policy.KindDial, Host: host, Port: uint16(port), Addr: netip.AddrFrom4([4]byte{10, 0, 0, 1}),
	}).Allow
}
