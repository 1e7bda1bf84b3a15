//go:build machine

package egress

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// E6, D1, D2, D3, D7: what a TLS connection says of its host against where it goes.
func TestEGRE6ServerNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		none := clientHello("")
		several := withExtension(none, 0, serverNames("web.test", "evil.test"))
		twice := withExtension(withExtension(none, 0, serverNames("web.test")), 0, serverNames("evil.test"))
		a.blocked(together(
			hellos("other-name", "SNI of a host that is not listed", "web.test", clientHello("evil.test")),
			hellos("other-name", "SNI of another listed host", "web.test", clientHello("git.test")),
			hellos("other-name", "SNI of a sub-domain", "web.test", clientHello("x.web.test")),
			hellos("other-name", "SNI of another child of the wildcard", "x.wild.test", clientHello("a.b.wild.test")),
			hellos("no-name", "no SNI", "web.test", none),
			hellos("not-tls|no-name|other-name", "two names in one SNI", "web.test", several),
			hellos("not-tls|no-name|other-name", "two SNI", "web.test", twice),
			hellos("not-tls|no-name", "empty SNI", "web.test", withExtension(none, 0, serverNames(""))),
			hellos("other-name|not-tls", "SNI with NUL", "web.test", helloWith("web.test\x00.evil.test")),
			hellos("other-name|not-tls", "SNI with NUL before", "web.test", helloWith("evil.test\x00.web.test")),
			hellos("other-name|not-tls", "SNI with a 64-letter label", "web.test", helloWith(label64+".test")),
			hellos("other-name|not-tls", "SNI with a line end", "web.test", helloWith("web.test\r\nX: y")),
			hellos("hidden-name", "an encrypted ClientHello", "web.test", withExtension(clientHello("web.test"), 0xfe0d, make([]byte, 200))),
			hellos("not-tls", "HTTP on 443", "web.test", []byte("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")),
			hellos("not-tls", "SSH on 443", "web.test", []byte("SSH-2.0-x\r\n\r\n")),
		))
		for _, way := range ways { // harmless forms
			for _, sni := range []string{"web.test", "WEB.test", "Web.Test"} {
				if err := greetBy(a, way, "web.test", clientHello(sni)); err != nil {
					t.Errorf("SNI %s %s: %v", sni, way, err)
				}
			}
			for _, host := range []string{"WEB.TEST", "web.test."} {
				if err := greetBy(a, way, host, clientHello("web.test")); err != nil {
					t.Errorf("host %s %s: %v", host, way, err)
				}
			}
		}
	})
}

func greetBy(a *agent, way, host string, parts ...[]byte) error {
	c, err := open[way](a, host)
	if err != nil {
		return err
	}
	defer c.Close()
	return greet(c, 100*time.Microsecond, parts...)
}

// E6, D4, C5: the Host of a request against the host of its connection: plain, and inside TLS by HTTP/1 and HTTP/2, in the
// first request and in a later one.
func TestEGRE6Hosts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		var group []attempt
		for _, host := range []string{"evil.test", "git.test", "web.test:443", "web.test:8080", "web.test.evil.test", "web.test evil.test", ""} {
			group = append(group, attempt{
				fmt.Sprintf("plain Host %q", host), func(a *agent) error {
					return a.say("web.test:80", "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
				}, "other-name", "",
			}, attempt{
				fmt.Sprintf("plain Host %q in a CONNECT to port 80", host), func(a *agent) error {
					c, err := a.connect("web.test:80")
					if err != nil {
						t.Error(err)
						return err
					}
					defer c.Close()
					return talk(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
				}, "other-name", "",
			}, attempt{fmt.Sprintf("inside TLS Host %q", host), insideTLS("GET /v1/x HTTP/1.1\r\nHost: " + host + "\r\n\r\n"), "other-name", ""})
		}
		a.blocked(group)
		a.blocked([]attempt{
			{"CONNECT whose Host is another", func(a *agent) error {
				return a.say(a.proxy, "CONNECT evil.test:443 HTTP/1.1\r\nHost: web.test:443\r\n\r\n")
			}, "host-not-listed", ""},
			{"absolute form with another Host", func(a *agent) error {
				return a.say(a.proxy, "GET http://evil.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n")
			}, "host-not-listed", ""},
			{"HTTP/2 with another authority", h2Requests("git.test"), "other-name", ""},
		})
		a.later(t)
		// E8 of the catalogue: of an absolute form the target counts, and is what the origin sees.
		a.net.Forget()
		if err := a.say(a.proxy, "GET http://web.test/abs HTTP/1.1\r\nHost: evil.test\r\n\r\n"); err != nil {
			t.Error(err)
		}
		if r := a.net.Seen().Requested("web.test"); len(r) != 1 || r[0].Path != "/abs" {
			t.Errorf("the origin saw %+v", r)
		}
	})
}

// insideTLS sends a request to the inspected host inside TLS.
func insideTLS(request string) func(*agent) error {
	return func(a *agent) error {
		c, err := a.tls("api.test:443", a.trusting("api.test"))
		if err != nil {
			a.t.Error(err)
			return err
		}
		defer c.Close()
		return talk(c, request)
	}
}

// h2Requests asks the inspected host by HTTP/2 for another one's page.
func h2Requests(host string) func(*agent) error {
	return func(a *agent) error {
		client := &http.Client{Transport: a.transport("api.test:443", a.trusting("api.test", "h2"))}
		req, err := http.NewRequest(http.MethodGet, "https://api.test/v1/x", http.NoBody)
		if err != nil {
			return err
		}
		req.Host = host
		r, err := client.Do(req)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.ProtoMajor != 2 {
			a.t.Errorf("the answer came by %s", r.Proto)
		}
		return refusalOf(r, nil)
	}
}

// later sends a good request and then one with another Host on the same connection, whose origin sees only the first.
func (a *agent) later(t *testing.T) {
	for name, dialled := range map[string]func() (conn, error){
		"plain": func() (conn, error) { return a.dial("tcp", "any.api.test:80") },
		"TLS":   func() (conn, error) { return a.tls("any.api.test:443", a.trusting("any.api.test")) },
	} {
		c, err := dialled()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a.net.Forget()
		if err := talk(c, "GET /first HTTP/1.1\r\nHost: any.api.test\r\n\r\n"); err != nil {
			t.Errorf("%s: the first request: %v", name, err)
		}
		before := a.denials()["other-name"]
		if err := talk(c, "GET /second HTTP/1.1\r\nHost: web.test\r\n\r\n"); err == nil {
			t.Errorf("%s: the second request got through", name)
		}
		c.Close()
		if s := a.net.Seen(); slices.ContainsFunc(s.Requests, func(r request) bool { return strings.Contains(r.Path, "second") }) || len(s.Requests) != 1 {
			t.Errorf("%s: the origin saw %+v", name, s.Requests)
		}
		if after := a.denials()["other-name"]; after != before+1 {
			t.Errorf("%s: %d denials before and %d after", name, before, after)
		}
	}
}

// E7, D5, D6, D8: a ClientHello that is cut, slow, large, or none.
func TestEGRE7Openings(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		good, evil := clientHello("web.test"), clientHello("evil.test")
		padded := withExtension(good, 21, make([]byte, 9000))
		last := withExtension(withExtension(clientHello(""), 21, make([]byte, 3000)), 0, serverNames("web.test"))
		old := helloOf(&tls.Config{ServerName: "web.test", MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12})
		for name, parts := range map[string][][]byte{
			"a byte at a time": bytewise(good), "records of 1 byte": {fragmented(good, 1)}, "records of 7 bytes, cut": bytewise(fragmented(good, 7)),
			"9 KiB": {padded}, "3 KiB, name last": {last}, "unknown extensions": {withExtension(good, 0x7a7a, []byte("grease"))}, "TLS 1.2": {old},
		} {
			for _, way := range ways {
				if err := greetBy(a, way, "web.test", parts...); err != nil {
					t.Errorf("%s %s: %v", name, way, err)
				}
			}
		}
		liar := append([]byte{22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff}, make([]byte, 0x4000-4)...) // says that 16 MiB follow
		a.blocked(together(
			hellos("other-name", "a byte at a time", "web.test", bytewise(evil)...),
			hellos("other-name", "records of 1 byte", "web.test", fragmented(evil, 1)),
			hellos("other-name", "9 KiB", "web.test", withExtension(evil, 21, make([]byte, 9000))),
			hellos("not-tls", "64 KiB", "web.test", withExtension(good, 21, make([]byte, 65000))[:16<<10], make([]byte, 50000)),
			hellos("not-tls", "16 MiB to come", "web.test", liar, liar[:0x4000], liar[:0x4000], liar[:0x4000]),
			hellos("not-tls", "garbage", "web.test", []byte(strings.Repeat("\x00\xff\x16\x03", 20000))),
			hellos("not-tls", "SSL 2", "web.test", []byte("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80"+strings.Repeat("a", 40))),
			hellos("not-tls", "an alert first", "web.test", []byte{21, 3, 3, 0, 2, 2, 40}),
			hellos("not-tls", "a record of no bytes, for ever", "web.test", []byte(strings.Repeat("\x16\x03\x01\x00\x00", 20000))),
		))
	})
}

// E7: whoever sends a byte now and then is refused in bounded time, by each way.
func TestEGRE7Slow(t *testing.T) {
	t.Parallel()
	l := share(t)
	results := make(chan string, 8)
	began := time.Now()
	for _, key := range both {
		a := l.agent(t, key)
		for what, address := range map[string]string{"TLS": "web.test:443", "HTTP": "web.test:80", "proxy": a.proxy} {
			c, err := a.dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				defer c.Close()
				data := []byte("GET /" + strings.Repeat("a", 1000))
				if what == "TLS" {
					data = clientHello("web.test")
				}
				ended := make(chan struct{})
				go func() {
					_, _ = c.Read(make([]byte, 1))
					close(ended)
				}()
				for i := range data {
					_, _ = c.Write(data[i : i+1])
					select {
					case <-ended:
						results <- ""
						return
					case <-time.After(time.Second):
					}
					if time.Since(began) > 45*time.Second {
						results <- fmt.Sprintf("%s, %s: the gate still waits after %d bytes in %v", key, what, i, time.Since(began))
						return
					}
				}
			}()
		}
	}
	for range 2 * 3 {
		if r := <-results; r != "" {
			t.Error(r)
		}
	}
}
