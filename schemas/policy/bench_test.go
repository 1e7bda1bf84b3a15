package policy_test

import (
	"fmt"
	"net/netip"
	"testing"

	"fleet/schemas/policy"
)

// big returns a policy of n rules, and a request of each kind for each of some of them.
func big(t testing.TB, n int) (*policy.Matcher, []policy.Request) {
	t.Helper()
	p := policy.Policy{Version: 1, Project: "demo", Agent: "lead", Mode: policy.Enforce}
	var q []policy.Request
	for i := range n {
		r := policy.Rule{Name: fmt.Sprintf("egress.allow[%d]", i), Ports: []int{443}, Protocol: policy.TLS}
		name := fmt.Sprintf("host%d.example.com", i)
		r.Host = name
		switch i % 3 {
		case 1:
			r.Host, name = "*."+name, "a.b."+name
		case 2:
			r.Methods, r.Paths = []string{"GET"}, []string{"/v1/*", "/status"}
		}
		p.Allow = append(p.Allow, r)
		if i < n-10 {
			continue // ten hosts of each policy, so that both are as warm
		}
		q = append(
			q,
			policy.Request{Kind: policy.KindDNS, Host: name},
			policy.Request{Kind: policy.KindConnect, Host: name, Port: 443},
			policy.Request{Kind: policy.KindTCP, Host: name, Port: 22},
			policy.Request{Kind: policy.KindTLS, Host: "no." + name, Port: 443},
			policy.Request{Kind: policy.KindTCP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 443},
			policy.Request{Kind: policy.KindHTTPS, Host: name, Port: 443, Method: "GET", Path: "/v1/a%20b/c?d=e"},
			policy.Request{Kind: policy.KindHTTPS, Host: name, Port: 443, Method: "POST", Path: "/v1/messages"},
			policy.Request{Kind: policy.KindDial, Host: name, Port: 443, Addr: netip.MustParseAddr("10.0.0.1")},
			policy.Request{Kind: policy.KindDial, Host: name, Port: 443, Addr: netip.MustParseAddr("2606:4700::1")},
		)
	}
	return compile(t, p), q
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			m, q := big(b, n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Decide(q[i])
				if i++; i == len(q) {
					i = 0
				}
			}
		})
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	m, q := big(t, 100)
	for _, q := range q {
		if n := testing.AllocsPerRun(50, func() { m.Decide(q) }); n > 0 {
			t.Errorf("%+v: %v allocations", q, n)
		}
	}
}
