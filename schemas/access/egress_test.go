package access

import (
	"testing"

	"fleet/schemas/policy"
)

func reach(change func(*policy.Policy)) Policies {
	p := &policy.Policy{
		Version: 1, Project: "demo", Agent: "lead", Mode: policy.Enforce,
		Allow: []policy.Rule{
			{Name: "own[0]", Host: "a.test", Ports: []int{443}, Protocol: policy.TLS},
			{Name: "own[1]", Host: "*.w.test", Ports: []int{443}, Protocol: policy.TLS},
			{Name: "own[2]", Host: "api.w.test", Ports: []int{443}, Protocol: policy.TLS, Methods: []string{"GET"}, Paths: []string{"/v1/*"}},
		},
		Deny: []policy.Denial{{Name: "no[0]", Host: "bad.w.test"}},
	}
	change(p)
	return Policies{"lead": p}
}

func TestEgress(t *testing.T) {
	none := func(*policy.Policy) {}
	cases := map[string]struct {
		change        func(*policy.Policy)
		wider, narrow string
	}{
		"same":  {none, "", ""},
		"order": {func(p *policy.Policy) { p.Allow[0], p.Allow[1] = p.Allow[1], p.Allow[0] }, "", ""},
		"host": {func(p *policy.Policy) {
			p.Allow = append(p.Allow, policy.Rule{Name: "r", Host: "b.test", Ports: []int{80}, Protocol: policy.HTTP})
		}, "may reach b.test on port 80 (r)", ""},
		"covered already": {func(p *policy.Policy) {
			p.Allow = append(p.Allow, policy.Rule{Name: "r", Host: "x.w.test", Ports: []int{443}, Protocol: policy.TLS})
		}, "", ""},
		"rule gone":          {func(p *policy.Policy) { p.Allow = p.Allow[1:] }, "", "no longer reaches a.test on port 443"},
		"rule that narrowed": {func(p *policy.Policy) { p.Allow = p.Allow[:2] }, "may ask api.w.test on port 443 for more: every method and path", ""},
		"denial gone":        {func(p *policy.Policy) { p.Deny = nil }, "may reach bad.w.test on port 443 (own[1])", ""},
		"denial":             {func(p *policy.Policy) { p.Deny[0].Host = "*.w.test" }, "", "no longer reaches *.w.test on port 443"},
		"method":             {func(p *policy.Policy) { p.Allow[2].Methods = []string{"GET", "POST"} }, "may ask api.w.test on port 443 for more: POST /v1/*", ""},
		"path":               {func(p *policy.Policy) { p.Allow[2].Paths = []string{"/v1/x"} }, "", "may ask api.w.test on port 443 for less: no GET /v1/*"},
		"narrowed":           {func(p *policy.Policy) { p.Allow[0].Methods = []string{"GET"} }, "", "may ask a.test on port 443 for less, only GET any other path"},
		"private":            {func(p *policy.Policy) { p.Allow[0].Private = true }, "may reach a.test on port 443 at private addresses", ""},
		"raw":                {func(p *policy.Policy) { p.Allow[0].Protocol = policy.Raw }, "may speak any protocol to a.test on port 443", ""},
		"limit":              {func(p *policy.Policy) { p.Allow[0].Limits = &policy.Limits{BytesUpPerDay: 9} }, "", "limit for a.test on port 443: 9 bytes up a day instead of any number of"},
		"mode":               {func(p *policy.Policy) { p.Mode = policy.Report }, "egress mode report instead of enforce: what no rule allows is let through", ""},
		"dns":                {func(p *policy.Policy) { p.DNS = "9.9.9.9:53" }, "its gate asks 9.9.9.9:53 for names instead of the host's resolver", ""},
		"upstream that resolves": {
			func(p *policy.Policy) { p.Upstream = &policy.Upstream{Host: "up.test", Port: 3128, Resolves: true} },
			"its gate goes out through up.test:3128 instead of directly; the proxy behind its gate looks names up, so that no address is checked", "",
		},
		"ports": {func(p *policy.Policy) { p.Allow[0].Ports = []int{443, 8443, 9443} }, "may reach a.test on ports 8443, 9443 (own[0])", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got Changes
			if err := got.Egress(reach(none), reach(c.change)); err != nil {
				t.Fatal(err)
			}
			check(t, "widening", c.wider, got.Widening)
			check(t, "narrowing", c.narrow, got.Narrowing)
		})
	}
}

func TestEgressOfNewAgents(t *testing.T) {
	var c Changes
	if err := c.Egress(Policies{}, reach(func(p *policy.Policy) { p.Allow = p.Allow[:1] })); err != nil {
		t.Fatal(err)
	}
	check(t, "widening", "may reach a.test on port 443 (own[0])", c.Widening)
	c = Changes{}
	if err := c.Egress(reach(func(*policy.Policy) {}), Policies{}); err != nil || len(c.Widening)+len(c.Narrowing) > 0 {
		t.Errorf("of an agent that runs no more: %v, %+v", err, c)
	}
	if err := c.Egress(Policies{}, reach(func(p *policy.Policy) { p.Allow[0].Host = "*" })); err == nil {
		t.Error("a policy that does not compile is compared")
	}
}
