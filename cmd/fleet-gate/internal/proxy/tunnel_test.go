package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fleet/schemas/policy"
)

// EGR-E2: CONNECT to a listed host works, with one record before and one after.
func TestE2Connect(t *testing.T) {
	g := start(t)
	c, _, resp := g.tunnel(g.at("tls.test"))
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	conn, err := g.handshake(c, "TLS.test")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: tls.test\r\nConnection: close\r\n\r\n")
	b, _ := io.ReadAll(conn)
	if !strings.HasSuffix(string(b), "secure") {
		t.Errorf("got %q", b)
	}
	c.Close()
	if got := g.said(2); got != "decision allow tls.test allowed\nend allow tls.test allowed" {
		t.Errorf("records: %s", got)
	}
}

// EGR-I4, EGR-E3: the server speaks first.
func TestI4Raw(t *testing.T) {
	g := start(t)
	_, r, resp := g.tunnel(g.at("raw.test"))
	began := time.Now()
	line, err := r.ReadString('\n')
	if resp.StatusCode != 200 || err != nil || line != "220 hello\r\n" {
		t.Errorf("got %s, %q, %v", resp.Status, line, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
}

// EGR-E4, E5, E11, A1 to A4, B1 to B3, C1 to C5: what is refused, without a look-up and without a connection.
func TestE4ConnectRefused(t *testing.T) {
	g := start(t)
	tlsPort := portOf(g.tls.Listener.Addr())
	for target, want := range map[string]struct {
		status int
		reason string
	}{
		"other.test:443":                     {403, policy.ReasonHost},
		"tls.test:22":                        {403, policy.ReasonPort},
		"tls.test":                           {400, "malformed"},
		"tls.test:":                          {400, policy.ReasonBadPort},
		"tls.test:0443":                      {400, policy.ReasonBadPort},
		"tls.test:65536":                     {400, policy.ReasonBadPort},
		"tls.test:+443":                      {400, policy.ReasonBadPort},
		"user@tls.test:443":                  {400, policy.ReasonBadHost},
		"tls.test%00:443":                    {400, policy.ReasonBadHost},
		"tls.test..:443":                     {400, policy.ReasonBadHost},
		".tls.test:443":                      {400, policy.ReasonBadHost},
		"127.1:443":                          {400, policy.ReasonBadHost},
		"2130706433:443":                     {400, policy.ReasonBadHost},
		"0x7f000001:443":                     {400, policy.ReasonBadHost},
		fmt.Sprintf("127.0.0.1:%d", tlsPort): {403, policy.ReasonAddress},
		fmt.Sprintf("[::ffff:7f00:1]:%d", tlsPort): {403, policy.ReasonAddress},
		"169.254.169.254:80":                       {403, policy.ReasonForbidden},
		fmt.Sprintf("wild.test:%d", tlsPort):       {403, policy.ReasonHost},
		fmt.Sprintf("xtls.test:%d", tlsPort):       {403, policy.ReasonHost},
	} {
		_, _, resp := g.tunnel(target)
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want.status || resp.Header.Get("X-Fleet-Deny") != want.reason || !strings.HasPrefix(string(b), "fleet: ") {
			t.Errorf("%s: %s %q %q, want %v", target, resp.Status, resp.Header.Get("X-Fleet-Deny"), b, want)
		}
		if got := g.said(1); !strings.HasPrefix(got, "decision deny ") || strings.Contains(got, "\n") {
			t.Errorf("%s: records: %q", target, got)
		}
	}
	if len(g.asked) > 0 {
		t.Errorf("looked up %q", g.asked)
	}
}

// The text of a denial tells the operator's way to allow it.
func TestDenialHelps(t *testing.T) {
	g := start(t)
	_, _, resp := g.tunnel("other.test:443")
	b, _ := io.ReadAll(resp.Body)
	want := "fleet: other.test:443 is not in the allow list; to allow it, the operator adds it to egress.allow, then builds and switches\n"
	if string(b) != want {
		t.Errorf("got %q", b)
	}
}

// EGR-E6, EGR-D1 to D3: a ClientHello for another host, without a name, or none at all; the origin sees nothing.
func TestE6OtherHello(t *testing.T) {
	g := start(t)
	var seen bool
	g.tls.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen = true })
	for name, reason := range map[string]string{"web.test": "other-name", "x.tls.test": "other-name", "": "no-name"} {
		c, _, _ := g.tunnel(g.at("tls.test"))
		_, err := g.handshake(c, name)
		if err == nil || !strings.Contains(err.Error(), "access denied") {
			t.Errorf("%q: got %v", name, err)
		}
		if got := g.said(1); got != "decision deny tls.test "+reason {
			t.Errorf("%q: records %q", name, got)
		}
	}
	c, r, _ := g.tunnel(g.at("tls.test"))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: tls.test\r\n\r\n")
	if b, _ := io.ReadAll(r); string(b) != "\x15\x03\x03\x00\x02\x02\x31" {
		t.Errorf("plain text: got %q", b)
	}
	if got := g.said(1); got != "decision deny tls.test not-tls" {
		t.Errorf("plain text: records %q", got)
	}
	if seen || len(g.asked) > 0 {
		t.Error("something went out")
	}
}

// EGR-E11: a listed name that leads to a private address, without a rule that says so.
func TestE11Private(t *testing.T) {
	g := start(t)
	got := g.ask(g.proxy, "GET http://public.test/ HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "X-Fleet-Deny: "+policy.ReasonPrivate) {
		t.Errorf("got %q", got)
	}
	if got := g.said(1); got != "decision deny public.test private-address" {
		t.Errorf("records: %q", got)
	}
}

// EGR-E26, EGR-H4: a new policy cuts the tunnels that it does not allow and leaves the others.
func TestE26Replace(t *testing.T) {
	g := start(t)
	raw, rr, _ := g.tunnel(g.at("raw.test"))
	rr.ReadString('\n')
	c, _, _ := g.tunnel(g.at("tls.test"))
	conn, err := g.handshake(c, "tls.test")
	if err != nil {
		t.Fatal(err)
	}
	g.policy.Allow = g.policy.Allow[2:] // raw stays
	began := time.Now()
	if n := g.judge.Replace(g.compile()); n != 1 {
		t.Errorf("cut %d", n)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || time.Since(began) > time.Second {
		t.Errorf("the tunnel goes on: %v", err)
	}
	fmt.Fprint(raw, "still\n")
	if line, err := rr.ReadString('\n'); line != "still\n" {
		t.Errorf("the allowed one: %q, %v", line, err)
	}
}

// EGR-E1: redirected connections go by the name whose address they went to.
func TestE1Redirected(t *testing.T) {
	g := start(t)
	to := func(host string) {
		a, err := g.table.Address(host, "r")
		if err != nil {
			t.Fatal(err)
		}
		var port int
		fmt.Sscanf(g.at(host), host+":%d", &port)
		original := netip.AddrPortFrom(a, uint16(port))
		g.original.Store(&original)
	}
	to("tls.test")
	conn, err := g.handshake(g.dial(g.redir), "tls.test")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err = g.handshake(g.dial(g.redir), "web.test"); err == nil {
		t.Error("a ClientHello for another host")
	}
	to("raw.test")
	if line, _ := bufio.NewReader(g.dial(g.redir)).ReadString('\n'); line != "220 hello\r\n" {
		t.Errorf("raw: %q", line)
	}
	to("web.test")
	get := func(host string) string {
		return g.ask(g.redir, "GET /x HTTP/1.1\r\nConnection: close\r\nHost: "+host+"\r\n\r\n")
	}
	if got := get(g.at("web.test")); !strings.HasSuffix(got, "GET "+g.at("web.test")+" /x ") {
		t.Errorf("http: %q", got)
	}
	for _, host := range []string{"tls.test", "127.0.0.1", "web.test:1"} {
		if got := get(host); !strings.Contains(got, "X-Fleet-Deny: other-name") {
			t.Errorf("Host %s: %q", host, got)
		}
	}
}

// EGR-E5: an address that no name has, of any kind, and a connection that was not redirected.
func TestE5RedirectedAddress(t *testing.T) {
	g := start(t)
	for to, want := range map[string]string{
		"127.64.9.9:443":     "decision deny 127.64.9.9 address-not-listed",
		"127.64.9.9:80":      "decision deny 127.64.9.9 address-not-listed",
		"8.8.8.8:53":         "decision deny 8.8.8.8 address-not-listed",
		"169.254.169.254:80": "decision deny 169.254.169.254 forbidden-address",
		g.redir:              "decision deny  direct",
	} {
		original := netip.MustParseAddrPort(to)
		g.original.Store(&original)
		got := g.ask(g.redir, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if strings.HasSuffix(to, ":80") && !strings.HasPrefix(got, "HTTP/1.1 403 ") {
			t.Errorf("%s: got %q", to, got)
		}
		if said := g.said(1); said != want {
			t.Errorf("%s: records %q", to, said)
		}
	}
}
