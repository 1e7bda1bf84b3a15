package policy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"fleet/schemas/policy"
)

// reference decides as the documentation says, by going over all rules again and again, in no hurry. It shares no code
// with the product: texts come from tables that hold their canonical form.
type reference struct{ p policy.Policy }

// rank is how well a pattern fits a name: 0 not at all, more labels better, an exact one best.
func rank(pattern, name string) int {
	switch {
	case pattern == name:
		return 1000
	case pattern[0] == '*' && strings.HasSuffix(name, pattern[1:]) && len(name) >= len(pattern):
		return strings.Count(pattern, ".")
	}
	return 0
}

// ranks are all that there are.
var ranks = []int{1000, 4, 3, 2, 1}

func pathFits(list []string, path string, deny bool) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(p string) bool {
		re := "^" + strings.Replace(regexp.QuoteMeta(p), `\*`, ".*", 1) + "$"
		if deny {
			re = "(?i)" + strings.TrimSuffix(strings.TrimSuffix(re, "$"), "/")
			if strings.HasSuffix(p, "*") {
				re += "$"
			} else {
				re += "/?$"
			}
		}
		return compiled(re).MatchString(path)
	})
}

// compiled keeps expressions: there are few, and making them is what takes time.
func compiled(re string) *regexp.Regexp {
	r, ok := expressions.Load(re)
	if !ok {
		r, _ = expressions.LoadOrStore(re, regexp.MustCompile(re))
	}
	return r.(*regexp.Regexp)
}

var expressions sync.Map

func methodFits(list []string, m string) bool { return len(list) == 0 || slices.Contains(list, m) }

// verdict is what is compared of a decision.
type verdict struct {
	allow, reported, inspect bool
	reason, protocol         string
	secrets                  string
}

// secrets lists those of the policy by what they are to a request: near, here, or what it may have.
func (r reference) secrets(q policy.Request) string {
	name, path := hostTexts[q.Host], pathTexts[q.Path]
	if path == "" {
		path, _, _ = strings.Cut(q.Path, "?")
	}
	near, here, may := "", "", ""
	for _, s := range r.p.Secrets {
		if rank(s.Hosts[0], name) == 0 {
			continue
		}
		near += s.Name
		if !slices.Contains(s.Ports, int(q.Port)) {
			continue
		}
		here += s.Name
		if q.Kind == policy.KindHTTPS && methodFits(s.Methods, q.Method) && pathFits(s.Paths, path, false) {
			may += s.Name
		}
	}
	quoting := len(r.p.Secrets) > 0 && slices.ContainsFunc(r.p.Quoting, func(host string) bool { return rank(host, name) > 0 })
	return fmt.Sprint(len(r.p.Secrets), " ", near, " ", here, " ", may, " ", quoting)
}

// here tells whether a secret goes to a host and port.
func (r reference) here(name string, port uint16) bool {
	return slices.ContainsFunc(r.p.Secrets, func(s policy.Secret) bool {
		return rank(s.Hosts[0], name) > 0 && slices.Contains(s.Ports, int(port))
	})
}

// ambiguous tells whether a secret goes by the path of a request that has more than one reading.
func (r reference) ambiguous(q policy.Request) bool {
	name := hostTexts[q.Host]
	return q.Kind == policy.KindHTTPS && pathTexts[q.Path] == "" && slices.ContainsFunc(r.p.Secrets, func(s policy.Secret) bool {
		return len(s.Paths) > 0 && rank(s.Hosts[0], name) > 0 && slices.Contains(s.Ports, int(q.Port))
	})
}

func shownSecrets(h policy.Held) string {
	names := func(s policy.SecretSet) (out string) {
		for x := range s.Each() {
			out += x.Name
		}
		return out
	}
	n := 0
	for range h.All().Each() {
		n++
	}
	return fmt.Sprint(n, " ", names(h.Near()), " ", names(h.Here()), " ", names(h.May()), " ", h.Quoting())
}

func refuse(reason string) verdict { return verdict{reason: reason} }

func (r reference) decide(q policy.Request) verdict {
	v := r.judge(q)
	if r.ambiguous(q) && (v.allow || v.reason != "bad-port" && v.reason != "bad-host" && v.reason != "bad-method") {
		v = refuse("bad-path")
	}
	unsafe := strings.HasPrefix(v.reason, "bad-") || v.reason == "private-address" || v.reason == "forbidden-address"
	if v.allow || r.p.Mode == policy.Enforce || unsafe {
		return v
	}
	if r.p.Mode == policy.Off {
		return verdict{allow: true, reason: "mode-off"}
	}
	return verdict{allow: true, reported: true, reason: v.reason}
}

func (r reference) judge(q policy.Request) verdict {
	name, http := hostTexts[q.Host], q.Kind == policy.KindHTTP || q.Kind == policy.KindHTTPS
	if q.Host == "" && q.Kind == policy.KindTCP && q.Addr.IsValid() {
		name = q.Addr.Unmap().String()
	}
	_, err := netip.ParseAddr(name)
	switch literal := err == nil; {
	case q.Kind == policy.KindDial && !q.Addr.IsValid():
		return refuse("bad-request")
	case q.Port == 0 && q.Kind != policy.KindDNS:
		return refuse("bad-port")
	case name == "", literal && q.Kind == policy.KindDNS:
		return refuse("bad-host")
	case literal && q.Kind == policy.KindDial && name != q.Addr.Unmap().String():
		return refuse("bad-request")
	case q.Kind == policy.KindDNS:
		return r.dns(name)
	case http && q.Method != "GET" && q.Method != "POST":
		return refuse("bad-method")
	case literal:
		return r.reach(q, name, netip.MustParseAddr(name), r.rules(q, name))
	}
	v := r.rules(q, name)
	if q.Kind == policy.KindDial {
		return r.reach(q, name, q.Addr, v)
	}
	return v
}

// reach looks at the address that a request would lead to.
func (r reference) reach(q policy.Request, name string, a netip.Addr, v verdict) verdict {
	class, known := addrTexts[a.String()]
	if q.Kind == policy.KindDial {
		class, known = addrTexts[q.Addr.String()]
	}
	if a.String() == "9.9.9.9" {
		class, known = policy.Public, true
	}
	if !known {
		panic(a)
	}
	private := false // the rules that decide on the connection let it
	if best := r.best(name, int(q.Port)); v.reason != "denied" && v.reason != "bad-path" && v.reason != "long-name" || v.allow {
		for _, a := range best {
			private = private || a.Private
		}
	}
	switch {
	case class == policy.Never:
		return refuse("forbidden-address")
	case class == policy.Local && !private && (q.Kind == policy.KindDial || r.p.Mode != policy.Enforce):
		return refuse("private-address")
	}
	return v
}

// best returns the rules that allow with the most specific host among those for a port.
func (r reference) best(name string, port int) (out []policy.Rule) {
	top := 1
	for _, a := range r.p.Allow {
		if slices.Contains(a.Ports, port) {
			top = max(top, rank(a.Host, name))
		}
	}
	for _, a := range r.p.Allow {
		if slices.Contains(a.Ports, port) && rank(a.Host, name) == top {
			out = append(out, a)
		}
	}
	return out
}

func (r reference) dns(name string) verdict {
	last := refuse("host-not-listed")
	for _, at := range ranks {
		for _, d := range r.p.Deny {
			if rank(d.Host, name) == at && len(d.Ports) == 0 {
				return refuse("denied")
			}
		}
		for _, port := range ports {
			if !slices.ContainsFunc(r.p.Allow, func(a policy.Rule) bool {
				return rank(a.Host, name) == at && slices.Contains(a.Ports, port)
			}) {
				continue
			}
			last = r.rules(policy.Request{Kind: policy.KindConnect, Port: uint16(port)}, name)
			if last.allow || last.reason == "long-name" {
				return verdict{allow: last.allow, reason: last.reason}
			}
		}
	}
	return refuse(last.reason)
}

func (r reference) rules(q policy.Request, name string) verdict {
	http := q.Kind == policy.KindHTTP || q.Kind == policy.KindHTTPS
	path, inspect := pathTexts[q.Path], r.here(name, q.Port)
	reason := "host-not-listed"
	if _, err := netip.ParseAddr(name); err == nil {
		reason = "address-not-listed"
	}
	for _, at := range ranks {
		var allow []policy.Rule
		var deny []policy.Denial
		other, looks := false, false // another port; at the path
		for _, a := range r.p.Allow {
			if rank(a.Host, name) == at {
				other = true
				if slices.Contains(a.Ports, int(q.Port)) {
					allow, other = append(allow, a), false
					looks = looks || a.Paths != nil
					inspect = inspect || len(a.Paths)+len(a.Methods) > 0
				}
			}
		}
		for _, d := range r.p.Deny {
			if rank(d.Host, name) != at {
				continue
			}
			other = true
			if len(d.Ports) == 0 || slices.Contains(d.Ports, int(q.Port)) {
				if len(d.Paths)+len(d.Methods) == 0 {
					return refuse("denied")
				}
				deny = append(deny, d)
				looks = looks || d.Paths != nil
				inspect = true
			}
		}
		if len(allow)+len(deny) == 0 {
			if other {
				reason = "port-not-listed"
			}
			continue
		}
		if http && looks && path == "" {
			return refuse("bad-path")
		}
		for _, d := range deny {
			if http && pathFits(d.Paths, path, true) && methodFits(d.Methods, q.Method) {
				return refuse("denied")
			}
		}
		if len(allow) > 0 {
			return r.allow(q, name, path, inspect, allow)
		}
	}
	return refuse(reason)
}

func (r reference) allow(q policy.Request, name, path string, inspect bool, allow []policy.Rule) verdict {
	protocol := allow[0].Protocol
	if allow[0].Host[0] == '*' && len(strings.TrimSuffix(name, allow[0].Host[1:])) > 63 {
		return refuse("long-name")
	}
	if protocol == policy.Raw && inspect {
		return refuse("unreadable")
	}
	switch q.Kind {
	case policy.KindTLS:
		if protocol == policy.HTTP {
			return refuse("protocol-not-listed")
		}
	case policy.KindHTTP:
		if protocol == policy.TLS {
			return refuse("protocol-not-listed")
		}
	case policy.KindHTTPS:
		if protocol != policy.TLS {
			return refuse("protocol-not-listed")
		}
	default:
		return verdict{allow: true, reason: "allowed", protocol: protocol, inspect: inspect}
	}
	reason := "path-not-listed"
	for _, a := range allow {
		if q.Kind == policy.KindTLS || pathFits(a.Paths, path, false) && methodFits(a.Methods, q.Method) {
			return verdict{allow: true, reason: "allowed", protocol: protocol, inspect: inspect}
		}
		if pathFits(a.Paths, path, false) {
			reason = "method-not-listed"
		}
	}
	return refuse(reason)
}

func compareDecisions(t *testing.T, b []byte) {
	t.Helper()
	c := choices{b}
	p := c.policy()
	m := compile(t, p)
	for range 8 {
		q := c.request()
		d := m.Decide(q)
		got := verdict{allow: d.Allow, reported: d.Reported, inspect: d.Inspect, reason: d.Reason, protocol: d.Protocol}
		if !d.Allow || d.Rule == "" || d.Reported {
			got.inspect, got.protocol = false, "" // said for allowed ones only
		}
		want := reference{p}.decide(q)
		if d.Allow && q.Kind != policy.KindDNS {
			got.secrets, want.secrets = shownSecrets(d.Held), reference{p}.secrets(q)
		}
		if got != want {
			t.Fatalf("%+v\n%+v\ngot  %+v by %q\nwant %+v", p, q, got, d.Rule, want)
		}
		if strings.HasPrefix(d.Rule, "deny") != (d.Reason == policy.ReasonDenied) || d.Reason == policy.ReasonAllowed && d.Rule == "" {
			t.Fatalf("%+v\n%+v\nnames the wrong rule: %+v", p, q, d)
		}
	}
}

// FuzzDecide holds decisions against the reference.
func FuzzDecide(f *testing.F) {
	f.Add([]byte("some policy, and then some requests of all kinds to it"))
	f.Fuzz(compareDecisions)
}

// The same for many policies in every run of the tests.
func TestDecideAsReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 200)
	for range 5000 {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		compareDecisions(t, b)
	}
}
