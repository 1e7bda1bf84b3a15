package proxy

import (
	"fmt"
	"net/http"
	"time"

	"fleet/cmd/fleet-gate/internal/head"
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

// answerSelf answers a request for the gate itself, and reports whether the connection can have another one.
func (s *session) answerSelf(req *head.Request, q policy.Request, again bool) bool {
	c := s.p.Judge.Case(s.n, q)
	if r := c.Allow(policy.Decision{Allow: true, Reason: policy.ReasonSelf}, ""); r != nil {
		return s.refuse(req, r, again)
	}
	again = again && req.Length == 0
	connection, text := "", selfText
	if !again {
		connection = "Connection: close\r\n"
	}
	if req.Method == http.MethodHead {
		text = ""
	}
	_ = s.c.SetWriteDeadline(time.Now().Add(headTime))
	_, err := fmt.Fprintf(s.c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n%s",
		len(selfText), connection, text)
	c.End(0, 0, "closed")
	if err == nil && again {
		return true
	}
	if err == nil {
		s.linger()
	}
	s.end()
	return false
}
