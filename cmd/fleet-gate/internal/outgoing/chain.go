package outgoing

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// maxChain bounds the names of a chain.
const maxChain = 8

// chain notes which names a host's name stands for, for the audit: it is the addresses at their end that are decided on.
type chain struct {
	mu   sync.Mutex
	next map[string]string
}

type chainKey struct{}

// listen returns c, of which the answers are noted in the chain of ctx, if there is one.
func listen(ctx context.Context, c net.Conn) net.Conn {
	note, ok := ctx.Value(chainKey{}).(*chain)
	if !ok {
		return c
	}
	if udp, ok := c.(*net.UDPConn); ok {
		return &heard{udp, note}
	}
	return &heardStream{Conn: c, note: note}
}

// heard is the connection to a resolver; package net takes it for one of datagrams.
type heard struct {
	*net.UDPConn
	note *chain
}

func (h *heard) Read(b []byte) (int, error) {
	n, err := h.UDPConn.Read(b)
	h.note.answer(b[:n])
	return n, err
}

// heardStream is one of a stream, in which each message has its length before it.
type heardStream struct {
	net.Conn
	note *chain
	got  []byte
}

func (h *heardStream) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	h.got = append(h.got, b[:n]...)
	if len(h.got) >= 2 {
		if size := int(binary.BigEndian.Uint16(h.got)); len(h.got) >= 2+size {
			h.note.answer(h.got[2 : 2+size])
			h.got = h.got[2+size:]
		}
	}
	return n, err
}

// answer notes the CNAMEs of a message.
func (c *chain) answer(b []byte) {
	var p dnsmessage.Parser
	if _, err := p.Start(b); err != nil || p.SkipAllQuestions() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.next) < maxChain {
		h, err := p.AnswerHeader()
		if err != nil {
			return
		}
		if h.Type != dnsmessage.TypeCNAME {
			if p.SkipAnswer() != nil {
				return
			}
			continue
		}
		r, err := p.CNAMEResource()
		if err != nil {
			return
		}
		c.next[plain(h.Name)] = plain(r.CNAME)
	}
}

func plain(n dnsmessage.Name) string { return strings.ToLower(strings.TrimSuffix(n.String(), ".")) }

// from returns the names that host stands for, the first one first.
func (c *chain) from(host string) (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for to, ok := c.next[host]; ok && len(names) < maxChain; to, ok = c.next[to] {
		names = append(names, to)
	}
	return names
}
