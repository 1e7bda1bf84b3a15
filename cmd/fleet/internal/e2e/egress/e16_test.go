//go:build machine

package egress

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
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
		a.audited("a malformed body", func(e entry) bool { return e.Ended() && e.Path == "/echo" && e.Result == "malformed" })
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
		return e.Path == "/ws" && e.Ended() && e.BytesUp > 20 && e.BytesDown > 20
	})
}
