package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/policy"
)

// E24 and E25: the other modes allow all but what is unsafe.
func TestModes(t *testing.T) {
	p := team()
	m := compile(t, p)
	for _, c := range []struct{ ask, want string }{
		{"connect origin.test:443", "allow allow[0] tls"},
		{"dns other.test", "reported host-not-listed"},
		{"connect other.test:443", "reported host-not-listed"},
		{"connect both.test:443", "reported denied deny[1]"},
		{"https api.wild.test:443 GET /x", "reported path-not-listed"},
		{"tcp :443 1.2.3.4", "reported address-not-listed"},
		{"dial other.test:443 1.2.3.4", "reported host-not-listed"},
		{"tcp :443 10.0.0.1", "private-address"},
		{"connect 10.0.0.5:22", "private-address"},
		{"dial other.test:443 10.0.0.1", "private-address"},
		{"dial origin.test:443 169.254.169.254", "forbidden-address allow[0]"},
		{"connect 0x7f.1:443", "bad-host"},
		{"https api.wild.test:443 GET /x/../y", "bad-path"},
	} {
		if got := answer(m.In(policy.Report).Decide(ask(t, c.ask))); got != c.want {
			t.Errorf("report: %q: got %q, want %q", c.ask, got, c.want)
		}
		want := c.want
		if strings.HasPrefix(want, "reported") {
			want = "allow"
		}
		if got := m.In(policy.Off).Decide(ask(t, c.ask)); !strings.HasPrefix(answer(got), want) || got.Reported {
			t.Errorf("off: %q: got %+v, want %q", c.ask, got, want)
		}
	}
	for q, want := range map[string]string{
		"connect other.test:443": policy.TLS, "tcp other.test:80": policy.HTTP, "tcp other.test:22": policy.Raw,
		"tls origin.test:80": policy.TLS, "dns other.test": "",
	} {
		if d := m.In(policy.Report).Decide(ask(t, q)); d.Protocol != want || !d.Reported {
			t.Errorf("report: %q: got %+v, want %q", q, d, want)
		}
	}
	if m.Decide(ask(t, "connect other.test:443")).Allow {
		t.Error("the matcher that another one was made of has changed")
	}
}

func TestDecisionSaysWhatToPassOn(t *testing.T) {
	m := compile(t, team())
	for ask1, want := range map[string]string{
		"https api.wild.test:443 GET /repos/me/%7ea%2Db%c3%bc?x=%7e": "/repos/me/~a-b%C3%BC?x=%7e",
		"http origin.test:80 GET /%7ea;b//c?d":                       "/%7ea;b//c?d", // no rule looks at it
		"https hub.test:443 GET /%65vil/x":                           "/evil/x",      // denied
		"https hub.test:443 DELETE /%61":                             "/a",           // a rule for another path has looked at it
		"https api.wild.test:443 GET /%61":                           "/a",           // not listed
		"http origin.test:443 GET /a;b":                              "/a;b",         // another protocol
		"http other.test:80 GET /a;b":                                "/a;b",
	} {
		if d := m.In(policy.Report).Decide(ask(t, ask1)); d.Path != want || !d.Allow {
			t.Errorf("%s: got %+v, want %q", ask1, d, want)
		}
	}
	for ask1, want := range map[string]bool{
		"connect hub.test:443":    true,
		"tls api.wild.test:443":   true,
		"connect both.test:443":   false,
		"tcp git.wild.test:22":    false,
		"connect only.test:22":    false, // nothing says that it speaks HTTP
		"connect only.test:443":   false,
		"connect origin.test:443": false,
	} {
		if d := m.In(policy.Report).Decide(ask(t, ask1)); d.Inspect != want {
			t.Errorf("%s: got %+v", ask1, d)
		}
	}
	for ask1, want := range map[string]policy.Limits{
		"https hub.test:443 GET /x": {RequestsPerDay: 100, BytesUpPerDay: 1 << 20},
		"connect hub.test:443":      {}, // its requests have them
		"connect cap.test:443":      {BytesUpPerDay: 9},
	} {
		if d := cmp.Diff(want, m.Decide(ask(t, ask1)).Limits); d != "" {
			t.Errorf("%s: %s", ask1, d)
		}
	}
}

// Two rules for the same requests: one name, and of each limit the stricter.
func TestLimitsMerge(t *testing.T) {
	p := team()
	p.Allow = []policy.Rule{
		{Name: "floor", Host: "a.test", Ports: []int{443}, Protocol: policy.TLS},
		{Name: "one", Host: "a.test", Ports: []int{443}, Protocol: policy.TLS, Limits: &policy.Limits{RequestsPerDay: 9}},
		{Name: "two", Host: "a.test", Ports: []int{443}, Protocol: policy.TLS, Limits: &policy.Limits{RequestsPerDay: 5, BytesUpPerDay: 7}},
	}
	d := compile(t, p).Decide(ask(t, "connect a.test:443"))
	if d.Rule != "floor" || d.Limits != (policy.Limits{RequestsPerDay: 5, BytesUpPerDay: 7}) {
		t.Errorf("got %+v", d)
	}
}

// A request that several rules allow is decided by the one with the most specific path, in either order.
func TestMostSpecificPathNamesTheRule(t *testing.T) {
	for _, order := range [][]string{{"/*", "/a/*", "/a/b"}, {"/a/b", "/a/*", "/*"}} {
		p := team()
		for _, path := range order {
			p.Allow = append(p.Allow, policy.Rule{
				Name: path, Host: "new.test", Ports: []int{443}, Protocol: policy.TLS, Paths: []string{path},
				Private: path == order[0],
			})
		}
		m := compile(t, p)
		for path, want := range map[string]string{"/": "/*", "/b/c": "/*", "/a/c/d": "/a/*", "/a/b": "/a/b", "/a/b/": "/a/*"} {
			if d := m.Decide(ask(t, "https new.test:443 GET "+path)); d.Rule != want {
				t.Errorf("%v: %s is decided by %q", order, path, d.Rule)
			}
		}
		if d := m.Decide(ask(t, "dial new.test:443 10.0.0.1")); !d.Allow { // private is the host's, whichever rule says it
			t.Errorf("%v: %+v", order, d)
		}
	}
}

// A denial of paths cannot be held to where nobody reads them.
func TestRawIsNotReadable(t *testing.T) {
	p := team()
	p.Deny = append(p.Deny, policy.Denial{Name: "deny", Host: "git.wild.test", Ports: []int{22}, Paths: []string{"/x"}})
	if got := answer(compile(t, p).Decide(ask(t, "tcp git.wild.test:22"))); got != "unreadable allow[2]" {
		t.Error(got)
	}
}
