//go:build machine

package egress

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fleet/cmd/fleet/internal/e2e/origins"
)

// question is a DNS message that asks for a name.
func question(name string, kind dnsmessage.Type) []byte {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		panic(err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// lookup asks a server by UDP or TCP. A name that does not exist is an error.
func (a *agent) lookup(network, server, name string, kind dnsmessage.Type) (*dnsmessage.Message, error) {
	b, err := a.exchange(network, server, question(name, kind))
	if err != nil {
		return nil, err
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return nil, err
	}
	if m.RCode != dnsmessage.RCodeSuccess {
		return nil, fmt.Errorf("%s", m.RCode)
	}
	return &m, nil
}

func (a *agent) exchange(network, server string, query []byte) ([]byte, error) {
	if network == "udp" {
		return a.udp(server, query)
	}
	c, err := a.dial("tcp", server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(usually))
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err = io.ReadFull(c, b)
	return b, err
}

func asking(network, server, name string, kind dnsmessage.Type) func(*agent) error {
	return func(a *agent) error {
		_, err := a.lookup(network, server, name, kind)
		return err
	}
}

// E8, G3: only allowed names are answered, by whatever server the agent believes to ask, and nothing is forwarded.
func TestEGRE8Names(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		var group []attempt
		for _, network := range []string{"udp", "tcp"} {
			for _, kind := range []dnsmessage.Type{
				dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeTXT, dnsmessage.TypeMX, dnsmessage.TypeNS, dnsmessage.TypeSRV, dnsmessage.TypePTR, 65, 255, 16384,
			} {
				group = append(group, attempt{
					fmt.Sprintf("%s %v of a host that is not listed", network, kind), asking(network, a.dns, "evil.test.", kind), "host-not-listed", "",
				})
			}
			for _, name := range []string{"secret-of-the-agent.evil.test.", label64[1:] + "." + label64[1:] + "." + label64[1:] + ".", "wild.test."} {
				group = append(group, attempt{network + " " + name, asking(network, a.dns, name, dnsmessage.TypeA), "host-not-listed", ""})
			}
			group = append(group, attempt{network + " a long child", asking(network, a.dns, label64[:40]+"."+label64[:40]+".wild.test.", dnsmessage.TypeA), "long-name", ""},
				attempt{network + " a denied child", asking(network, a.dns, "bad.wild.test.", dnsmessage.TypeA), "denied", ""})
		}
		a.blocked(group)
		a.net.Forget()
		for _, network := range []string{"udp", "tcp"} {
			m, err := a.lookup(network, a.dns, "WeB.tEsT.", dnsmessage.TypeA)
			if err != nil || len(m.Answers) != 1 || !strings.HasPrefix(m.Answers[0].Body.GoString(), "dnsmessage.AResource{A: [4]byte{127, 64, ") {
				t.Errorf("an allowed name by %s: %v, %v", network, m, err)
			}
			for _, kind := range []dnsmessage.Type{dnsmessage.TypeAAAA, dnsmessage.TypeTXT, 65, 255} { // nor keys for an encrypted ClientHello
				if m, err := a.lookup(network, a.dns, "web.test.", kind); err != nil || len(m.Answers) > 0 {
					t.Errorf("%v of an allowed name by %s: %v, %v", kind, network, m, err)
				}
			}
		}
		a.broken(t)
		if leak := leaks(a.net.Seen(), ""); leak != "" {
			t.Errorf("the origins saw %s", leak)
		}
	})
}

// broken sends what is no question, after which the gate still answers.
func (a *agent) broken(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		for _, b := range [][]byte{
			{},
			{0},
			make([]byte, 12), make([]byte, 4000), question("web.test.", 1)[:20], append(question("web.test.", 1), 0xff),
			[]byte(strings.Repeat("\xc0\x0c", 200)), append(make([]byte, 12), strings.Repeat("\x3faaaa", 100)...),
		} {
			if network == "udp" && len(b) == 0 {
				continue
			}
			if got, err := a.exchange(network, a.dns, b); err == nil && len(got) > 600 {
				t.Errorf("%s: %d bytes for %.20x", network, len(got), b)
			}
		}
		if _, err := a.lookup(network, a.dns, "web.test.", dnsmessage.TypeA); err != nil {
			t.Errorf("%s, then: %v", network, err)
		}
	}
}

// E8, G3: other servers, DNS over TLS and over HTTPS. In mode namespace every question on port 53 reaches the gate; in mode
// user one that goes elsewhere than to loopback is refused by the kernel.
func TestEGRE8OtherServers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		user := isolation[a.key] == "user"
		elsewhere, literal := "host-not-listed", "address-not-listed"
		if user {
			elsewhere, literal = kernel, kernel
		}
		var group []attempt
		for _, server := range []string{origins.Resolver + ":53", "8.8.8.8:53", "1.1.1.1:53"} {
			for _, network := range []string{"udp", "tcp"} {
				group = append(group, attempt{network + " to " + server, asking(network, server, "evil.test.", dnsmessage.TypeA), elsewhere, ""})
			}
		}
		a.blocked(together(group, []attempt{
			{"DNS over TLS", dial("1.1.1.1:853"), literal, ""},
			{"DNS over HTTPS by address", dial("1.1.1.1:443"), literal, ""},
			{"DNS over HTTPS by name", dial("dns.google:443"), "host-not-listed", ""},
			{"DNS over HTTPS by CONNECT", connect("cloudflare-dns.com:443"), "host-not-listed", ""},
			{"DNS over TLS of a listed host", connect("web.test:853"), "port-not-listed", ""},
			{"DNS of a listed host by CONNECT", connect("web.test:53"), "port-not-listed", ""},
			{"the resolver by CONNECT", connect(origins.Resolver + ":53"), "address-not-listed", ""},
			{"mDNS", func(a *agent) error { _, err := a.udp("224.0.0.251:5353", question("evil.test.", 1)); return err }, kernel, ""},
			{"DNS by IPv6", asking("udp", "["+origins.Address6+"]:53", "evil.test.", dnsmessage.TypeA), kernel, ""},
		}))
		a.net.Forget()
		for _, server := range []string{"127.0.0.53:53", "127.1.2.3:53"} { // any server on loopback is the gate
			if _, err := a.lookup("udp", server, "web.test.", dnsmessage.TypeA); err != nil {
				t.Errorf("%s: %v", server, err)
			}
		}
		if !user {
			if _, err := a.lookup("udp", "8.8.8.8:53", "web.test.", dnsmessage.TypeA); err != nil {
				t.Errorf("an allowed name by 8.8.8.8: %v", err)
			}
		}
		if leak := leaks(a.net.Seen(), ""); leak != "" {
			t.Errorf("the origins saw %s", leak)
		}
	})
}

// E8, J4: random children of a wildcard are limited, by DNS and by CONNECT together, and the limit outlives the gate.
func TestEGRE8ManyChildren(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		a.net.Forget()
		before := a.denials()["too-many"]
		out, exit := a.sh(order{Script: program + " children " + a.dns + " many.test 300", Time: time.Minute})
		var answered int
		if _, err := fmt.Sscan(out, &answered); err != nil || exit != 0 || answered < 50 || answered > 180 {
			t.Errorf("of 300 children at once %d were answered, want about 100: %s", answered, out)
		}
		if after := a.denials()["too-many"]; after-before < 300-answered {
			t.Errorf("%d were answered, and %d denials counted", answered, after-before)
		}
		if leak := leaks(a.net.Seen(), ""); leak != "" {
			t.Errorf("the origins saw %s", leak)
		}
		a.blocked([]attempt{{"one more by CONNECT", func(a *agent) error {
			for i := range 40 { // some are free again while the test goes on
				if err := connect(fmt.Sprintf("child-c%d-%d.many.test:443", i, time.Now().UnixNano()%1e6))(a); err != nil {
					return err
				}
			}
			return nil
		}, "too-many", ""}})
		a.must(order{Script: "curl -sS https://x.wild.test/"}, "origin x.wild.test") // another wildcard has its own
	})
}
