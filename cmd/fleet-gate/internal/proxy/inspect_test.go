package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet-gate/internal/hello"
	"fleet/schemas/policy"
)

var quiet = log.New(io.Discard, "", 0)

// echoes tells what the host was asked.
func echoes(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.RequestURI, b)
}

// Requests inside TLS go by the rules for methods and paths, each with its two records.
func TestInspect(t *testing.T) {
	g := inspect(t)
	g.handler = echoes
	g.each(t, func(t *testing.T, w way) {
		if w.name == "plain" {
			return
		}
		for range 3 {
			resp, err := w.client.Post(w.url+"/v1/x?q=%2F", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := "POST " + g.at(w.host) + " /v1/x?q=%2F body"
			if string(b) != want || resp.ProtoMajor != map[bool]int{true: 2, false: 1}[w.h2] {
				t.Errorf("got %s %q, want %q", resp.Proto, b, want)
			}
		}
		one := "decision allow " + w.host + " allowed\nend allow " + w.host + " allowed"
		if said := g.said(6); said != one+"\n"+one+"\n"+one {
			t.Errorf("records %s", said)
		}
		resp, err := w.client.Get(w.url + "/v2")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 403 || resp.Header.Get("X-Fleet-Deny") != policy.ReasonPath || !strings.HasPrefix(string(b), "fleet: ") {
			t.Errorf("got %s %v %q", resp.Status, resp.Header, b)
		}
		if said := g.said(1); said != "decision deny "+w.host+" path-not-listed" {
			t.Errorf("records %s", said)
		}
	})
}

// The record has method and path without the query.
func TestInspectRecords(t *testing.T) {
	g := inspect(t)
	g.handler = echoes
	for _, h2 := range []bool{false, true} {
		resp, err := g.inside(h2).Get("https://" + g.at("new.test") + "/v1/x?secret")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			g.mu.Lock()
			n := len(g.records)
			if n == 2 || time.Now().After(end) {
				for _, r := range g.records {
					if r.Kind != "https" || r.Method != "GET" || r.Path != "/v1/x" || r.Address != "127.0.0.1" {
						t.Errorf("got %+v", r)
					}
				}
				g.records = nil
				g.mu.Unlock()
				if n != 2 {
					t.Errorf("%d records", n)
				}
				break
			}
			g.mu.Unlock()
		}
	}
}

// EGR-D1 to D3, D5 to D8, EGR-E6, E7: what the ClientHello of an inspected connection may be.
func TestD1Hellos(t *testing.T) {
	g := inspect(t)
	g.handler = func(http.ResponseWriter, *http.Request) { t.Error("the host is asked") }
	for name, c := range map[string]struct {
		conf *tls.Config
		want string
	}{
		"D1 other name":  {&tls.Config{ServerName: "web.test"}, "other-name"},
		"D1 below":       {&tls.Config{ServerName: "x.new.test"}, "other-name"},
		"D2 no name":     {&tls.Config{InsecureSkipVerify: true}, "no-name"},
		"D8 TLS 1.0":     {&tls.Config{ServerName: "new.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, "handshake-failed"},
		"D8 TLS 1.1":     {&tls.Config{ServerName: "new.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "handshake-failed"},
		"other protocol": {&tls.Config{ServerName: "new.test", NextProtos: []string{"acme-tls/1"}}, "handshake-failed"},
		"D11 pinned":     {&tls.Config{ServerName: "new.test", RootCAs: x509.NewCertPool()}, "gate-not-trusted"},
	} {
		g.said(0)
		conn, _, _ := g.tunnel(g.at("new.test"))
		if c.conf.RootCAs == nil {
			c.conf.RootCAs = g.roots
		}
		if err := tls.Client(conn, c.conf).Handshake(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if said := g.said(1); said != "decision deny new.test "+c.want {
			t.Errorf("%s: records %q", name, said)
		}
	}
	c, r, _ := g.tunnel(g.at("new.test"))
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: new.test\r\n\r\n")
	if b, _ := io.ReadAll(r); string(b) != "\x15\x03\x03\x00\x02\x02\x31" {
		t.Errorf("D3 plain text: got %q", b)
	}
	if said := g.said(1); said != "decision deny new.test not-tls" || len(g.asked) > 0 {
		t.Errorf("D3 plain text: records %q, looked up %q", said, g.asked)
	}
}

// byteConn writes one byte at a time.
type byteConn struct{ net.Conn }

func (c byteConn) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// EGR-D5, D6: a ClientHello that comes byte by byte, with keys for post-quantum exchange, is read all the same.
func TestD5ByteByByte(t *testing.T) {
	g := inspect(t)
	g.handler = echoes
	for _, host := range []string{"new.test", "tls.test"} {
		c, _, _ := g.tunnel(g.at(host))
		c.SetNoDelay(true)
		conn := tls.Client(byteConn{c}, &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err := conn.Handshake(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// EGR-D4: each request names the host of its connection, also the second one, and by HTTP/2 where clients share
// connections.
func TestD4OtherHost(t *testing.T) {
	g := inspect(t)
	g.handler = echoes
	at := g.at("new.test")
	c := g.mustOpen("new.test", "http/1.1")
	r := bufio.NewReader(c)
	for _, x := range []struct{ line, host, want string }{
		{"GET /v1/1", at, "200 "},
		{"GET /v1/2", "old.test", "421 other-name"},
		{"GET /v1/3", g.at("old.test"), "421 other-name"},
		{"GET https://" + g.at("old.test") + "/v1/4", at, "421 other-name"},
		{"GET https://" + at + "/v1/5", at, "200 "},
		{"GET https://" + at + "/v1/5", "old.test", "421 other-name"},
		{"GET http://" + at + "/v1/6", at, "400 bad-path"},
		{"GET /v1/7", "new.test", "200 "},
		{"GET /v1/7", "new.test:1", "421 other-name"},
		{"GET /v1/7", "NEW.test.", "200 "},
	} {
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: %s\r\n\r\n", x.line, x.host)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(x, err)
		}
		b, _ := io.ReadAll(resp.Body)
		got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Fleet-Deny"))
		if got != x.want || resp.StatusCode == 200 && !strings.HasPrefix(string(b), "GET "+at+" /v1/") {
			t.Errorf("%s, Host %s: got %s, %q", x.line, x.host, got, b)
		}
	}
	conn := g.shared("new.test")
	for host, want := range map[string]string{at: "200 ", "old.test": "421 other-name", "new.test": "200 ", g.at("old.test"): "421 other-name"} {
		req := request(t, "GET", "https://"+at+"/v1/x")
		req.Host = host
		resp, err := conn.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Fleet-Deny"))
		if got != want || resp.StatusCode == 200 && string(b) != "GET "+at+" /v1/x " {
			t.Errorf("h2, :authority %s: got %s, %q", host, got, b)
		}
	}
}

// EGR-D9, EGR-E21: a host whose certificate is bad is refused with the reason and never passed as good.
func TestD9BadCertificate(t *testing.T) {
	g := inspect(t)
	g.handler = func(http.ResponseWriter, *http.Request) { t.Error("the host is asked") }
	other := newAuthority(t)
	g.origin("name.test", &x509.Certificate{DNSNames: []string{"else.test"}}, nil)
	g.origin("old2.test", &x509.Certificate{
		DNSNames: []string{"old2.test"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
	}, nil)
	g.origin("self.test", &x509.Certificate{DNSNames: []string{"self.test"}}, func(s *httptest.Server) {
		s.TLS.Certificates = []tls.Certificate{other.leaf(&x509.Certificate{DNSNames: []string{"self.test"}})}
	})
	g.origin("tls11.test", &x509.Certificate{DNSNames: []string{"tls11.test"}}, func(s *httptest.Server) {
		s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	})
	g.apply()
	g.trust()
	for host, want := range map[string]string{
		"name.test": "bad-certificate for another name", "old2.test": "bad-certificate expired",
		"self.test": "bad-certificate an authority that the gate does not know", "tls11.test": "unreached TLS handshake",
	} {
		for _, h2 := range []bool{false, true} {
			resp, err := g.inside(h2).Get("https://" + g.at(host) + "/v1/x")
			if err != nil {
				t.Fatal(host, err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			reason, text, _ := strings.Cut(want, " ")
			if resp.StatusCode != 502 || resp.Header.Get("X-Fleet-Deny") != reason || !strings.Contains(string(b), text) {
				t.Errorf("%s: got %s %v %q", host, resp.Status, resp.Header, b)
			}
		}
	}
}

// EGR-D11: a host that wants a certificate of its client says so in an answer that helps.
func TestD11ClientCertificate(t *testing.T) {
	g := inspect(t)
	g.handler = func(http.ResponseWriter, *http.Request) { t.Error("the host is asked") }
	g.origin("mutual.test", &x509.Certificate{DNSNames: []string{"mutual.test"}}, func(s *httptest.Server) {
		s.TLS.ClientAuth = tls.RequireAnyClientCert
	})
	g.apply()
	g.trust()
	resp, err := g.inside(true).Get("https://" + g.at("mutual.test") + "/v1/x")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 502 || resp.Header.Get("X-Fleet-Deny") != "wants-certificate" || !strings.Contains(string(b), "without methods") {
		t.Errorf("got %s %v %q", resp.Status, resp.Header, b)
	}
}

// EGR-E1: a redirected connection is inspected as one by CONNECT.
func TestE1RedirectedInside(t *testing.T) {
	g := inspect(t)
	g.handler = echoes
	a, err := g.table.Address("new.test", "r")
	if err != nil {
		t.Fatal(err)
	}
	original := netip.AddrPortFrom(a, uint16(portOf(g.origins["new.test"].Listener.Addr())))
	g.original.Store(&original)
	conn := tls.Client(g.dial(g.redir), &tls.Config{ServerName: "new.test", RootCAs: g.roots})
	fmt.Fprintf(conn, "GET /v1/x HTTP/1.1\r\nHost: new.test\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(b), "GET "+g.at("new.test")+" /v1/x ") {
		t.Errorf("got %q, %v", b, err)
	}
}

// EGR-E17: the form of a path that is decided on is the one that is passed on, inside TLS too.
func TestE17InspectedPaths(t *testing.T) {
	g := inspect(t)
	g.handler = echoes
	g.each(t, func(t *testing.T, w way) {
		if w.name == "plain" {
			return
		}
		for target, want := range map[string]string{
			"/v1/%61%2D":      "200 GET " + g.at(w.host) + " /v1/a- ",
			"/v1/%e4%bd%a0":   "200 GET " + g.at(w.host) + " /v1/%E4%BD%A0 ",
			"/v1/x?q=/../%2e": "200 GET " + g.at(w.host) + " /v1/x?q=/../%2e ",
			"/V1/x":           "403 path-not-listed",
			"/v1":             "403 path-not-listed",
			"/v1/../v2":       "400 bad-path",
			"/v1/%2e%2e/v2":   "400 bad-path",
			"/v1/..%2fv2":     "400 bad-path",
			"/v1/%252e":       "400 bad-path",
			"/v1/a;b":         "400 bad-path",
			"/v1//x":          "400 bad-path",
			"//v1/x":          "400 bad-path",
			`/v1/a%5Cb`:       "400 bad-path",
		} {
			req := request(t, "GET", w.url)
			req.URL.Opaque = target
			if strings.HasPrefix(target, "//") {
				req.URL.Opaque, req.URL.Path = "", target
			}
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(target, err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			got := fmt.Sprint(resp.StatusCode, " ", string(b))
			if reason := resp.Header.Get("X-Fleet-Deny"); reason != "" {
				got = fmt.Sprint(resp.StatusCode, " ", reason)
			}
			if got != want {
				t.Errorf("%s: got %q, want %q", target, got, want)
			}
		}
		for _, method := range []string{"TRACE", "get"} {
			resp, err := w.client.Do(request(t, method, w.url+"/v1/x"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 400 || resp.Header.Get("X-Fleet-Deny") != policy.ReasonBadMethod {
				t.Errorf("%s: got %s %v", method, resp.Status, resp.Header)
			}
		}
	})
}

// EGR-D7: a ClientHello that may hide another one is refused, whatever name it shows.
func TestD7Hidden(t *testing.T) {
	g := start(t)
	s := &session{p: g.px}
	q := policy.Request{Kind: policy.KindConnect, Host: "tls.test", Port: uint16(portOf(g.tls.Listener.Addr()))}
	if _, _, r := s.checkHello(hello.Hello{Name: "tls.test"}, nil, q); r != nil {
		t.Errorf("a plain one: %v", r)
	}
	if _, _, r := s.checkHello(hello.Hello{Name: "tls.test", Hidden: true}, nil, q); r == nil || r.Reason != "hidden-name" {
		t.Errorf("got %v", r)
	}
}

// EGR-E26: a tunnel that nobody looks into ends when rules for methods or paths come; one to another host goes on.
func TestE26RulesForPathsCome(t *testing.T) {
	g := inspect(t)
	for i := range g.policy.Allow {
		g.policy.Allow[i].Paths = nil
	}
	g.apply()
	open := func(host string) *tls.Conn {
		c, _, _ := g.tunnel(g.at(host))
		conn := tls.Client(c, &tls.Config{ServerName: host, RootCAs: g.hosts.pool})
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	one, other := open("new.test"), open("old.test")
	for i := range g.policy.Allow {
		if g.policy.Allow[i].Host == "new.test" {
			g.policy.Allow[i].Paths = []string{"/v1/*"}
		}
	}
	began := time.Now()
	g.apply()
	if _, err := one.Read(make([]byte, 1)); err == nil || time.Since(began) > patience {
		t.Errorf("goes on: %v", err)
	}
	g.handler = echoes
	fmt.Fprint(other, "GET /x HTTP/1.1\r\nHost: old.test\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(other); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
		t.Errorf("the other one: %q, %v", b, err)
	}
}
