package policy

import (
	"net/netip"
	"strings"
)

// Kind is what an agent asks for.
type Kind uint8

// Kinds of requests. The zero Kind is refused.
const (
	KindDNS     Kind = iota + 1 // an address of Host
	KindConnect                 // a tunnel by HTTP CONNECT to Host and Port
	KindTCP                     // a connection to Port at Host, or at Addr where it came without a name
	KindTLS                     // a ClientHello for Host, not inspected, to Port
	KindHTTP                    // an unencrypted HTTP request
	KindHTTPS                   // an HTTP request read from an inspected TLS connection
	KindDial                    // the gate's own connection to Addr, which Host was resolved to
)

// MaxChild bounds what a name may have before the name of the wildcard that allows it: the longest name of a bucket.
const MaxChild = 63

// Request is one question to a policy. Texts may be as the agent wrote them.
type Request struct {
	Kind   Kind
	Host   string // name or address, without a port
	Addr   netip.Addr
	Port   uint16 // all kinds but KindDNS
	Method string // KindHTTP and KindHTTPS
	Path   string // KindHTTP and KindHTTPS: the target with its query
}

// Decision is a policy's answer.
type Decision struct {
	Allow    bool   // what to do
	Reported bool   // no rule allows it: Allow is due to the mode Report alone, and Reason says what would be
	Bypassed bool   // the same for a Bypass
	Rule     string // Name of the rule that decided; "" where none did
	Reason   string // a Reason constant
	Agent    string // the agent's key, where Reason is ReasonCut

	// Where Allow.
	Protocol string // what to expect on the connection: HTTP, TLS or Raw
	Inspect  bool   // each request must be decided on, which on TLS means to open it
	Path     string // KindHTTP and KindHTTPS: the target to pass on, the one that was decided on
	Pattern  string // host of Rule; "" where none allows it
	Limits   Limits // of Rule; none for a connection whose requests are decided on
	Budget   string // what is counted against Limits; the same after rules were put in another order
	Held     Held   // the secrets that concern it
}

// Wildcard tells whether names below a host are allowed that nobody has listed one by one.
func (d Decision) Wildcard() bool { return strings.HasPrefix(d.Pattern, "*.") }

// Decide answers q. It allocates nothing where q's texts are in canonical form.
func (m *Matcher) Decide(q Request) Decision {
	d := m.judge(&q)
	if m.mode == modeCut && d.Reason != ReasonSelf {
		return Decision{Reason: ReasonCut, Agent: m.agent}
	}
	if d.Allow || m.mode == Enforce || Unsafe(d.Reason) {
		return d
	}
	d.Allow, d.Reported, d.Bypassed = true, m.mode == Report, m.mode == Bypassed
	if m.mode == Off {
		d.Reason, d.Rule = ReasonOff, ""
	}
	d.Protocol = seen(&q, d)
	d.Inspect = d.Inspect && d.Protocol != Raw
	return d
}

// seen returns the protocol of what no rule allows: the one that it has shown to be, else that of the rules for the
// host and port, else the one in which secrets go there, else the port's usual one.
func seen(q *Request, d Decision) string {
	switch {
	case q.Kind == KindDNS:
		return ""
	case q.Kind == KindHTTP:
		return HTTP
	case q.Kind == KindTLS, q.Kind == KindHTTPS:
		return TLS
	case d.Protocol != "":
		return d.Protocol
	case !d.Held.Here().Empty():
		return TLS
	case q.Port == 80:
		return HTTP
	case q.Port == 443:
		return TLS
	}
	return Raw
}

func (m *Matcher) judge(q *Request) Decision {
	h, reason := target(q)
	if reason != "" {
		return Decision{Reason: reason}
	}
	if isSelf(h) {
		return Decision{Reason: ReasonSelf}
	}
	if q.Kind == KindDNS {
		return m.lookup(h)
	}
	w := walk{m: m, h: h, kind: q.Kind, port: q.Port, method: q.Method}
	if q.Kind == KindHTTP || q.Kind == KindHTTPS {
		if !MethodOK(q.Method) {
			return Decision{Reason: ReasonBadMethod}
		}
		if !plainTarget(q.Path) {
			return Decision{Reason: ReasonBadPath}
		}
		w.request, w.path = true, q.Path
	}
	d := w.decide()
	d.Inspect, d.Path, d.Held = w.inspect && d.Protocol != Raw, w.path, w.held
	if w.kind == KindHTTPS {
		d.Held.request(w.method, w.path)
	}
	if reason := w.unreachable(dialled(q, h)); reason != "" {
		if !d.Allow {
			d.Rule = ""
		}
		return Decision{Reason: reason, Rule: d.Rule}
	}
	return d
}

// unreachable tells why the address of a request is refused whatever rules say, "" where it is not or none is known.
func (w *walk) unreachable(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	switch c := Classify(a); {
	case c == Never:
		return ReasonForbidden
	case c == Local && !w.private && (w.kind == KindDial || w.m.mode != Enforce):
		return ReasonPrivate // in mode Enforce such an address without a name is refused as one that is not listed
	}
	return ""
}

// dialled returns the address that would be reached, where it is known.
func dialled(q *Request, h Host) netip.Addr {
	if q.Kind == KindDial {
		return q.Addr
	}
	return h.Addr
}

// target returns the host of a request, or why it has none.
func target(q *Request) (Host, string) {
	if q.Kind < KindDNS || q.Kind > KindDial || q.Kind == KindDial && !q.Addr.IsValid() {
		return Host{}, ReasonBadRequest
	}
	if q.Port == 0 && q.Kind != KindDNS {
		return Host{}, ReasonBadPort
	}
	if q.Host == "" && q.Kind == KindTCP && q.Addr.IsValid() && q.Addr.Zone() == "" {
		return Host{Addr: q.Addr.Unmap()}, ""
	}
	h, err := ParseHost(q.Host)
	if err != nil {
		return Host{}, ReasonBadHost
	}
	if q.Kind == KindDial && h.Name == "" && h.Addr != q.Addr.Unmap() {
		return Host{}, ReasonBadRequest
	}
	return h, ""
}
