package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/hello"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

// lingerTime and lingerBytes bound what is still read after a last answer: closing with bytes unread would take the
// answer away from the agent.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// status is the HTTP status of a refusal. It is never 407, which clients take for a wish for credentials.
func status(r *judge.Refusal) int {
	switch r.Reason {
	case policy.ReasonBadRequest, policy.ReasonBadHost, policy.ReasonBadPort, policy.ReasonBadMethod, policy.ReasonBadPath,
		judge.Malformed:
		return http.StatusBadRequest
	case judge.NoAddress, judge.Unreached, judge.BadCert, judge.WantsCert, judge.Encoded:
		return http.StatusBadGateway
	case judge.Unrecorded, judge.NoValue:
		return http.StatusServiceUnavailable
	}
	return http.StatusForbidden
}

// refuse answers a refusal, and reports whether the agent can ask again.
func (s *session) refuse(a agent, r *judge.Refusal) (again bool) {
	code := status(r)
	if s.secure && r.Reason == judge.OtherName {
		code = http.StatusMisdirectedRequest // a client that shares connections asks again by another one
	}
	return a.say(code, r.Reason, refusalText(r))
}

func refusalText(r *judge.Refusal) string { return "fleet: " + r.Text + "\n" }

// answer sends an answer of the gate's own.
func (s *session) answer(code int, reason, text string, last, body bool) error {
	more := ""
	if reason != "" {
		more = "X-Fleet-Deny: " + reason + "\r\nX-Content-Type-Options: nosniff\r\n"
	}
	if last {
		more += "Connection: close\r\n"
	}
	length := len(text)
	if !body {
		text = ""
	}
	_ = s.c.SetWriteDeadline(time.Now().Add(headTime))
	_, err := fmt.Fprintf(s.c, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n%s",
		code, http.StatusText(code), length, more, text)
	return err
}

// last answers and ends the connection.
func (s *session) last(code int, r *judge.Refusal) {
	if s.answer(code, r.Reason, refusalText(r), true, true) == nil {
		s.linger()
	}
	s.end()
}

// linger lets the agent read what was sent.
func (s *session) linger() {
	_ = s.c.CloseWrite()
	_ = s.c.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, s.r, lingerBytes)
}

// refuseTLS ends a connection that speaks TLS, in whose place the agent's library shows the alert.
func (s *session) refuseTLS() {
	_ = s.c.SetWriteDeadline(time.Now().Add(headTime))
	if _, err := s.c.Write(hello.Alert); err == nil {
		s.linger()
	}
	s.end()
}

// refuseUnasked refuses a redirected connection in the protocol that the agent is likely to speak.
func (s *session) refuseUnasked(protocol string, r *judge.Refusal) {
	_ = s.c.SetReadDeadline(time.Now().Add(headTime))
	switch protocol {
	case policy.HTTP:
		if _, err := head.Read(s.r); err == nil || !errors.Is(err, io.EOF) {
			s.last(status(r), r)
			return
		}
		s.end()
	case policy.TLS:
		s.refuseTLS()
	default:
		_ = s.raw.SetLinger(0) // the agent sees a reset at once
		s.end()
	}
}
