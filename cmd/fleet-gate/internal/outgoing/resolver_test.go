package outgoing

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// server is a name server on loopback, by UDP and TCP. zone gives the answer to a question as words: addresses,
// "cname=NAME", "servfail", "nxdomain"; n counts the questions of the same name and type before.
type server struct {
	t    *testing.T
	addr string
	zone func(name string, n int) string

	mu    sync.Mutex
	asked map[string]int // by type and name
}

func serve(t *testing.T, zone func(name string, n int) string) *server {
	t.Helper()
	udp, tcp := sockets(t)
	t.Cleanup(func() { udp.Close(); tcp.Close() })
	s := &server{t: t, addr: udp.LocalAddr().String(), zone: zone, asked: map[string]int{}}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFromUDP(buf)
			if err != nil {
				return
			}
			udp.WriteToUDP(s.answer(buf[:n], 1232), from)
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go s.stream(c)
		}
	}()
	return s
}

// sockets are two with one port.
func sockets(t *testing.T) (*net.UDPConn, *net.TCPListener) {
	t.Helper()
	for range 100 {
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(tcp.Addr().(*net.TCPAddr).AddrPort())); err == nil {
			return udp, tcp
		}
		tcp.Close()
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

func (s *server) stream(c net.Conn) {
	defer c.Close()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	q := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, q); err != nil {
		return
	}
	b := s.answer(q, 65535)
	c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
}

func (s *server) answer(query []byte, limit int) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil
	}
	q := m.Questions[0]
	key := strings.TrimPrefix(q.Type.String(), "Type") + " " + q.Name.String()
	s.mu.Lock()
	n := s.asked[key]
	s.asked[key]++
	s.mu.Unlock()
	m.Header.Response, m.Header.RecursionAvailable, m.Additionals = true, true, nil
	name := q.Name
	for word := range strings.FieldsSeq(s.zone(strings.TrimSuffix(q.Name.String(), "."), n)) {
		h := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET} // with a TTL of 0
		to, cname := strings.CutPrefix(word, "cname=")
		ip := net.ParseIP(word)
		switch {
		case word == "servfail":
			m.RCode = dnsmessage.RCodeServerFailure
		case word == "nxdomain":
			m.RCode = dnsmessage.RCodeNameError
		case cname:
			name = dnsmessage.MustNewName(to + ".")
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: name}})
		case ip.To4() != nil && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: [4]byte(ip.To4())}})
		case ip.To4() == nil && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: [16]byte(ip)}})
		}
	}
	b, err := m.Pack()
	if err != nil {
		s.t.Error(err)
	}
	if len(b) > limit {
		m.Truncated, m.Answers = true, m.Answers[:1]
		b, _ = m.Pack()
	}
	return b
}

// questions are how many were asked in all.
func (s *server) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, k := range s.asked {
		n += k
	}
	return n
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "8.8.%d.%d ", i/250, 1+i%250)
	}
	return b.String()
}
