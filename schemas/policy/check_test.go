package policy_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/policy"
	"fleet/schemas/report"
	"fleet/schemas/schematest"
)

// full returns testdata/policy.json, which uses every key.
func full(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/policy.json")
	must(t, err)
	return b
}

func TestRoundTrip(t *testing.T) {
	p, err := policy.Parse(full(t))
	must(t, err)
	b, err := policy.Encode(p)
	must(t, err)
	if d := cmp.Diff(string(full(t)), string(b)); d != "" {
		t.Error(d)
	}
	schematest.Accepts(t, "policy.schema.json", b)
	empty := policy.Policy{Version: 1, Project: "demo", Agent: "lead", Mode: policy.Off}
	b, err = policy.Encode(&empty)
	must(t, err)
	schematest.Accepts(t, "policy.schema.json", b)
	if empty.Allow != nil {
		t.Error("encoding has changed the policy")
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(full(t))
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the policy does not hold %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for want, text := range map[string]string{
		"must be JSON":           "",
		"has version 2":          edit(`"version": 1`, `"version": 2`),
		"has version 0":          "{}",
		"unknown field":          edit(`"dns"`, `"resolver"`),
		"after top-level value":  good + "{}",
		"same keys":              edit(`"mode": "enforce"`, `"mode": "off", "mode": "enforce"`),
		"order and spacing":      edit(`"mode": "enforce"`, `"MODE": "enforce"`),
		"as fleet build writes":  edit("  ", "\t"),
		"must have at most":      strings.Repeat(" ", policy.MaxSize+1),
		"cannot unmarshal":       edit(`443`, `"443"`),
		"must be enforce":        edit(`"enforce"`, `"on"`),
		"12 lower-case letters":  edit(`"demo"`, `"../demo"`),
		"must be written as":     edit(`"allow": [`, `"allow": [`+strings.Repeat(" ", 9)),
		"canonical form":         edit(`"api.github.com"`, `"API.github.com"`),
		"from 1 to 65535, one":   edit("      443", "      0"),
		"must be 1 to 200 print": edit(`"egress.allow[0]"`, `"a\u001b[2J"`),
	} {
		_, err := policy.Parse([]byte(text))
		var e *report.Err
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %.200v", want, err)
		}
	}
}

// Check names every fault at once, by its place.
func TestCheck(t *testing.T) {
	long := make([]string, 1001)
	for i := range long {
		long[i] = "/a"
	}
	p := policy.Policy{
		Version: 2, Project: "Demo", Agent: "", UID: -1, Mode: "on", DNS: "1.1.1.1", Upstream: &policy.Upstream{Host: "A.test", Port: 70000},
		Allow: []policy.Rule{
			{Name: "", Host: "*.com", Ports: nil, Protocol: "udp"},
			{Name: "a", Host: "a.test", Ports: []int{443, 80, 80}, Protocol: policy.Raw, Methods: []string{"get"}, Paths: []string{"/.."}},
			{Name: "a", Host: "a.test", Ports: []int{443}, Protocol: policy.TLS, Limits: &policy.Limits{}},
			{Name: "a", Host: "10.0.0.1", Ports: []int{0, 65536}, Protocol: policy.TLS, Limits: &policy.Limits{BytesUpPerDay: -1}},
			{Name: "a", Host: "169.254.169.254", Ports: []int{80}, Protocol: policy.HTTP, Private: true, Paths: long},
		},
		Deny: []policy.Denial{
			{Name: "d", Host: "", Paths: []string{"/a"}},
			{Name: strings.Repeat("n", 201), Host: "a.test", Ports: []int{-1}, Methods: []string{"CONNECT"}},
		},
	}
	var got []string
	r := p.Check()
	for _, e := range r.Entries {
		if e.Where != policy.FileName || e.Message == "" {
			t.Errorf("got %+v", e)
		}
		got = append(got, e.Path)
	}
	want := []string{
		"version", "project", "agent", "uid", "mode", "dns", "upstream.host", "upstream.port",
		"allow[0].name", "allow[0].host", "allow[0].ports", "allow[0].protocol",
		"allow[1].ports", "allow[1].ports", "allow[1].methods", "allow[1].paths", "allow[1].protocol",
		"allow[2].limits", "allow[2].protocol",
		"allow[3].ports", "allow[3].ports", "allow[3].host", "allow[3].limits",
		"allow[4].paths", "allow[4].host",
		"deny[0].host", "deny[0].ports",
		"deny[1].name", "deny[1].ports", "deny[1].methods",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s\n%s", d, r.String())
	}
	if _, err := p.Compile(); err == nil {
		t.Error("compiled")
	}
}

func TestCheckBounds(t *testing.T) {
	p := team()
	for range policy.MaxRules {
		p.Deny = append(p.Deny, policy.Denial{Name: "x", Host: ""})
	}
	r := p.Check()
	if !strings.Contains(r.String(), "at most 20000 rules") || len(r.Entries) > 100 {
		t.Errorf("%d faults", len(r.Entries))
	}
}

// FuzzParse: whatever is accepted compiles, is written again as it was, and follows from its schema's types.
func FuzzParse(f *testing.F) {
	f.Add(full(f))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := policy.Parse(b)
		if err != nil {
			return
		}
		if _, err := p.Compile(); err != nil {
			t.Error(err)
		}
		again, err := policy.Encode(p)
		if err != nil || string(again) != string(b) {
			t.Errorf("%q is written as %q, %v", b, again, err)
		}
	})
}
