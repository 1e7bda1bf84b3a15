package proxy

import (
	"fleet/cmd/fleet-gate/internal/budget"
	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

// spend counts a request and the bytes of its head against the limits of the rule that allows it.
func (s *session) spend(d policy.Decision, q policy.Request, req *head.Request) (*budget.Meter, *judge.Refusal) {
	m, r := s.p.Budget.Begin(d, q)
	if m == nil || r != nil {
		return nil, r
	}
	if n := headSize(req); m.Take(n) < n {
		return nil, m.Refusal()
	}
	return m, nil
}

// headSize is about what a request has before its body.
func headSize(req *head.Request) int {
	n := len(req.Method) + len(req.Target)
	for name, values := range req.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}
