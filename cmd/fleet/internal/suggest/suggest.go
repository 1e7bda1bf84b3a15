// Package suggest makes an allow list of what an agent used: exactly the hosts, ports and requests that records name,
// and never a wildcard or an address, which are for a person to decide on.
package suggest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fleet/activate/plaintext"
	"fleet/schemas/audit"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// Ports that a rule without ports has.
const portHTTP, portTLS = 80, 443

// Maker collects the records of one agent.
type Maker struct {
	now    *policy.Matcher // what is allowed already
	denied bool
	hosts  map[string]*host
	left   map[leftOut]int64
}

// host is what was used of one host.
type host struct {
	ports    map[int]bool     // true where a request or a ClientHello was seen, false for a bare connection
	requests map[request]bool // where rules look at methods and paths
	named    bool             // its address was asked for in vain: nobody knows the port
}

type request struct {
	port         int
	method, path string
}

type leftOut struct{ what, why string }

// New makes a Maker. now is the policy in force, nil where there is none; with denied, what was denied counts as used.
func New(now *policy.Matcher, denied bool) *Maker {
	return &Maker{now: now, denied: denied, hosts: map[string]*host{}, left: map[leftOut]int64{}}
}

// Add takes a record.
func (m *Maker) Add(r audit.Record) {
	used := r.Verdict == audit.Would || r.Verdict == audit.Bypassed || m.denied && r.Verdict == audit.Deny
	if !used || r.Event == audit.End {
		return
	}
	why, ok := fit[r.Reason]
	if !ok {
		why = r.Reason
	}
	named := policy.CheckPattern(r.Host) == nil && !strings.HasPrefix(r.Host, "*")
	switch {
	case why == "" && !named:
		why = "is no plain name"
	case why == "" && strings.Contains(r.Path, "*"):
		why = "has a path with an asterisk"
	}
	if why != "" {
		m.leave(r, why)
		return
	}
	if m.now == nil || !m.allowed(r) {
		m.use(r)
	}
}

// fit are the reasons that a rule answers; those with a text are a person's to answer.
var fit = map[string]string{
	policy.ReasonHost: "", policy.ReasonPort: "", policy.ReasonMethod: "", policy.ReasonPath: "",
	policy.ReasonAddress: "is an address: a program that uses the name is better off", policy.ReasonDenied: "is on the deny list",
	policy.ReasonProtocol: "has a rule with another protocol", policy.ReasonPrivate: "lies at a private address: private: true is for you to write",
	policy.ReasonForbidden: "lies at an address that no agent may reach", policy.ReasonLongName: "is too long a name below a wildcard",
	policy.ReasonUnreadable: "is raw, and methods or paths of it are denied", "many": "are different ones, too many to have a record each",
}

func (m *Maker) leave(r audit.Record, why string) {
	what := r.Host
	if r.Port != 0 {
		what = fmt.Sprintf("%s:%d", what, r.Port)
	}
	m.left[leftOut{cmp.Or(plaintext.Short(what, 100), r.Kind), plaintext.Line(why)}] += max(1, r.Count)
}

func (m *Maker) allowed(r audit.Record) bool {
	q := policy.Request{Kind: policy.KindConnect, Host: r.Host, Port: uint16(r.Port), Method: r.Method, Path: r.Path}
	switch r.Kind {
	case "dns":
		q.Kind = policy.KindDNS
	case "http":
		q.Kind = policy.KindHTTP
	case "https":
		q.Kind = policy.KindHTTPS
	}
	d := m.now.In(policy.Enforce).Decide(q)
	return d.Allow
}

func (m *Maker) use(r audit.Record) {
	h := m.hosts[r.Host]
	if h == nil {
		h = &host{ports: map[int]bool{}, requests: map[request]bool{}}
		m.hosts[r.Host] = h
	}
	switch {
	case r.Port == 0:
		h.named = h.named || r.Verdict == audit.Deny
	case r.Method != "" && (r.Reason == policy.ReasonMethod || r.Reason == policy.ReasonPath):
		h.requests[request{r.Port, r.Method, cmp.Or(r.Path, "/")}] = true
	default:
		h.ports[r.Port] = h.ports[r.Port] || r.Kind == "tls" || r.Kind == "http" || r.Kind == "https"
	}
}

// Rules are the allow list, by host. Each is as short as a spec has it.
func (m *Maker) Rules() []fleet.EgressRule {
	var out []fleet.EgressRule
	for _, name := range slices.Sorted(maps.Keys(m.hosts)) {
		h := m.hosts[name]
		if len(h.ports) == 0 && len(h.requests) == 0 {
			if h.named {
				out = append(out, fleet.EgressRule{Host: name})
			}
			continue
		}
		out = append(out, h.whole(name)...)
		out = append(out, h.parts(name)...)
	}
	return out
}

// whole are rules for everything at ports: one for the ports whose protocol is the usual one, one for each other protocol.
func (h *host) whole(name string) (out []fleet.EgressRule) {
	by := map[string][]int{}
	for _, port := range slices.Sorted(maps.Keys(h.ports)) {
		protocol := ""
		if port != portHTTP && port != portTLS && !h.ports[port] {
			protocol = policy.Raw
		}
		by[protocol] = append(by[protocol], port)
	}
	for _, protocol := range slices.Sorted(maps.Keys(by)) {
		r := fleet.EgressRule{Host: name, Ports: by[protocol], Protocol: protocol}
		if slices.Equal(r.Ports, []int{portHTTP, portTLS}) {
			r.Ports = nil
		}
		out = append(out, r)
	}
	return out
}

// parts are rules for requests: paths that were used with the same methods come together.
func (h *host) parts(name string) (out []fleet.EgressRule) {
	type at struct {
		port int
		path string
	}
	methods := map[at][]string{}
	for r := range h.requests {
		if _, all := h.ports[r.port]; !all {
			methods[at{r.port, r.path}] = append(methods[at{r.port, r.path}], r.method)
		}
	}
	type rule struct {
		port    int
		methods string
	}
	paths := map[rule][]string{}
	for a, all := range methods {
		slices.Sort(all)
		k := rule{a.port, strings.Join(all, " ")}
		paths[k] = append(paths[k], a.path)
	}
	keys := slices.SortedFunc(maps.Keys(paths), func(a, b rule) int {
		return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.methods, b.methods))
	})
	for _, k := range keys {
		slices.Sort(paths[k])
		out = append(out, fleet.EgressRule{Host: name, Ports: []int{k.port}, Methods: strings.Fields(k.methods), Paths: paths[k]})
	}
	return out
}

// LeftOut are lines that tell what the list does not have, and why.
func (m *Maker) LeftOut() []string {
	var out []string
	for l, n := range m.left {
		out = append(out, fmt.Sprintf("%s %s (%d times)", l.what, l.why, n))
	}
	for name, h := range m.hosts {
		if len(h.ports)+len(h.requests) == 0 && !h.named {
			out = append(out, name+" was looked up only")
		}
	}
	slices.Sort(out)
	return out
}
