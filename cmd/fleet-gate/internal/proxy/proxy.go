// Package proxy serves an agent's connections: HTTP proxy requests and CONNECT on one port, and what the kernel
// redirected on another. Nothing goes out that the policy has not allowed under the name that the other side will see.
package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-gate/internal/broker"
	"fleet/cmd/fleet-gate/internal/budget"
	"fleet/cmd/fleet-gate/internal/ca"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/names"
	"fleet/cmd/fleet-gate/internal/outgoing"
	"fleet/schemas/policy"
)

const (
	// headTime bounds the wait for a request's head and for a ClientHello, also when they come byte by byte.
	headTime = 20 * time.Second

	// keepAlive is how long a connection waits for its next request, bodyTime for the next bytes of a body.
	keepAlive = 2 * time.Minute
	bodyTime  = 5 * time.Minute

	// answerTime bounds the wait for the head of a host's answer. Some work long before they answer.
	answerTime = 15 * time.Minute

	readBuffer  = 4 << 10
	writeBuffer = 16 << 10
)

// Options of New.
type Options struct {
	Judge  *judge.Judge
	Names  *names.Table
	Dialer *outgoing.Dialer
	Budget *budget.Book   // nil: no rule's limits are kept
	Idle   time.Duration  // of tunnels
	CA     *ca.Minter     // for hosts whose requests are read inside TLS
	Roots  *x509.CertPool // that hosts are verified by; nil: the system's
	Broker *broker.Broker // of the policy's secrets; nil: no request of a policy with secrets goes out
}

// Proxy serves connections.
type Proxy struct {
	Options
	transport atomic.Pointer[http.Transport]
	links     atomic.Pointer[links]
	server    *tls.Config // towards agents
	original  func(*net.TCPConn) (netip.AddrPort, error)
}

// New makes a proxy.
func New(o Options) *Proxy {
	if o.Broker == nil {
		o.Broker = broker.New(nil)
	}
	p := &Proxy{Options: o, original: originalDestination}
	p.server = p.serverConfig()
	p.renew()
	return p
}

// Replaced is called after a new policy is in force: connections that are kept for later requests were made under the
// old one. Those in use end with their requests.
func (p *Proxy) Replaced() { p.renew() }

// renew begins with no connection to a host.
func (p *Proxy) renew() {
	t := p.newTransport()
	if old := p.links.Swap(p.newLinks(t.TLSClientConfig)); old != nil {
		old.end()
	}
	if old := p.transport.Swap(t); old != nil {
		old.CloseIdleConnections()
	}
}

// conn is a connection of the agent, or what TLS makes of it.
type conn interface {
	net.Conn
	CloseWrite() error
}

// session is one connection of the agent.
type session struct {
	p    *Proxy
	c    conn
	raw  *net.TCPConn // below c
	r    *bufio.Reader
	n    int64
	done func()

	// The only target of its requests, where the connection came to one. "" on the proxy's port.
	host   string
	port   uint16
	secure bool // its requests were read inside TLS

	wasCut atomic.Bool

	meter *budget.Meter // of its bytes up, where it becomes a tunnel; nil: they have no limit
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

func (p *Proxy) session(c *net.TCPConn, done func()) *session {
	r := readers.Get().(*bufio.Reader)
	r.Reset(c)
	return &session{p: p, c: c, raw: c, r: r, n: p.Judge.Number(), done: done}
}

// end closes the connection. Nobody reads from it any more.
func (s *session) end() {
	s.c.Close()
	s.release()
	s.done()
}

// release gives the reader back.
func (s *session) release() {
	s.r.Reset(nil)
	readers.Put(s.r)
	s.r = nil
}

// Requests serves a connection to the proxy's port.
func (p *Proxy) Requests(c *net.TCPConn, done func()) { p.session(c, done).serveHTTP() }

// Redirected serves a connection that the kernel redirected.
func (p *Proxy) Redirected(c *net.TCPConn, done func()) {
	s := p.session(c, done)
	q, refusal := s.target()
	if isSelf(q) {
		s.serveSelf(q)
		return
	}
	d := policy.Decision{Protocol: guess(q.Port)}
	if refusal == nil {
		d = p.Judge.Decide(q)
		refusal = usable(d, q)
	}
	if refusal == nil {
		refusal = s.admit(q.Host, d)
	}
	if refusal != nil {
		p.Judge.Case(s.n, q).Deny(refusal)
		s.refuseUnasked(guess(q.Port), refusal)
		return
	}
	s.host, s.port = q.Host, q.Port
	switch d.Protocol {
	case policy.HTTP:
		s.serveHTTP()
	case policy.TLS:
		s.tunnelTLS(q, d)
	default:
		s.tunnelRaw(q, d, nil)
	}
}

// guess is what a client speaks on a port that no rule names.
func guess(port uint16) string {
	switch port {
	case 80:
		return policy.HTTP
	case 443:
		return policy.TLS
	}
	return policy.Raw
}

// target finds out where the agent wanted to go.
func (s *session) target() (policy.Request, *judge.Refusal) {
	q := policy.Request{Kind: policy.KindTCP}
	to, err := s.p.original(s.raw)
	if err != nil || to == s.c.LocalAddr().(*net.TCPAddr).AddrPort() {
		return q, &judge.Refusal{Reason: judge.Direct, Text: "this port is only for connections that are redirected to it"}
	}
	q.Port = to.Port()
	name, ok := s.p.Names.Name(to.Addr())
	switch {
	case ok:
		q.Host = name
	case names.Range.Contains(to.Addr()):
		q.Addr = to.Addr()
		return q, &judge.Refusal{
			Reason: policy.ReasonAddress,
			Text:   to.Addr().String() + " is no address that a name has; look the host's name up first",
		}
	default:
		q.Host = to.Addr().String()
	}
	return q, nil
}

// originalDestination asks the kernel where a redirected connection went (netfilter's SO_ORIGINAL_DST). The answer is a
// sockaddr_in, which fits in the structure that package unix has for another option.
func originalDestination(c *net.TCPConn) (to netip.AddrPort, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return to, err
	}
	if failed := raw.Control(func(fd uintptr) {
		var m *unix.IPv6Mreq
		if m, err = unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, unix.SO_ORIGINAL_DST); err == nil {
			b := m.Multiaddr
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), uint16(b[2])<<8|uint16(b[3]))
		}
	}); failed != nil {
		return to, failed
	}
	return to, err
}

// usable makes a refusal of a decision that does not allow.
func usable(d policy.Decision, q policy.Request) *judge.Refusal {
	if !d.Allow {
		return judge.Refuse(d, q)
	}
	return nil
}

// admit counts the names that an agent uses: what is not looked up by DNS is bounded as what is.
func (s *session) admit(host string, d policy.Decision) *judge.Refusal {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	_, err := s.p.Names.Address(host, d.Pattern)
	if errors.Is(err, names.ErrTooMany) {
		return judge.TooManyNames(host, d.Rule)
	}
	if err != nil {
		return &judge.Refusal{Reason: judge.Unrecorded, Text: "the gate cannot write its state; the operator looks at its disk"}
	}
	return nil
}
