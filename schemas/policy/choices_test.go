package policy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fleet/schemas/policy"
)

// Texts of requests and what they mean; "" is refused.
var (
	hostTexts = map[string]string{
		"x.test": "x.test", "A.x.TEST": "a.x.test", "a.x.test.": "a.x.test", "b.a.x.test": "b.a.x.test",
		"c.b.a.x.test": "c.b.a.x.test", "notx.test": "notx.test", "y.test": "y.test", "q.Y.test": "q.y.test", "test": "test",
		"10.0.0.5": "10.0.0.5", "[::ffff:10.0.0.5]": "10.0.0.5", "9.9.9.9": "9.9.9.9", "127.1": "", "a..x.test": "", "": "",
		longChild + ".x.test": longChild + ".x.test",
	}
	pathTexts = map[string]string{
		"/": "/", "/a": "/a", "/%61/": "/a/", "/A/b?c": "/A/b", "/a/b/c": "/a/b/c", "/b": "/b", "/a/../b": "", "/a//b": "",
	}
	addrTexts = map[string]policy.Class{
		"1.2.3.4": policy.Public, "10.0.0.5": policy.Local, "::ffff:1.2.3.4": policy.Local, "169.254.1.1": policy.Never,
	}
	patterns     = []string{"x.test", "a.x.test", "b.a.x.test", "*.x.test", "*.a.x.test", "*.b.a.x.test", "y.test", "*.y.test", "10.0.0.5"}
	pathPatterns = []string{"/", "/a", "/*", "/a/*", "/a/b/*", "/b", "/a/"}
	longChild    = strings.Repeat("k", 40) + "." + strings.Repeat("k", 30)
	methods      = []string{"GET", "POST", "get", "TRACE"}
	ports        = []int{22, 80, 443}
)

// choices makes a policy and a request of a stream of bytes; at its end every choice is the first.
type choices struct{ b []byte }

func (c *choices) n(below int) int {
	if len(c.b) == 0 {
		return 0
	}
	n := int(c.b[0]) % below
	c.b = c.b[1:]
	return n
}

func pick[T any](c *choices, list []T) T { return list[c.n(len(list))] }

func some[T any](c *choices, list []T, most int) (out []T) {
	for range c.n(most + 1) {
		out = append(out, pick(c, list))
	}
	return out
}

func (c *choices) policy() policy.Policy {
	p := policy.Policy{
		Version: 1, Project: "demo", Agent: "lead", Mode: pick(c, []string{policy.Enforce, policy.Enforce, policy.Report, policy.Off}),
	}
	salt := c.n(256)
	for i := range c.n(6) {
		r := policy.Rule{Name: fmt.Sprint("allow ", i), Host: pick(c, patterns), Protocol: pick(c, []string{policy.TLS, policy.HTTP, policy.Raw})}
		for j, port := range ports { // the protocol depends on host and port, so that rules do not contradict each other
			if protocol := []string{policy.TLS, policy.HTTP, policy.Raw}[(j+salt+len(r.Host))%3]; protocol == r.Protocol && c.n(4) > 0 {
				r.Ports = append(r.Ports, port)
			}
		}
		r.Private = r.Host == "10.0.0.5" || c.n(4) == 0
		if r.Protocol != policy.Raw {
			r.Methods, r.Paths = some(c, methods[:2], 1), some(c, pathPatterns, 2)
		}
		if len(r.Ports) > 0 {
			p.Allow = append(p.Allow, r)
		}
	}
	for i := range c.n(4) {
		d := policy.Denial{Name: fmt.Sprint("deny ", i), Host: pick(c, patterns)}
		if c.n(3) > 0 {
			d.Ports = []int{pick(c, ports)}
			d.Methods, d.Paths = some(c, methods[:2], 1), some(c, pathPatterns, 2)
		}
		p.Deny = append(p.Deny, d)
	}
	for i := range c.n(4) {
		s := policy.Secret{
			Name: fmt.Sprint("S", i), Placeholder: fmt.Sprintf("placeholder-number-%d", i), Bearer: true,
			Hosts: []string{pick(c, patterns[:8])}, Ports: [][]int{{443}, {22, 443}, {80}}[c.n(3)],
			Methods: some(c, methods[:2], 1), Paths: some(c, pathPatterns, 2),
		}
		if !slices.ContainsFunc(p.Allow, func(r policy.Rule) bool { // such a policy is refused
			return r.Host == s.Hosts[0] && r.Protocol != policy.TLS && slices.ContainsFunc(r.Ports, func(port int) bool {
				return slices.Contains(s.Ports, port)
			})
		}) {
			p.Secrets = append(p.Secrets, s)
		}
	}
	p.Quoting = some(c, patterns[:8], 1)
	return p
}

func sorted[V any](m map[string]V) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (c *choices) request() policy.Request {
	q := policy.Request{Kind: policy.Kind(1 + c.n(int(policy.KindDial))), Host: pick(c, sorted(hostTexts)), Port: uint16(pick(c, append(ports, ports...)))}
	switch q.Kind {
	case policy.KindHTTP, policy.KindHTTPS:
		q.Method, q.Path = pick(c, append(methods, "GET", "GET", "POST")), pick(c, sorted(pathTexts))
	case policy.KindDial, policy.KindTCP:
		q.Addr = netip.MustParseAddr(pick(c, sorted(addrTexts)))
	}
	return q
}
