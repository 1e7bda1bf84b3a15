package proxy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"fleet/cmd/fleet-gate/internal/broker"
	"fleet/cmd/fleet-gate/internal/budget"
	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

var headEnd = []byte("\r\n\r\n")

// serveHTTP serves one request after the other, and decides on each.
func (s *session) serveHTTP() {
	wait := headTime
	for {
		_ = s.c.SetReadDeadline(time.Now().Add(wait))
		if _, err := s.r.Peek(1); err != nil {
			s.end()
			return
		}
		// From the first byte on: a head that comes byte by byte has no more time than another.
		if b, _ := s.r.Peek(s.r.Buffered()); !bytes.Contains(b, headEnd) {
			_ = s.c.SetReadDeadline(time.Now().Add(headTime))
		}
		req, err := head.Read(s.r)
		if err != nil {
			s.malformed(err)
			return
		}
		if req.Method == http.MethodConnect && s.host == "" {
			s.connect(req)
			return
		}
		if again := s.serveOne(req); !again {
			return
		}
		wait = keepAlive
	}
}

// malformed ends a connection after a head that cannot be read.
func (s *session) malformed(err error) {
	var e *head.Error
	if !errors.As(err, &e) {
		s.end()
		return
	}
	r := &judge.Refusal{Reason: judge.Malformed, Text: e.Text}
	s.p.Judge.Case(s.n, s.nowhere()).Deny(r)
	s.last(e.Status, r)
}

// nowhere is the question of a request that cannot be read.
func (s *session) nowhere() policy.Request {
	if s.secure {
		return policy.Request{Kind: policy.KindHTTPS, Host: s.host, Port: s.port}
	}
	return policy.Request{Kind: policy.KindHTTP, Host: s.host, Port: s.port}
}

// serveOne serves a request and reports whether the connection can have another one; if not, it has ended.
func (s *session) serveOne(req *head.Request) bool {
	a := newH1(s, req)
	again := s.serve(req, a) && a.again
	a.release()
	if !again {
		s.end()
	}
	return again
}

// serve serves a request of any version, and reports whether the agent can ask again.
func (s *session) serve(req *head.Request, a agent) bool {
	q, r := s.question(req)
	if r == nil && isSelf(q) && !s.secure && policy.MethodOK(req.Method) {
		return s.answerSelf(a, q)
	}
	var d policy.Decision
	if r == nil {
		d = s.p.Judge.Decide(q)
		r = usable(d, q)
	}
	if r == nil {
		r = s.admit(q.Host, d)
	}
	var m *budget.Meter
	if r == nil {
		m, r = s.spend(d, q, req)
	}
	c := s.p.Judge.Case(s.n, q)
	var u *broker.Use
	if r == nil && d.Held.Any() {
		defer a.content().settle()
		if u, r = s.look(c, d, req, a); r == nil {
			d.Path = u.Target
		}
	}
	if r == nil {
		r = s.allow(c, d, q)
	} else {
		c.Deny(r)
	}
	if r != nil {
		a.content().quit()
		return s.refuse(a, r)
	}
	x := &exchange{s: s, a: a, req: req, q: q, c: c, path: d.Path, meter: m, use: u}
	return x.run()
}

// look puts secrets into a request, and looks whether a placeholder stands where it does not belong.
func (s *session) look(c *judge.Case, d policy.Decision, req *head.Request, a agent) (*broker.Use, *judge.Refusal) {
	u, r := s.p.Broker.Look(d.Held, req, d.Path)
	if r != nil {
		return nil, r
	}
	c.Uses(u.Names, u.Dropped)
	return u, a.content().look(u, req.Length)
}

// allow looks the host up, so that a refused address is known before anything is recorded as allowed.
func (s *session) allow(c *judge.Case, d policy.Decision, q policy.Request) *judge.Refusal {
	t, err := s.p.Dialer.Resolve(context.Background(), q.Host, q.Port)
	if err != nil {
		r := refusal(err)
		c.Deny(r)
		return r
	}
	return c.Allow(d, t.String())
}

func contains(tokens []string, want string) bool {
	for _, t := range tokens {
		if t == want {
			return true
		}
	}
	return false
}

// question is what a request asks for: the host of its target, which is also the Host that is passed on.
func (s *session) question(req *head.Request) (policy.Request, *judge.Refusal) {
	q := policy.Request{Kind: policy.KindHTTP, Host: s.host, Port: s.port, Method: req.Method, Path: req.Target}
	scheme, usual := "http://", uint16(80)
	if s.secure {
		q.Kind, scheme, usual = policy.KindHTTPS, "https://", 443
	}
	authority, path, absolute := cutAbsolute(req.Target, scheme)
	if absolute {
		h, port, err := withPort(authority, usual)
		q.Path = path
		if err != nil {
			q.Host = authority
			return q, &judge.Refusal{Reason: reasonOf(err), Text: "the target must be http://HOST/PATH"}
		}
		if s.host == "" {
			q.Host, q.Port = h.String(), port
			return q, nil
		}
		if h.String() != s.host || port != s.port {
			return q, otherHost(s.host)
		}
	}
	if s.host == "" {
		return q, &judge.Refusal{
			Reason: judge.Malformed, Text: "this is a proxy: the target must be http://HOST/PATH, or CONNECT HOST:PORT for https",
		}
	}
	// A connection to one host goes where the Host field says, or nowhere.
	h, port, err := withPort(req.Host, usual)
	if err != nil || h.String() != s.host || port != s.port && strings.Contains(req.Host, ":") {
		return q, otherHost(s.host)
	}
	return q, nil
}

func otherHost(host string) *judge.Refusal {
	return &judge.Refusal{Reason: judge.OtherName, Text: "the request names another host than " + host}
}

// cutAbsolute takes a scheme and AUTHORITY off a target; other schemes are no absolute form for us.
func cutAbsolute(target, scheme string) (authority, path string, ok bool) {
	if len(target) < len(scheme) || !strings.EqualFold(target[:len(scheme)], scheme) {
		return "", target, false
	}
	rest := target[len(scheme):]
	at := strings.IndexAny(rest, "/?")
	switch {
	case at < 0:
		return rest, "/", true
	case rest[at] == '?':
		return rest[:at], "/" + rest[at:], true
	}
	return rest[:at], rest[at:], true
}

// withPort reads HOST or HOST:PORT, without which it is the usual port.
func withPort(s string, usual uint16) (policy.Host, uint16, error) {
	if at := strings.LastIndexByte(s, ':'); at >= 0 && !strings.HasSuffix(s, "]") {
		return policy.ParseTarget(s)
	}
	h, err := policy.ParseHost(s)
	return h, usual, err
}
