package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

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
		_ = s.c.SetReadDeadline(time.Now().Add(headTime))
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
	s.p.Judge.Case(s.n, policy.Request{Kind: policy.KindHTTP, Host: s.host, Port: s.port}).Deny(r)
	s.last(e.Status, r)
}

// serveOne serves a request and reports whether the connection can have another one; if not, it has ended.
func (s *session) serveOne(req *head.Request) (again bool) {
	again = req.Minor == 1 && !contains(head.Tokens(req.Header, "Connection"), "close") &&
		!contains(head.Tokens(req.Header, "Proxy-Connection"), "close")
	q, r := s.question(req)
	if r == nil && isSelf(q) && policy.MethodOK(req.Method) {
		return s.answerSelf(req, q, again)
	}
	var d policy.Decision
	if r == nil {
		d = s.p.Judge.Decide(q)
		r = usable(d, q)
	}
	if r == nil {
		r = s.admit(q.Host, d)
	}
	c := s.p.Judge.Case(s.n, q)
	if r == nil {
		r = s.allow(c, d, q)
	} else {
		c.Deny(r)
	}
	if r != nil {
		return s.refuse(req, r, again)
	}
	x := &exchange{s: s, req: req, q: q, c: c, path: d.Path, again: again}
	if x.run() {
		return true
	}
	s.end()
	return false
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

// refuse answers a refusal. The connection goes on where no body is to come.
func (s *session) refuse(req *head.Request, r *judge.Refusal, again bool) bool {
	if !again || req.Length != 0 {
		s.last(status(r), r)
		return false
	}
	if s.answer(status(r), r, false, req.Method != http.MethodHead) != nil {
		s.end()
		return false
	}
	return true
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
	authority, path, absolute := cutAbsolute(req.Target)
	if absolute {
		h, port, err := withPort(authority)
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
	// A redirected connection goes where the Host field says, or nowhere.
	h, port, err := withPort(req.Host)
	if err != nil || h.String() != s.host || port != s.port && strings.Contains(req.Host, ":") {
		return q, otherHost(s.host)
	}
	return q, nil
}

func otherHost(host string) *judge.Refusal {
	return &judge.Refusal{Reason: judge.OtherName, Text: "the request names another host than " + host}
}

// cutAbsolute takes http://AUTHORITY off a target; other schemes are no absolute form for us.
func cutAbsolute(target string) (authority, path string, ok bool) {
	const scheme = "http://"
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

// withPort reads HOST or HOST:PORT, without which it is port 80.
func withPort(s string) (policy.Host, uint16, error) {
	if at := strings.LastIndexByte(s, ':'); at >= 0 && !strings.HasSuffix(s, "]") {
		return policy.ParseTarget(s)
	}
	h, err := policy.ParseHost(s)
	return h, 80, err
}
