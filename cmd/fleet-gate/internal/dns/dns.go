// Package dns answers an agent's questions for names. It forwards none: a name that the policy allows has the loopback
// address that package names gives it, every other one does not exist.
package dns

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/names"
	"fleet/schemas/policy"
)

const (
	// ttl of an answer in seconds. Addresses stay the same; a name may cease to be allowed, which the gate then refuses.
	ttl = 60

	// blocked is the extended error "Blocked", RFC 8914: by the operator of the server. maxText bounds its text, so that
	// every answer fits in the 512 bytes that UDP has without EDNS.
	blocked     = 15
	optionError = 15
	maxText     = 180
	udpSize     = 1232

	// quiet is how long further answers for an allowed name have no record of their own.
	quiet = time.Minute

	// idle is how long a TCP connection may wait between questions, and for the rest of one.
	idle = 10 * time.Second

	maxQuestion = 4 << 10
)

// Server answers.
type Server struct {
	Answered func(code string) // is called for each answer, if not nil

	judge *judge.Judge
	names *names.Table

	mu       sync.Mutex
	recorded map[string]time.Time // of names that are allowed, which the table bounds
}

// New makes a server.
func New(j *judge.Judge, t *names.Table) *Server {
	return &Server{judge: j, names: t, recorded: map[string]time.Time{}}
}

// Datagram answers one question; nil is no answer, for what is no question.
func (s *Server) Datagram(query []byte, _ netip.AddrPort) []byte { return s.Answer(query) }

// Stream answers the questions of a TCP connection one after the other, RFC 7766.
func (s *Server) Stream(c *net.TCPConn, done func()) {
	defer done()
	defer c.Close()
	var size [2]byte
	for {
		if err := c.SetDeadline(time.Now().Add(idle)); err != nil {
			return
		}
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(size[:]))
		if n > maxQuestion {
			return
		}
		query := make([]byte, n)
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		answer := s.Answer(query)
		if answer == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// reply is what an answer says.
type reply struct {
	code dnsmessage.RCode
	addr netip.Addr // of the name, when it was asked for
	text string     // of an extended error
}

// Answer answers a message; nil is no answer.
func (s *Server) Answer(query []byte) []byte {
	b, code := s.answer(query)
	if b != nil && s.Answered != nil {
		s.Answered(strings.TrimPrefix(code.String(), "RCode"))
	}
	return b
}

func (s *Server) answer(query []byte) ([]byte, dnsmessage.RCode) {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil, 0
	}
	q, edns, err := question(&p)
	var r reply
	switch {
	case err != nil:
		r.code = dnsmessage.RCodeFormatError
		return pack(h, nil, false, r), r.code
	case h.OpCode != 0:
		r.code = dnsmessage.RCodeNotImplemented
	case q.Class != dnsmessage.ClassINET:
		r.code = dnsmessage.RCodeRefused
	default:
		r = s.decide(q)
	}
	return pack(h, &q, edns, r), r.code
}

var errQuestions = errors.New("must have one question and nothing else but additional records")

// question reads the only question of a message, and whether it has EDNS.
func question(p *dnsmessage.Parser) (q dnsmessage.Question, edns bool, err error) {
	all, err := p.AllQuestions()
	if err != nil {
		return q, false, err
	}
	if len(all) != 1 {
		return q, false, errQuestions
	}
	if _, err := p.AnswerHeader(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return q, false, errQuestions
	}
	if _, err := p.AuthorityHeader(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return q, false, errQuestions
	}
	for {
		h, err := p.AdditionalHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return all[0], edns, nil
		}
		if err != nil {
			return q, false, err
		}
		edns = edns || h.Type == dnsmessage.TypeOPT
		if err := p.SkipAdditional(); err != nil {
			return q, false, err
		}
	}
}

func (s *Server) decide(q dnsmessage.Question) reply {
	ask := policy.Request{Kind: policy.KindDNS, Host: q.Name.String()}
	h, err := policy.ParseHost(ask.Host)
	if err == nil {
		ask.Host = h.String() // some clients write letters in changing case, and all of them mean one name
	}
	d := s.judge.Decide(ask)
	c := s.judge.Case(0, ask)
	if h.Name == policy.SelfName {
		d.Allow = true
	}
	if !d.Allow {
		r := judge.Refuse(d, ask)
		c.Deny(r)
		return reply{code: dnsmessage.RCodeNameError, text: r.Text}
	}
	if err != nil || h.Name == "" {
		return reply{code: dnsmessage.RCodeNameError, text: policy.ErrHost.Error()}
	}
	a, err := s.names.Address(h.Name, d.Pattern)
	if errors.Is(err, names.ErrTooMany) {
		r := judge.TooManyNames(h.Name, d.Rule)
		c.Deny(r)
		return reply{code: dnsmessage.RCodeNameError, text: r.Text}
	}
	if err != nil || !s.record(h.Name, c, d) {
		return reply{code: dnsmessage.RCodeServerFailure, text: "the gate cannot write its records now"}
	}
	if q.Type != dnsmessage.TypeA {
		return reply{} // the name has nothing else: no IPv6, no keys for an encrypted ClientHello
	}
	return reply{addr: a}
}

// record writes the record of an allowed name, once in a while, and reports whether there is one.
func (s *Server) record(name string, c *judge.Case, d policy.Decision) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.recorded[name]; ok && time.Since(at) < quiet {
		return true
	}
	if c.Allow(d, "") != nil {
		return false
	}
	s.recorded[name] = time.Now()
	return true
}

func pack(h dnsmessage.Header, q *dnsmessage.Question, edns bool, r reply) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{
		ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, RecursionAvailable: true,
		RCode: r.code,
	}}
	if q != nil {
		m.Questions = []dnsmessage.Question{*q}
	}
	if r.addr.IsValid() {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttl},
			Body:   &dnsmessage.AResource{A: r.addr.As4()},
		}}
	}
	if edns {
		m.Additionals = []dnsmessage.Resource{opt(r.text)}
	}
	b, err := m.Pack()
	if err != nil {
		return nil // all parts were parsed or are ours
	}
	return b
}

func opt(text string) dnsmessage.Resource {
	body := new(dnsmessage.OPTResource)
	if text != "" {
		data := binary.BigEndian.AppendUint16(nil, blocked)
		body.Options = []dnsmessage.Option{{Code: optionError, Data: append(data, text[:min(len(text), maxText)]...)}}
	}
	h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(".")}
	_ = h.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false) // fails for no code that fits in four bits
	return dnsmessage.Resource{Header: h, Body: body}
}
