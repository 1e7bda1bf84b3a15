package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

// Protocols that are offered to an agent inside TLS.
const (
	overH2 = "h2"
	overH1 = "http/1.1"
)

// serverConfig is that of the gate's end of an inspected connection.
func (p *Proxy) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{overH2, overH1}, DynamicRecordSizingDisabled: true,
		GetCertificate: func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return p.CA.Leaf(info.Conn.(*replayed).host)
		},
	}
}

// replayed is a connection of which the first bytes have been read already.
type replayed struct {
	wire
	before []byte
	host   string // canonical, that the ClientHello names
}

func (c *replayed) Read(b []byte) (int, error) {
	if len(c.before) == 0 {
		return c.wire.Read(b)
	}
	n := copy(b, c.before)
	c.before = c.before[n:]
	return n, nil
}

// inspect answers a ClientHello in the name of the host, and decides on each request inside. seen is what was read of
// the connection.
func (s *session) inspect(q policy.Request, seen []byte) {
	refuse := func(r *judge.Refusal) {
		s.p.Judge.Case(s.n, q).Deny(r)
		s.refuseTLS()
	}
	// Without a request too, the connection ends when the policy does not allow its host any more.
	w, ok := s.p.Judge.Watch(s.cut, q)
	if !ok {
		refuse(errReplaced)
		return
	}
	defer w.Done()
	if s.p.CA == nil {
		refuse(&judge.Refusal{Reason: judge.Uninspect})
		return
	}
	b, _ := s.r.Peek(s.r.Buffered())
	below := &replayed{wire: newWire(s.raw), before: slices.Concat(seen, b), host: q.Host}
	t := tls.Server(below, s.p.server)
	_ = s.raw.SetDeadline(time.Now().Add(headTime))
	if err := t.Handshake(); err != nil {
		s.p.Judge.Case(s.n, q).Deny(shakeRefusal(err))
		s.end()
		return
	}
	_ = s.raw.SetDeadline(time.Time{})
	inside := &batch{t, &below.wire}
	s.c, s.host, s.port, s.secure = inside, q.Host, q.Port, true
	s.r.Reset(t)
	if t.ConnectionState().NegotiatedProtocol == overH2 {
		s.serveH2(t)
		return
	}
	s.serveHTTP()
}

func (s *session) cut() {
	s.wasCut.Store(true)
	s.raw.Close()
}

// shakeRefusal is for the record alone: the agent's program knows what it did not like.
func shakeRefusal(err error) *judge.Refusal {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return &judge.Refusal{Reason: judge.NotTrusted}
	}
	return &judge.Refusal{Reason: judge.NoShake}
}
