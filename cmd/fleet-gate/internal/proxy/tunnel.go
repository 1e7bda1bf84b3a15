package proxy

import (
	"context"
	"errors"
	"slices"
	"time"

	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/hello"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/outgoing"
	"fleet/cmd/fleet-gate/internal/relay"
	"fleet/schemas/policy"
)

var established = []byte("HTTP/1.1 200 Connection established\r\n\r\n")

// connect serves a CONNECT, after which the connection is a tunnel or has ended.
func (s *session) connect(req *head.Request) {
	q := policy.Request{Kind: policy.KindConnect}
	h, port, err := policy.ParseTarget(req.Target)
	if err != nil || req.Length != 0 {
		q.Host = req.Target
		r := &judge.Refusal{Reason: reasonOf(err), Text: "CONNECT must name HOST:PORT and have no body"}
		s.p.Judge.Case(s.n, q).Deny(r)
		s.last(status(r), r)
		return
	}
	q.Host, q.Port = h.String(), port
	if isSelf(q) {
		if _, err := s.c.Write(established); err != nil {
			s.end()
			return
		}
		s.serveSelf(q)
		return
	}
	d := s.p.Judge.Decide(q)
	refusal := usable(d, q)
	if refusal == nil {
		refusal = s.admit(q.Host, d)
	}
	if refusal != nil {
		s.p.Judge.Case(s.n, q).Deny(refusal)
		s.last(status(refusal), refusal)
		return
	}
	if d.Protocol == policy.Raw {
		s.tunnelRaw(q, d, established)
		return
	}
	// Only what the client says next tells whether it goes to this host, so that nothing is sent out before.
	if _, err := s.c.Write(established); err != nil {
		s.end()
		return
	}
	if d.Protocol == policy.HTTP {
		s.host, s.port = q.Host, q.Port
		s.serveHTTP()
		return
	}
	s.tunnelTLS(q, d)
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, policy.ErrHost):
		return policy.ReasonBadHost
	case errors.Is(err, policy.ErrPort):
		return policy.ReasonBadPort
	}
	return judge.Malformed
}

// tunnelRaw connects, says so with greeting, and relays. The other side may speak first.
func (s *session) tunnelRaw(q policy.Request, d policy.Decision, greeting []byte) {
	refuse := func(r *judge.Refusal) {
		if greeting != nil {
			s.last(status(r), r)
			return
		}
		s.refuseUnasked(policy.Raw, r)
	}
	c := s.p.Judge.Case(s.n, q)
	t, err := s.p.Dialer.Resolve(context.Background(), q.Host, q.Port)
	var r *judge.Refusal
	if err != nil {
		r = refusal(err)
	} else {
		s.meter, r = s.p.Budget.Begin(d, q)
	}
	if r != nil {
		c.Deny(r)
		refuse(r)
		return
	}
	if r := c.Allow(d, t.String()); r != nil {
		refuse(r)
		return
	}
	s.relay(c, t, []policy.Request{q}, nil, greeting, refuse)
}

// tunnelTLS reads the ClientHello, compares its name with that of the target, and inspects the connection or connects
// and relays.
func (s *session) tunnelTLS(q policy.Request, d policy.Decision) {
	c := s.p.Judge.Case(s.n, q)
	refuse := func(*judge.Refusal) { s.refuseTLS() }
	_ = s.c.SetReadDeadline(time.Now().Add(headTime))
	h, seen, err := hello.Read(s.r)
	if len(seen) == 0 && err != nil { // the agent went away
		s.end()
		return
	}
	tls, inside, r := s.checkHello(h, err, q)
	if r == nil && (d.Inspect || inside) {
		s.inspect(q, seen)
		return
	}
	var t *outgoing.Target
	if r == nil {
		if t, err = s.p.Dialer.Resolve(context.Background(), q.Host, q.Port); err != nil {
			r = refusal(err)
		}
	}
	if r == nil {
		s.meter, r = s.p.Budget.Begin(d, q)
	}
	if r != nil {
		c.Deny(r)
		refuse(r)
		return
	}
	if r := c.Allow(d, t.String()); r != nil {
		refuse(r)
		return
	}
	s.relay(c, t, []policy.Request{q, tls}, &opening{s: s, q: q, size: h.Size, seen: seen}, nil, refuse)
}

// checkHello compares a ClientHello with the target of its connection. inside tells that requests inside TLS are to be
// decided on.
func (s *session) checkHello(
	h hello.Hello, err error, q policy.Request,
) (tls policy.Request, inside bool, r *judge.Refusal) {
	tls = policy.Request{Kind: policy.KindTLS, Host: h.Name, Port: q.Port}
	want, _ := policy.ParseHost(q.Host)
	switch {
	case err != nil:
		return tls, false, &judge.Refusal{
			Reason: judge.NotTLS, Text: q.Host + " may be reached by TLS only; the operator sets protocol raw where it is another one",
		}
	case h.Hidden:
		return tls, false, &judge.Refusal{Reason: judge.Hidden, Text: "an encrypted ClientHello hides the host; switch ECH off in the client"}
	case h.Name == "" && want.Name == "":
		tls.Host = q.Host // a host that is an address has no name to send
	case h.Name == "":
		return tls, false, &judge.Refusal{Reason: judge.NoName, Text: "the ClientHello names no host"}
	}
	got, err := policy.ParseHost(tls.Host)
	if err != nil || got != want {
		return tls, false, &judge.Refusal{Reason: judge.OtherName, Text: "the ClientHello names another host than " + q.Host}
	}
	tls.Host = got.String()
	d := s.p.Judge.Decide(tls)
	return tls, d.Inspect, usable(d, tls)
}

// relay connects to the target and copies until the tunnel ends.
func (s *session) relay(
	c *judge.Case, t *outgoing.Target, qs []policy.Request, o *opening, greeting []byte, refuse func(*judge.Refusal),
) {
	server, err := s.p.Dialer.Dial(context.Background(), t)
	if err != nil {
		c.End(0, 0, refusal(err).Reason)
		refuse(refusal(err))
		return
	}
	tunnel := relay.New(s.raw, server, s.p.Idle)
	if s.meter != nil {
		tunnel.Limit(s.meter.Take)
	}
	w, ok := s.p.Judge.Watch(tunnel.Cut, append(qs, t.Checks(server.RemoteAddr())...)...)
	if !ok {
		server.Close()
		c.End(0, 0, string(relay.Cut))
		refuse(errReplaced)
		return
	}
	if _, err := s.c.Write(greeting); err != nil {
		w.Done()
		server.Close()
		c.End(0, 0, string(relay.Failed))
		s.end()
		return
	}
	var before opened
	if o != nil {
		if before, err = o.run(server); err != nil {
			s.fail(c, w, tunnel, before, err)
			return
		}
	}
	s.meter.Take(int(before.up)) // at most two ClientHellos, which have gone
	b, _ := s.r.Peek(s.r.Buffered())
	first := slices.Concat(before.left, b)
	_ = s.c.SetDeadline(time.Time{})
	s.release()
	up, down, done := before.up, before.down, s.done // the tunnel may last long, and the rest can go
	r := tunnel.Run(first)
	w.Done()
	c.End(up+r.Up, down+r.Down, string(r.End))
	done()
}

// fail ends a tunnel whose handshake was not let through.
func (s *session) fail(c *judge.Case, w *judge.Watch, t *relay.Tunnel, before opened, err error) {
	var r *judge.Refusal
	result := relay.Failed
	if errors.As(err, &r) {
		result = relay.End(r.Reason)
		_ = s.c.SetWriteDeadline(time.Now().Add(headTime))
		if _, err := s.c.Write(hello.Alert); err == nil {
			s.linger()
		}
	}
	result = t.Stop(result)
	w.Done()
	c.End(before.up, before.down, string(result))
	s.release()
	s.done()
}
