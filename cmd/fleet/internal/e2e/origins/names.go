//go:build machine

package origins

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
)

// Answer is what the name server says of a name.
type Answer struct {
	Addresses []string   // of both families
	Then      [][]string // after each question for A, the addresses of the next one; the last stay
	CNAME     string     // the name stands for this one, which is answered too
	Fail      string     // "SERVFAIL", "REFUSED", "NXDOMAIN"; "DROP" answers nothing
	TTL       uint32
}

var failures = map[string]dnsmessage.RCode{
	"SERVFAIL": dnsmessage.RCodeServerFailure, "REFUSED": dnsmessage.RCodeRefused, "NXDOMAIN": dnsmessage.RCodeNameError,
}

// zone has the answers by name. A name that it lacks does not exist.
type zone struct {
	book *book
	mu   sync.Mutex
	all  map[string]*Answer
}

func (z *zone) find(name string, turn bool) (Answer, bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	a, ok := z.all[strings.ToLower(strings.TrimSuffix(name, "."))]
	if !ok {
		return Answer{}, false
	}
	now := *a
	if turn && len(a.Then) > 0 {
		a.Addresses, a.Then = a.Then[0], a.Then[1:]
	}
	return now, true
}

// reply answers one question; nil is none. A UDP answer that is too long says so.
func (z *zone) reply(question []byte, network string) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := strings.TrimSuffix(q.Name.String(), ".")
	z.book.asked(Query{Name: name, Type: strings.TrimPrefix(q.Type.String(), "Type"), Network: network})
	a, ok := z.find(name, q.Type == dnsmessage.TypeA)
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case !ok:
		m.RCode = dnsmessage.RCodeNameError
	case a.Fail == "DROP":
		return nil
	case a.Fail != "":
		m.RCode = failures[a.Fail]
	default:
		m.Answers = z.records(q, a, nil)
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	if network == "udp" && len(b) > 1232 {
		m.Answers, m.Truncated = nil, true
		b, _ = m.Pack() //nolint:errcheck // packed before
	}
	return b
}

func (z *zone) records(q dnsmessage.Question, a Answer, to []dnsmessage.Resource) []dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: a.TTL}
	if a.CNAME != "" {
		target, err := dnsmessage.NewName(strings.TrimSuffix(a.CNAME, ".") + ".")
		if err != nil || len(to) > 20 {
			return to
		}
		to = append(to, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: target}})
		q.Name = target
		next, _ := z.find(a.CNAME, q.Type == dnsmessage.TypeA)
		return z.records(q, next, to)
	}
	for _, text := range a.Addresses {
		ip, err := netip.ParseAddr(text)
		switch {
		case err != nil:
		case ip.Is4() && q.Type == dnsmessage.TypeA:
			to = append(to, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: ip.As4()}})
		case ip.Is6() && q.Type == dnsmessage.TypeAAAA:
			to = append(to, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
		}
	}
	return to
}

func (z *zone) datagrams(p net.PacketConn) {
	for b := make([]byte, 4096); ; {
		n, from, err := p.ReadFrom(b)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if r := z.reply(b[:n], "udp"); r != nil {
			_, _ = p.WriteTo(r, from)
		}
	}
}

func (z *zone) stream(c net.Conn) {
	for {
		var size [2]byte
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		r := z.reply(b, "tcp")
		if r == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...)); err != nil {
			return
		}
	}
}
