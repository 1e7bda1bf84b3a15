//go:build machine

package egress

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
)

// places are where an agent can say HTTP: to the proxy, plain on port 80, and inside TLS that is inspected. %s in a request
// is what comes before a path there.
var places = []struct {
	name, before, host string
	open               func(a *agent) (conn, error)
}{
	{"proxy", "http://any.api.test", "any.api.test", func(a *agent) (conn, error) { return a.dial("tcp", a.proxy) }},
	{"plain", "", "any.api.test", func(a *agent) (conn, error) { return a.dial("tcp", "any.api.test:80") }},
	{"TLS", "", "any.api.test", func(a *agent) (conn, error) {
		return a.tls("any.api.test:443", a.trusting("any.api.test"))
	}},
}

// everywhere makes an attempt of a request at each place.
func everywhere(reason, name, request string) (out []attempt) {
	for _, p := range places {
		out = append(out, attempt{name: name + " to " + p.name, reason: reason, do: func(a *agent) error {
			c, err := p.open(a)
			if err != nil {
				a.t.Error(err)
				return err
			}
			defer c.Close()
			return talk(c, strings.ReplaceAll(request, "%s", p.before))
		}})
	}
	return out
}

const hostLine = "Host: any.api.test\r\n"

// E16, C6, C7, C10, E1, E3, E10: requests that two servers could read in two ways, or that are too large, are refused
// wherever they are made.
func TestEGRE16Malformed(t *testing.T) {
	t.Parallel()
	get, post := "GET %s/ HTTP/1.1\r\n"+hostLine, "POST %s/ HTTP/1.1\r\n"+hostLine
	chunk := "5\r\nhello\r\n0\r\n\r\n"
	var group []attempt
	for name, request := range map[string]string{
		"CL and TE": post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
		"TE and CL": post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunk,
		"two CL":    post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "two equal CL": post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"list of CL": post + "Content-Length: 5, 5\r\n\r\nhello", "CL +5": post + "Content-Length: +5\r\n\r\nhello",
		"CL -1": post + "Content-Length: -1\r\n\r\n", "CL 0x5": post + "Content-Length: 0x5\r\n\r\nhello",
		"CL too large": post + "Content-Length: 99999999999999999999\r\n\r\n", "TE xchunked": post + "Transfer-Encoding: xchunked\r\n\r\n" + chunk,
		"TE twice": post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunk, "TE list": post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk,
		"TE with a tab": post + "Transfer-Encoding:\tchunked,\r\n\r\n" + chunk, "TE in HTTP/1.0": "POST %s/ HTTP/1.0\r\n" + hostLine + "Transfer-Encoding: chunked\r\n\r\n" + chunk,
		"obs-fold": get + "X: a\r\n b\r\n\r\n", "obs-fold of Host": "GET %s/ HTTP/1.1\r\nHost: any.api.test\r\n evil.test\r\n\r\n",
		"space before the colon": get + "X : a\r\n\r\n", "space before the name": get + " X: a\r\n\r\n", "no colon": get + "X\r\n\r\n", "empty name": get + ": a\r\n\r\n",
		"bare LF": "GET %s/ HTTP/1.1\nHost: any.api.test\n\n", "bare CR": get + "X: a\rY: b\r\n\r\n", "NUL": get + "X: a\x00b\r\n\r\n", "DEL in a name": get + "X\x7f: a\r\n\r\n",
		"two Host": get + "Host: evil.test\r\n\r\n", "no Host": "GET %s/ HTTP/1.1\r\n\r\n", "HTTP/0.9": "GET %s/\r\n\r\n", "HTTP/2.0": "GET %s/ HTTP/2.0\r\n" + hostLine + "\r\n",
		"HTTP/1.2": "GET %s/ HTTP/1.2\r\n" + hostLine + "\r\n", "two spaces": "GET  %s/ HTTP/1.1\r\n" + hostLine + "\r\n", "tab": "GET\t%s/ HTTP/1.1\r\n" + hostLine + "\r\n",
		"line end first": "\r\n" + get + "\r\n", "HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "70 KiB line": "GET %s/" + strings.Repeat("a", 70<<10) + " HTTP/1.1\r\n" + hostLine + "\r\n",
		"70 KiB field": get + "X: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", "10,000 fields": get + strings.Repeat("X: a\r\n", 10_000) + "\r\n",
		"1 MiB head": get + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 1000) + "\r\n",
	} {
		group = append(group, everywhere("malformed", name, request)...)
	}
	for _, method := range []string{"TRACE", "CONNECTX", "get", "PRI", "G@T"} {
		reason := "bad-method|malformed|method-not-listed"
		if method == "CONNECTX" {
			continue // a method like any other
		}
		group = append(group, everywhere(reason, "method "+method, method+" %s/ HTTP/1.1\r\n"+hostLine+"\r\n")...)
	}
	each(t, func(_ *testing.T, a *agent) { a.blocked(group) })
}

// E16, E1: a body that two servers could read in two ways comes when its request has been allowed and sent on. The request
// ends there, nothing behind it is read as another one, and the record of its end says why.
func TestEGRE16MalformedBodies(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for name, body := range map[string]string{
			"extension": "5;ext=1\r\nhello\r\n0\r\n\r\n", "overflow": "10000000000000005\r\nhello\r\n0\r\n\r\n", "sign": "+5\r\nhello\r\n0\r\n\r\n", "bare LF": "5\nhello\n0\n\n",
			"no line end": "5\r\nhelloX\r\n0\r\n\r\n", "0x": "0x5\r\nhello\r\n0\r\n\r\n", "spaces": " 5\r\nhello\r\n0\r\n\r\n",
		} {
			for _, p := range places {
				a.net.Forget()
				c, err := p.open(a)
				if err != nil {
					t.Fatal(err)
				}
				err = talk(c, "POST "+p.before+"/echo HTTP/1.1\r\n"+hostLine+"Transfer-Encoding: chunked\r\n\r\n"+body+
					"GET "+p.before+"/smuggled HTTP/1.1\r\n"+hostLine+"\r\n")
				if err != nil && !strings.HasPrefix(err.Error(), "400") {
					t.Errorf("%s to %s: %v", name, p.name, err)
				}
				if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
					t.Errorf("%s to %s: the connection goes on: %v", name, p.name, err)
				}
				c.Close()
				if r := a.net.Seen().Requests; len(r) > 1 || len(r) == 1 && r[0].Path != "/echo" {
					t.Errorf("%s to %s: the origin saw %+v", name, p.name, r)
				}
			}
		}
		a.audited("a malformed body", func(e entry) bool { return e.Event == audit.End && e.Path == "/echo" && e.Result == "malformed" })
	})
}

// C1, C2, C3, C4, C8, C9, C12, C13: targets of the proxy's port.
func TestCATCTargets(t *testing.T) {
	t.Parallel()
	const bad = "bad-host|bad-port|malformed|host-not-listed"
	each(t, func(_ *testing.T, a *agent) {
		a.blocked(together(
			named(bad, "CONNECT", []string{
				"web.test", "web.test:", ":443", "web.test:0", "web.test:65536", "web.test:-1", "web.test:+443", "web.test:0443", "web.test:443:443", "web.test:44a",
				"user@web.test:443", "web.test#x:443", "web.test?x:443", "web.test/x:443", `web.test\x:443`, "web.test%00:443", "web.test%2eevil.test:443", "web.test:443/", "web.test:443#",
				"http://web.test:443", "*:443", "[web.test]:443", "[::1:443", "::1:443", "web.test,evil.test:443", "web.test;evil.test:443", "web.test:https",
			}, func(a *agent, in string) error { return connect(in)(a) }),
			named("malformed", "CONNECT line", []string{
				"CONNECT web.test:443\x00.evil.test HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT web.test :443 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT web.test:443\tx HTTP/1.1\r\nHost: x\r\n\r\n",
				"CONNECT web.test:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "CONNECT web.test:443 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			}, func(a *agent, in string) error { return a.say(a.proxy, in) }),
			named(bad+"|bad-request|bad-path", "target", []string{
				"https://web.test/", "ftp://web.test/", "file:///etc/passwd", "ws://web.test/", "gopher://web.test/", "/", "*", "/metrics", "/status", "web.test/", "http:/web.test/", "http:///x",
				"http://user:pw@web.test/", "http://web.test:0/", "http://web.test\\@evil.test/", "http://web.test%2f@evil.test/", "http://evil.test#@web.test/", "http://evil.test?@web.test/",
			}, func(a *agent, in string) error {
				return a.say(a.proxy, "GET "+in+" HTTP/1.1\r\nHost: web.test\r\n\r\n")
			}),
			named(bad+"|not-tls|bad-method", "OPTIONS", []string{"*"}, func(a *agent, in string) error {
				return a.say(a.proxy, "OPTIONS "+in+" HTTP/1.1\r\nHost: web.test\r\n\r\n")
			}),
			[]attempt{
				{"TLS to the proxy's port", func(a *agent) error {
					c, err := a.dial("tcp", a.proxy)
					if err != nil {
						return err
					}
					defer c.Close()
					return greet(c, 0, clientHello("web.test"))
				}, "malformed", ""},
				{"CONNECT inside a tunnel", func(a *agent) error {
					c, err := a.connect("any.api.test:80")
					if err != nil {
						a.t.Error(err)
						return err
					}
					defer c.Close()
					return talk(c, "CONNECT evil.test:443 HTTP/1.1\r\nHost: any.api.test\r\n\r\n")
				}, "bad-method|malformed|other-name|bad-path", ""},
				{"the transparent port by itself", func(a *agent) error {
					at, _, _ := strings.Cut(a.proxy, ":")
					port := map[string]string{"namespace": "3129", "user": "23129"}[isolation[a.key]]
					return greetAt(a, at+":"+port)
				}, "direct", ""},
			},
		))
	})
}

func greetAt(a *agent, address string) error {
	c, err := a.dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	return greet(c, 0, clientHello("web.test"))
}

// E16, E2, E6, E7, E9 of the catalogue, D10, D11: what is forwarded.
func TestEGRE16Forwarded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for _, p := range places {
			t.Run(p.name, func(t *testing.T) {
				a := a.on(t)
				a.net.Forget()
				c, err := p.open(a)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				err = talk(c, "POST "+p.before+"/fwd HTTP/1.1\r\n"+hostLine+"X-Forwarded-For: 1.2.3.4\r\nForwarded: for=x\r\nVia: 1.1 x\r\nX-Real-IP: 1.1.1.1\r\n"+
					"Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive, X-Drop\r\nX-Drop: a\r\nX-Keep: b\r\n"+
					"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nTE: trailers\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")
				r := a.net.Seen().Requested(p.host)
				if err != nil || len(r) != 1 {
					t.Fatalf("%v; the origin saw %+v", err, r)
				}
				for _, name := range []string{
					"X-Forwarded-For", "Forwarded", "Via", "X-Real-Ip", "Proxy-Authorization", "Proxy-Connection", "X-Drop", "Upgrade", "Http2-Settings", "Connection",
				} {
					if v, there := r[0].Header[name]; there {
						t.Errorf("%s: %q was passed on", name, v)
					}
				}
				if r[0].Header["X-Keep"] == nil {
					t.Errorf("X-Keep was not passed on: %v", r[0].Header)
				}
				a.pipelined(t, p.open, p.before)
			})
		}
		// WebSocket to an allowed host, inspected and plain, is by the rule and recorded with its bytes.
		for _, url := range []string{"wss://any.api.test/ws", "ws://any.api.test/ws"} {
			a.echoes(t, url)
		}
		a.blocked([]attempt{
			{"WebSocket to a host that is not listed", func(a *agent) error {
				return a.say(a.proxy, "GET http://evil.test/ws HTTP/1.1\r\nHost: evil.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			}, "host-not-listed", ""},
			{"WebSocket to a path that is not listed", insideTLS("GET /ws HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), "path-not-listed", ""},
			{"a body that nobody reads", func(a *agent) error { // E10: refused without its body
				return a.say(a.proxy, "POST http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
			}, "host-not-listed", ""},
		})
		a.must(order{Script: "curl -sS -N https://any.api.test/drip'?n=3&ms=50' | tr -d '\\n'"}, "data: 0data: 1data: 2") // server-sent events
		a.must(order{Script: "curl -sS -o /dev/null -w '%{http_code}' https://any.api.test/status'?code=204'"}, "204")
		a.must(order{Script: "curl -sS -o /dev/null -w '%{http_code}' https://any.api.test/status'?code=304'"}, "304")
		a.must(order{Script: "head -c 200000 /dev/zero | curl -sS -H 'Expect: 100-continue' --data-binary @- https://any.api.test/echo | wc -c"}, "200000")
		client := &http.Client{Transport: a.transport("any.api.test:443", a.trusting("any.api.test", "h2"))} // D10: HTTP/2 and nothing else
		if r, err := client.Post("https://any.api.test/echo", "application/grpc", strings.NewReader("hello")); err != nil || r.ProtoMajor != 2 || refusalOf(r, nil) != nil {
			t.Errorf("HTTP/2 only: %+v, %v", r, err)
		}
		a.must(order{Script: "curl -sS --http2-prior-knowledge https://any.api.test/prior"}, "/prior")
		a.must(order{Script: "curl -sS -I https://any.api.test/head -o /dev/null -w '%{http_code}'"}, "200")
	})
}

// pipelined sends two requests at once, of which the second is for another host.
func (a *agent) pipelined(t *testing.T, open func(*agent) (conn, error), before string) {
	c, err := open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a.net.Forget()
	other := strings.ReplaceAll(before, "any.api.test", "evil.test")
	fmt.Fprintf(c, "GET %s/one HTTP/1.1\r\n%s\r\nGET %s/two HTTP/1.1\r\nHost: evil.test\r\n\r\n", before, hostLine, other)
	_ = c.SetReadDeadline(time.Now().Add(usually))
	r := bufio.NewReader(c)
	var codes []int
	for range 2 {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("pipelined: %v after %v", err, codes)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		codes = append(codes, resp.StatusCode)
	}
	if codes[0] != 200 || codes[1] != 403 && codes[1] != 421 {
		t.Errorf("pipelined: %v", codes)
	}
	if s := a.net.Seen(); len(s.Requests) != 1 || s.Requests[0].Path != "/one" {
		t.Errorf("pipelined: the origin saw %+v", s.Requests)
	}
}

// echoes speaks over a WebSocket.
func (a *agent) echoes(t *testing.T, url string) {
	config, err := websocket.NewConfig(url, "http://any.api.test/")
	if err != nil {
		t.Fatal(err)
	}
	p := places[1]
	if strings.HasPrefix(url, "wss") {
		p = places[2]
	}
	c, err := p.open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ws, err := websocket.NewClient(config, c)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return
	}
	for i := range 3 {
		if _, err := fmt.Fprintf(ws, "frame %d", i); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		if n, err := ws.Read(b); err != nil || string(b[:n]) != fmt.Sprint("frame ", i) {
			t.Errorf("%s: %q, %v", url, b[:n], err)
		}
	}
	ws.Close()
	a.audited("a WebSocket", func(e entry) bool {
		return e.Path == "/ws" && e.Event == audit.End && e.BytesUp > 20 && e.BytesDown > 20
	})
}

// E17, J1: paths and methods are compared after one canonical form, which is what goes on.
func TestEGRE17Paths(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		request := func(method, path string) func(*agent) error {
			return insideTLS(method + " " + path + " HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\n\r\n")
		}
		const no = "path-not-listed|bad-path|denied|malformed|other-name"
		group := together(
			named(no, "path", []string{
				"/", "/v1", "/v2/x", "/V1/x", "/v1x", "//v1/x", "/v1/../v2/x", "/v1/./x", "/v1/..", "/v1//x", "/v1/%2e%2e/v2", "/v1/%2E%2E/v2/x", "/v1/.%2e/v2", "/v1%2f..%2fv2", "/v1/%2fx",
				"/v1/x%2f..%2f..%2fv2", "/v1/%5c..%5cv2", `/v1\..\v2`, "/v1/%252e%252e/v2", "/v1/x;y", "/v1/..;/v2", "/v1/%00", "/v1/x%0d%0aHost:%20evil", "/v1/%c0%ae%c0%ae/v2", "/v1/%zz", "/v1/x#y",
				"/v1/%", "https://evil.test/v1/x", "http://api.test/v1/x", "*", "v1/x", "/%76%31", "/v1/\xff",
				"/v1/secret", "/v1/secret/", "/v1/secret/x", "/v1/Secret", "/v1/SECRET/x", "/v1/%73ecret", "/v1/secre%74/y", "/v1/secret?x", "/v1/x/../secret", "/v1/./secret", "/v1//secret",
			}, func(a *agent, in string) error { return request("GET", in)(a) }),
			named("method-not-listed|bad-method", "method", []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "FOO"},
				func(a *agent, in string) error { return request(in, "/v1/x")(a) }),
			named(no, "query", []string{"/v2?/v1/x", "/?x=/v1/x", "/v2%3f/v1/x", "/v1/x%3f/../../v2", "/v1/x%23"}, func(a *agent, in string) error { return request("GET", in)(a) }),
		)
		a.blocked(group)
		for given, forwarded := range map[string]string{
			"/v1/x": "/v1/x", "/v1/%78": "/v1/x", "/v1/a%7eb": "/v1/a~b", "/v1/%c3%bc": "/v1/%C3%BC", "/v1/x?q=../../v2&r=%2e%2e": "/v1/x?q=../../v2&r=%2e%2e",
			"/v1/x/": "/v1/x/", "https://api.test/v1/abs": "/v1/abs", "/v1/secrets": "/v1/secrets", "/v1/...": "/v1/...", "/v1/a+b": "/v1/a+b",
		} {
			a.net.Forget()
			if err := request("GET", given)(a); err != nil {
				t.Errorf("%s: %v", given, err)
				continue
			}
			if r := a.net.Seen().Requested("api.test"); len(r) != 1 || r[0].Path != forwarded {
				t.Errorf("%s: the origin saw %+v, want %s", given, r, forwarded)
			}
		}
		a.audited("a refused path", func(e entry) bool {
			return e.Kind == "https" && strings.HasPrefix(e.Path, "/") && e.Reason == "path-not-listed" && e.Method == "GET"
		})
		// What the agent is told names the host and what its operator can do.
		a.must(order{Script: "curl -sS https://api.test/v2/x"}, "api.test")
	})
}

// E18: a redirect to a host that is not listed ends there.
func TestEGRE18Redirect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for _, plain := range []bool{true, false} {
			a.net.Forget()
			before := a.denials()["host-not-listed"]
			for _, to := range []string{"https://evil.test/", "http://evil.test/x", "http://sub.web.test/"} {
				out, exit := a.sh(order{Script: "curl -sS -f -L 'https://web.test/to?url=" + to + "'", Plain: plain})
				if exit == 0 {
					t.Errorf("%s: %s", to, out)
				}
			}
			s := a.net.Seen()
			if len(s.Requested("web.test")) != 3 || len(s.Requests) != 3 || s.Asked("evil.test")+s.Asked("sub.web.test") > 0 {
				t.Errorf("the origins saw %+v, %+v", s.Requests, s.Queries)
			}
			if after := a.denials()["host-not-listed"]; after < before+3 {
				t.Errorf("%d denials before and %d after", before, after)
			}
		}
		a.must(order{Script: "curl -sS -f -L 'https://web.test/to?url=https://x.wild.test/there'"}, "origin x.wild.test GET /there")
		// An address of metadata, in all the ways that a redirect can name it.
		a.net.Forget()
		for _, to := range []string{"http://169.254.169.254/latest", "http://[::ffff:a9fe:a9fe]/", "http://2852039166/"} {
			if out, exit := a.sh(order{Script: "curl -sS -g -f -L 'http://web.test/to?url=" + to + "'"}); exit == 0 {
				t.Errorf("%s: %s", to, out)
			}
		}
		if s := a.net.Seen(); s.To("169.254.169.254", 0) > 0 {
			t.Errorf("the metadata address got packets: %+v", s.Packets)
		}
	})
}

// E21, D9: an origin with a bad certificate gets no request from the gate; where the gate does not inspect, the client
// itself sees the certificate.
func TestEGRE21Certificates(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for _, name := range []string{"expired.api.test", "selfsigned.api.test", "wrongname.api.test"} {
			for _, plain := range []bool{true, false} {
				a.net.Forget()
				a.must(order{Script: "curl -sS -k -o /dev/null -w '%{http_code}' https://" + name + "/", Plain: plain}, "502")
				if r := a.net.Seen().Requests; len(r) > 0 {
					t.Errorf("%s: the origin saw %+v", name, r)
				}
			}
			a.audited(name, func(e entry) bool {
				return e.Host == name && (e.Result == "bad-certificate" || e.Reason == "bad-certificate")
			})
		}
		a.net.Names(map[string]origins.Answer{"expired.wild.test": {Addresses: []string{origins.Address}}})
		if out, exit := a.sh(order{Script: "curl -sS https://expired.wild.test/"}); exit != 60 || !strings.Contains(out, "expired") {
			t.Errorf("a client that sees the certificate: exit status %d, %s", exit, out)
		}
		// The gate's own key: nobody but its user can read it, and it is good for nothing but these hosts.
		if out, exit := a.sh(order{Script: "cat /var/lib/fleet/demo/egress/gate/" + a.key + "/ca/* /var/lib/fleet/demo/egress/gate/*/*"}); exit == 0 {
			t.Errorf("the agent reads %.100s", out)
		}
		mode := a.Sh("find /var/lib/fleet/demo/egress/gate/" + a.key + " -type f -printf '%m %u\\n' | sort -u")
		if slices.ContainsFunc(strings.Split(mode, "\n"), func(l string) bool { return !strings.HasSuffix(l, "00 demo-"+a.key+"-gate") }) {
			t.Errorf("files of the gate are %s", mode)
		}
		bound := a.permitted()
		if !slices.Contains(bound, "api.test") || slices.Contains(bound, "web.test") {
			t.Errorf("the authority of the gate is bound to %q", bound)
		}
	})
}

// permitted are the names that the authority of the agent's gate is good for.
func (a *agent) permitted() []string {
	rest, err := os.ReadFile(a.Path("/var/lib/fleet/demo/egress/ca/" + a.key + "/bundle.pem"))
	if err != nil {
		a.t.Fatal(err)
	}
	var b *pem.Block
	for b, rest = pem.Decode(rest); b != nil; b, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(b.Bytes); err == nil && c.PermittedDNSDomainsCritical {
			return c.PermittedDNSDomains
		}
	}
	return nil
}

// J6: limits of a day hold in the middle of a stream.
func TestCATJ6Budgets(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for range 3 {
			a.must(order{Script: "curl -sS -f http://few.test/"}, "origin few.test")
		}
		a.blocked([]attempt{
			{"the fourth request", forward("few.test"), "budget", "few.test"},
			{"by TLS as well", connectHello("few.test"), "budget", "few.test"},
		})
		for _, url := range []string{"http://small.test/echo", "https://small.test/echo"} {
			out, exit := a.sh(order{Script: "head -c 10000000 /dev/zero | curl -sS -f --data-binary @- " + url + " | wc -c"})
			if strings.TrimSpace(out) == "10000000" {
				t.Errorf("%s: 10 MB went out of 64 KiB: %s, %d", url, out, exit)
			}
		}
		var up int64
		for _, e := range a.entries() {
			if e.Host == "small.test" && e.Event == audit.End {
				up += e.BytesUp
			}
		}
		if up > 80<<10 {
			t.Errorf("%d bytes went up", up)
		}
		a.audited("a budget that is used up", func(e entry) bool { return e.Host == "small.test" && (e.Reason == "budget" || e.Result == "budget") })
	})
}

// E27, H7: whatever an agent puts into what is recorded, there is one intact record of it and nothing raw.
func TestEGRE27Records(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		began := time.Now().Add(-time.Second)
		forged := "\nFLEET_VERDICT=allow\nFLEET_HOST=forged.test\nMESSAGE=forged"
		escapes := "\x1b]0;pwned\x07\x1b[2J\u202e\u009b31m\r"
		long := strings.Repeat("a", 1<<20)
		for _, in := range []string{
			"evil" + forged + ":443", escapes + ".test:443", "\xff\xfe.test:443", long + ".test:443", `"quoted"\.test:443`, "=x:443", "%0aFLEET_HOST=forged.test:443",
		} {
			_ = connect(in)(a)
			_ = a.say(a.proxy, "GET http://"+in+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		for _, in := range []string{"/v2/%1b%5b2J", "/v2/%0aFLEET_HOST=forged.test", "/v2/" + strings.Repeat("a", 30000), "/v2/\x1b[2J", "/v2/%ff%fe", "/v2/%e2%80%ae"} {
			_ = insideTLS("GET " + in + " HTTP/1.1\r\nHost: api.test\r\n\r\n")(a)
			_ = insideTLS("G\x1bT " + in + " HTTP/1.1\r\nHost: api.test\r\n\r\n")(a)
		}
		for _, in := range []string{"e\nFLEET_HOST=forged.tes", "\x1b[2J-evil.test", "\xff\xfeevil.test"} {
			_ = greetBy(a, "by CONNECT", "web.test", helloWith(in))
			_, _ = a.exchange("udp", a.dns, rawQuestion(in, "test"))
		}
		if text := a.journal("-o", "cat", "-u", "fleet-demo-"+a.key+"-gate.service"); strings.ContainsAny(text, "\x1b\x07\r\u202e\u009b") ||
			strings.Contains(text, "\nforged") {
			t.Error("the journal shows something raw")
		}
		n := 0
		for _, e := range a.records(began) {
			n++
			if e.Host == "forged.test" || strings.ContainsAny(e.Host+e.Path+e.Method+e.Reason, "\n\x1b\x07\r\u202e\u009b") || len(e.Host) > 600 || len(e.Path) > 600 ||
				e.Verdict == audit.Allow && e.Host != "web.test" && e.Host != "api.test" {
				t.Errorf("%+v", e)
			}
		}
		if n < 10 {
			t.Errorf("only %d records", n)
		}
		exit, out, errOut := a.Fleet("egress", "log", a.key, "-n", "0")
		if exit != 0 || strings.ContainsAny(out+errOut, "\x1b\x07\r\u202e\u009b") {
			t.Errorf("fleet egress log: exit status %d, %.300q", exit, errOut)
		}
	})
}

// rawQuestion is a DNS message for a name with labels of any bytes.
func rawQuestion(labels ...string) []byte {
	b := []byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, l := range labels {
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0, 0, 1, 0, 1)
}
