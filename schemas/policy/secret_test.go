package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/policy"
)

// guarded is team with secrets: A for *.wild.test by header, B for api.wild.test by paths, C for a host of no rule.
func guarded() policy.Policy {
	p := team()
	p.Secrets = []policy.Secret{
		{Name: "A", Placeholder: "fleet-placeholder-A-0001", Hosts: []string{"*.wild.test", "origin.test"}, Ports: []int{443}, Header: "X-Api-Key"},
		{
			Name: "B", Placeholder: "fleet-placeholder-B-0001", Hosts: []string{"api.wild.test"}, Ports: []int{443},
			Methods: []string{"GET", "PROPFIND"}, Paths: []string{"/repos/*"}, Bearer: true,
		},
		{Name: "C", Placeholder: "fleet-placeholder-C-0001", Hosts: []string{"unlisted.test"}, Ports: []int{443, 8443}, Query: "key"},
	}
	p.Quoting = []string{"*.deep.wild.test"}
	return p
}

// Which secrets a request may have: by host, port, method and the canonical path, and inside TLS only.
func TestHeld(t *testing.T) {
	m := compile(t, guarded())
	for q, want := range map[string]string{ // all, near, here, may, quoting
		"https origin.test:443 GET /x":              "3 A A A false",
		"https origin.test:443 OPTIONS /x":          "3 A A  false",
		"https origin.test:443 PROPFIND /x":         "3 A A  false",
		"https origin.test:443 GET /a/../b":         "3 A A A false", // no rule and no secret looks at it
		"https origin.test:8443 GET /x":             "3 A   false",
		"http origin.test:80 GET /x":                "3 A   false",
		"http origin.test:443 GET /x":               "3 A A  false",
		"https api.wild.test:443 GET /repos/x":      "3 AB AB AB false",
		"https api.wild.test:443 GET /%72epos/x?y":  "3 AB AB AB false",
		"https api.wild.test:443 GET /Repos/x":      "3 AB AB A false",
		"https api.wild.test:443 PROPFIND /repos/x": "3 AB AB B false",
		"https api.wild.test:443 POST /repos/x":     "3 AB AB A false",
		"https api.wild.test:443 OPTIONS /repos/x":  "3 AB AB  false",
		"https x.deep.wild.test:443 GET /":          "3 A A A true",
		"https deep.wild.test:443 GET /":            "3 A A A false",
		"https wild.test:443 GET /":                 "3    false",
		"https notorigin.test:443 GET /":            "3    false",
		"https ORIGIN.test.:443 GET /x":             "3 A A A false",
		"https unlisted.test:8443 GET /":            "3 C C C false",
		"https 10.0.0.5:443 GET /":                  "3    false",
	} {
		for _, mode := range []string{policy.Report, policy.Off, policy.Bypassed} {
			d := m.In(mode).Decide(ask(t, q))
			if got := shownSecrets(d.Held); got != want && d.Allow {
				t.Errorf("%s: %s: got %q, want %q", mode, q, got, want)
			}
		}
	}
	if h := compile(t, team()).Decide(ask(t, "https origin.test:443 GET /x")).Held; h != (policy.Held{}) || h.Any() || !h.All().Empty() {
		t.Errorf("without secrets: %+v", h)
	}
}

// A request to a host of a secret is read inside TLS, also where no rule wants that and in every mode; a secret allows
// nothing.
func TestHeldInspects(t *testing.T) {
	m := compile(t, guarded())
	for q, want := range map[string]string{
		"connect origin.test:443":             "allow allow[0] tls",
		"tls x.wild.test:443":                 "allow allow[1] tls",
		"tcp origin.test:443":                 "allow allow[0] tls",
		"connect unlisted.test:443":           "host-not-listed",
		"https unlisted.test:443 GET /":       "host-not-listed",
		"https api.wild.test:443 GET /a/../b": "bad-path",
		"https api.wild.test:443 POST /repos": "path-not-listed",
	} {
		d := m.Decide(ask(t, q))
		if got := answer(d); !strings.HasPrefix(got, want) || d.Allow && !d.Inspect {
			t.Errorf("%s: got %q, inspect %v, want %q", q, got, d.Inspect, want)
		}
	}
	for _, mode := range []string{policy.Report, policy.Off, policy.Bypassed} {
		for _, q := range []string{"connect unlisted.test:443", "connect unlisted.test:8443", "tcp unlisted.test:8443", "tls unlisted.test:443", "tls git.wild.test:443"} {
			if d := m.In(mode).Decide(ask(t, q)); !d.Allow || !d.Inspect || d.Protocol != policy.TLS {
				t.Errorf("%s: %s: got %+v", mode, q, d)
			}
		}
		if d := m.In(mode).Decide(ask(t, "connect unlisted.test:22")); d.Inspect || d.Protocol != policy.Raw {
			t.Errorf("%s: another port: %+v", mode, d)
		}
	}
	// Where a wider rule says raw, nobody could read what goes there.
	p := guarded()
	p.Allow = append(p.Allow, policy.Rule{Name: "raw", Host: "*.raw.test", Ports: []int{443}, Protocol: policy.Raw})
	p.Secrets[0].Hosts = append(p.Secrets[0].Hosts, "x.raw.test")
	m = compile(t, p)
	q := ask(t, "tcp x.raw.test:443")
	d := m.Decide(q)
	if d.Reason != policy.ReasonUnreadable || !strings.Contains(d.Help(q), "a secret goes to this host") {
		t.Errorf("got %+v: %s", d, d.Help(q))
	}
	if d := m.In(policy.Report).Decide(q); !d.Inspect || d.Protocol != policy.TLS {
		t.Errorf("report: got %+v", d)
	}
}

func TestHeldAllocatesNothing(t *testing.T) {
	m := compile(t, guarded())
	for _, s := range []string{"https api.wild.test:443 GET /repos/x", "connect origin.test:443", "https x.deep.wild.test:443 GET /"} {
		q := ask(t, s)
		if n := testing.AllocsPerRun(50, func() { m.Decide(q) }); n > 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}

// Every fault of a secret, each by its place.
func TestCheckSecrets(t *testing.T) {
	for want, change := range map[string]func(s *policy.Secret){
		"":                                       func(*policy.Secret) {},
		"secrets[0].name: \"a\"":                 func(s *policy.Secret) { s.Name = "a" },
		"secrets[0].name: \"1A\"":                func(s *policy.Secret) { s.Name = "1A" },
		"secrets[1].name: \"B\" must be there":   func(s *policy.Secret) { s.Name = "B" },
		"secrets[0].placeholder: must be 20":     func(s *policy.Secret) { s.Placeholder = "short" },
		"secrets[0].placeholder: must be 20 ":    func(s *policy.Secret) { s.Placeholder = "fleet placeholder with spaces" },
		"must be there once":                     func(s *policy.Secret) { s.Placeholder = "fleet-placeholder-B-0001" },
		"must not be a part of that of A, nor":   func(s *policy.Secret) { s.Placeholder = "fleet-placeholder-B-00012" },
		"secrets[0].hosts: must be 1 to":         func(s *policy.Secret) { s.Hosts = nil },
		"secrets[0].hosts[0]: \"10.0.0.1\"":      func(s *policy.Secret) { s.Hosts = []string{"10.0.0.1"} },
		"secrets[0].hosts[1]: \"*\"":             func(s *policy.Secret) { s.Hosts = []string{"a.test", "*"} },
		"secrets[0].hosts[1]: \"a.test\" must":   func(s *policy.Secret) { s.Hosts = []string{"a.test", "a.test"} },
		"hosts[0]: \"gate.fleet.internal\"":      func(s *policy.Secret) { s.Hosts = []string{policy.SelfName} },
		"secrets[0].ports: must name":            func(s *policy.Secret) { s.Ports = nil },
		"secrets[0].ports: must be rising":       func(s *policy.Secret) { s.Ports = []int{443, 80} },
		"ports: 80 of origin.test must be a por": func(s *policy.Secret) { s.Ports, s.Hosts = []int{80}, []string{"origin.test"} },
		"ports: 5432 of db.test must be a port":  func(s *policy.Secret) { s.Ports, s.Hosts = []int{5432}, []string{"db.test"} },
		"secrets[0].methods: \"get\"":            func(s *policy.Secret) { s.Methods = []string{"get"} },
		"methods: must not have OPTIONS":         func(s *policy.Secret) { s.Methods = []string{"GET", "OPTIONS"} },
		"secrets[0].paths":                       func(s *policy.Secret) { s.Paths = []string{"/a/../b"} },
		"secrets[0]: must have a place":          func(s *policy.Secret) { s.Header = "" },
		"secrets[0].header: \"Host\"":            func(s *policy.Secret) { s.Header = "Host" },
		"secrets[0].header: \"x-real-ip\"":       func(s *policy.Secret) { s.Header = "x-real-ip" },
		"secrets[0].header: \"X Key\"":           func(s *policy.Secret) { s.Header = "X Key" },
		"secrets[0].query: \"a&b\"":              func(s *policy.Secret) { s.Query = "a&b" },
		"secrets[0].sigv4: \"akia\"":             func(s *policy.Secret) { s.SigV4 = "akia" },
		"secrets[0].sigv4: \"AKIAIOSFODNN7EXAM":  func(s *policy.Secret) { s.SigV4 = "AKIAIOSFODNN7EXAMPLE." },
		"secrets[1].sigv4: must be another":      func(s *policy.Secret) { s.SigV4 = "AKIAIOSFODNN7EXAMPLE" },
	} {
		p := guarded()
		p.Secrets[1].SigV4 = "AKIAIOSFODNN7EXAMPLE"
		change(&p.Secrets[0])
		r := p.Check()
		text := ""
		for _, e := range r.Entries {
			text += fmt.Sprintf("%s: %s\n", e.Path, e.Message)
		}
		if want == "" && text != "" || !strings.Contains(text, strings.TrimSuffix(want, " ")) || strings.Count(text, "\n") > 2 {
			t.Errorf("want %q, got %s", want, text)
		}
		if strings.Contains(text, "fleet-placeholder") {
			t.Errorf("a placeholder is shown: %s", text)
		}
	}
	p := guarded()
	p.Quoting = []string{"API.test"}
	if d := cmp.Diff("quoting[0]", p.Check().Entries[0].Path); d != "" {
		t.Error(d)
	}
	p = guarded()
	for i := range policy.MaxSecrets {
		p.Secrets = append(p.Secrets, policy.Secret{Name: fmt.Sprint("N", i)})
	}
	if !strings.Contains(p.Check().Entries[0].Message, "at most 100") {
		t.Error(p.Check().Entries[0])
	}
}
