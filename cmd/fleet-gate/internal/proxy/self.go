package proxy

import (
	"net/http"

	"fleet/schemas/policy"
)

// selfText is what the gate's own name answers.
const selfText = "fleet: this is the gate\n"

// isSelf tells whether a request is for the gate itself, which answers in every mode and dials nothing.
func isSelf(q policy.Request) bool { return q.Host == policy.SelfName && q.Port == 80 }

// serveSelf serves a connection to the gate itself.
func (s *session) serveSelf(q policy.Request) {
	s.host, s.port = q.Host, q.Port
	s.serveHTTP()
}

// answerSelf answers a request for the gate itself, and reports whether the agent can ask again.
func (s *session) answerSelf(a agent, q policy.Request) bool {
	c := s.p.Judge.Case(s.n, q)
	if r := c.Allow(policy.Decision{Allow: true, Reason: policy.ReasonSelf}, ""); r != nil {
		return s.refuse(a, r)
	}
	c.End(0, 0, "closed")
	return a.say(http.StatusOK, "", selfText)
}
