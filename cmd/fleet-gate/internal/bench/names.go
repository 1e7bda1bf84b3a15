//go:build bench

package main

import (
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// serveNames is the only name server of the cage.
func serveNames() error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(nameServer), Port: 53})
	if err != nil {
		return err
	}
	go func() {
		buf := make([]byte, 4<<10)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if answer := answerName(buf[:n]); answer != nil {
				_, _ = c.WriteToUDPAddrPort(answer, from) // who misses it asks again
			}
		}
	}()
	return nil
}

func answerName(query []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	a, known := addresses[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	switch {
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 3600},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
		}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
