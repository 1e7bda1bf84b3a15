//go:build bench

package main

import (
	"fmt"
	"testing"
	"time"

	"fleet/cmd/internal/ratio"
	"fleet/schemas/policy"
)

// decide compares decisions by a large and a small policy.
func decide(l *lab) ([]row, error) {
	const times = 200_000
	few, questions, err := rules(10)
	if err != nil {
		return nil, err
	}
	many, others, err := rules(10_000)
	if err != nil {
		return nil, err
	}
	var a, b []float64
	for n := range l.pairs + 1 {
		x, y := decisions(many, others, times), decisions(few, questions, times)
		if n > 0 {
			a, b = append(a, x), append(b, y)
		}
	}
	var allocations []float64
	for _, q := range others {
		allocations = append(allocations, testing.AllocsPerRun(100, func() { many.Decide(q) }))
	}
	return []row{
		{what: "a decision with 10,000 rules, to one with 10", ratio: ratio.Of(a, b), bound: 2},
		{what: "its allocations", ratio: ratio.Plain(allocations), bound: 0},
	}, nil
}

// rules makes a policy with exact hosts and wildcards, and the questions about ten of its hosts.
func rules(n int) (*policy.Matcher, []policy.Request, error) {
	p := policy.Policy{Version: policy.Version, Project: "bench", Agent: "lead", Mode: policy.Enforce}
	var out []policy.Request
	for i := range n {
		name := fmt.Sprintf("host%d.example.com", i)
		r := policy.Rule{Name: name, Host: name, Ports: []int{tlsPort}, Protocol: policy.TLS}
		switch i % 3 {
		case 1:
			r.Host, name = "*."+name, "a.b."+name
		case 2:
			r.Methods, r.Paths = []string{"GET"}, []string{"/v1/*", "/status"}
		}
		p.Allow = append(p.Allow, r)
		if i >= n-10 {
			out = append(out,
				policy.Request{Kind: policy.KindDNS, Host: name},
				policy.Request{Kind: policy.KindConnect, Host: name, Port: tlsPort},
				policy.Request{Kind: policy.KindTLS, Host: "no." + name, Port: tlsPort},
				policy.Request{Kind: policy.KindHTTPS, Host: name, Port: tlsPort, Method: "GET", Path: "/v1/messages"})
		}
	}
	m, err := p.Compile()
	return m, out, err
}

// decisions returns the seconds of one.
func decisions(m *policy.Matcher, q []policy.Request, n int) float64 {
	began := time.Now()
	for i := range n {
		m.Decide(q[i%len(q)])
	}
	return time.Since(began).Seconds() / float64(n)
}
