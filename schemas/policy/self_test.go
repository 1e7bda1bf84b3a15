package policy_test

import (
	"strings"
	"testing"

	"fleet/schemas/policy"
)

// The gate's own names are no rule's business, in no mode, whatever is asked of them.
func TestSelf(t *testing.T) {
	p := team()
	p.Allow = append(p.Allow, policy.Rule{Name: "all", Host: "*.fleet.internal", Ports: []int{80, 443}, Protocol: policy.Raw, Private: true})
	m := compile(t, p)
	for _, name := range []string{policy.SelfName, policy.DeniedName, "GATE.fleet.internal."} {
		for _, q := range []string{
			"dns " + name, "connect " + name + ":80", "tcp " + name + ":80", "tls " + name + ":443",
			"http " + name + ":80 GET /", "dial " + name + ":80 1.1.1.1",
		} {
			for mode, m := range map[string]*policy.Matcher{
				"enforce": m, "report": m.In(policy.Report), "off": m.In(policy.Off), "bypassed": m.In(policy.Bypassed), "cut": m.Cut(),
			} {
				d := m.Decide(ask(t, q))
				if got := answer(d); got != policy.ReasonSelf || !strings.Contains(d.Help(ask(t, q)), "the gate's own name") {
					t.Errorf("%s: %s: got %q", mode, q, got)
				}
			}
		}
	}
	for _, q := range []string{"tcp :443 " + policy.DeniedAddr, "connect " + policy.DeniedAddr + ":443"} {
		if got := answer(m.In(policy.Off).Decide(ask(t, q))); got != policy.ReasonSelf {
			t.Errorf("%s: got %q", q, got)
		}
	}
	if got := answer(m.Decide(ask(t, "connect x.fleet.internal:80"))); got != "allow all raw" {
		t.Errorf("another name: %q", got)
	}
	p.Allow[0].Host = policy.SelfName
	if r := p.Check(); !strings.Contains(r.String(), "the gate answers for it itself") {
		t.Errorf("a rule for the gate's own name: %s", r.String())
	}
}

// EGR-H2: while an agent is cut off, nothing is allowed, and the text tells the way back.
func TestH2Cut(t *testing.T) {
	m := compile(t, team()).In(policy.Off).Cut()
	for _, s := range []string{
		"dns origin.test", "connect origin.test:443", "tcp :443 1.2.3.4", "http origin.test:80 GET /", "dial origin.test:443 1.1.1.1",
	} {
		q := ask(t, s)
		d := m.Decide(q)
		if d.Allow || d.Reason != policy.ReasonCut || !strings.Contains(d.Help(q), "fleet egress restore lead ") {
			t.Errorf("%s: got %+v: %s", s, d, d.Help(q))
		}
	}
}

// EGR-E24: a bypass allows what the list would refuse, says so, and leaves refused what is unsafe.
func TestE24Bypassed(t *testing.T) {
	m := compile(t, team()).In(policy.Bypassed)
	for s, want := range map[string]string{
		"connect other.test:443": "bypassed host-not-listed", "https api.wild.test:443 POST /x": "bypassed path-not-listed",
		"connect both.test:443": "bypassed denied", "connect origin.test:443": "allowed",
		"connect 10.0.0.1:443": policy.ReasonPrivate, "dial other.test:443 169.254.169.254": policy.ReasonForbidden,
		"connect 0x7f.1:443": policy.ReasonBadHost,
	} {
		d := m.Decide(ask(t, s))
		got := d.Reason
		if d.Bypassed {
			got = "bypassed " + got
		}
		if got != want || d.Bypassed && !d.Allow || d.Reported {
			t.Errorf("%s: got %+v", s, d)
		}
	}
	q := ask(t, "connect other.test:443")
	if h := m.Decide(q).Help(q); !strings.HasPrefix(h, "allowed by a bypass only: other.test:443 is not in") {
		t.Errorf("got %q", h)
	}
}

// EGR-J4, J6: what the gate has to count is named by what a rule allows.
func TestJ6Budget(t *testing.T) {
	p := team()
	m := compile(t, p)
	d := m.Decide(ask(t, "connect cap.test:443"))
	if d.Limits.BytesUpPerDay != 9 || !strings.HasPrefix(d.Budget, "cap.test#") || d.Wildcard() {
		t.Errorf("got %+v", d)
	}
	last := len(p.Allow) - 1
	p.Allow[0], p.Allow[last] = p.Allow[last], p.Allow[0]
	if again := compile(t, p).Decide(ask(t, "connect cap.test:443")); again.Budget != d.Budget {
		t.Errorf("in another order %s, before %s", again.Budget, d.Budget)
	}
	if m.Limits()[d.Budget] != d.Limits {
		t.Errorf("limits %v", m.Limits())
	}
	if d := m.Decide(ask(t, "dns x.wild.test")); !d.Wildcard() || d.Pattern != "*.wild.test" {
		t.Errorf("got %+v", d)
	}
	limits := &policy.Limits{RequestsPerDay: 2}
	p = policy.Policy{Version: 1, Project: "demo", Agent: "lead", Mode: policy.Enforce, Allow: []policy.Rule{
		{Name: "r", Host: "web.test", Ports: []int{80}, Protocol: policy.HTTP, Limits: limits},
		{Name: "r", Host: "web.test", Ports: []int{443}, Protocol: policy.TLS, Limits: limits},
	}}
	m = compile(t, p)
	plain, secure := m.Decide(ask(t, "http web.test:80 GET /")), m.Decide(ask(t, "connect web.test:443"))
	if plain.Budget == "" || plain.Budget != secure.Budget {
		t.Errorf("a host's ports count apart: %q, %q", plain.Budget, secure.Budget)
	}
	if d := m.Decide(ask(t, "tcp web.test:80")); d.Budget != "" || d.Limits != (policy.Limits{}) {
		t.Errorf("a connection counts beside its requests: %+v", d)
	}
	if d := m.Decide(ask(t, "http web.test:80 GET /")); d.Limits.RequestsPerDay != 2 || d.Budget == "" {
		t.Errorf("a request does not count: %+v", d)
	}
}
