package proxy

import (
	"bufio"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"fleet/cmd/fleet-gate/internal/names"
	"fleet/schemas/policy"
)

// The gate's own name is answered in every mode and on every way to the gate, and its other name by nobody.
func TestSelf(t *testing.T) {
	g := start(t)
	for mode, m := range map[string]*policy.Matcher{
		"enforce": g.compile(), "report": g.compile().In(policy.Report), "bypassed": g.compile().In(policy.Bypassed), "cut": g.compile().Cut(),
	} {
		g.judge.Replace(m)
		get := func(host string) string {
			return g.ask(g.proxy, "GET http://"+host+"/ HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n")
		}
		if got := get(policy.SelfName); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "\r\n\r\n"+selfText) {
			t.Errorf("%s: proxy: %q", mode, got)
		}
		if got := g.said(2); got != "decision allow gate.fleet.internal self\nend allow gate.fleet.internal self" {
			t.Errorf("%s: records %q", mode, got)
		}
		for _, host := range []string{policy.DeniedName, policy.SelfName + ":81"} {
			if got := get(host); !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "X-Fleet-Deny: self\r\n") {
				t.Errorf("%s: %s: %q", mode, host, got)
			}
		}
		g.said(2)

		c, r, resp := g.tunnel(policy.SelfName + ":80")
		for range 2 { // a connection for several requests
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", policy.SelfName)
			again, err := http.ReadResponse(r, nil)
			if resp.StatusCode != 200 || err != nil || again.StatusCode != 200 {
				t.Fatalf("%s: CONNECT: %v, %v, %v", mode, resp.Status, again, err)
			}
			if line, _ := bufio.NewReader(again.Body).ReadString('\n'); line != selfText {
				t.Errorf("%s: %q", mode, line)
			}
		}
		fmt.Fprintf(c, "CONNECT web.test:80 HTTP/1.1\r\nHost: %s\r\n\r\n", policy.SelfName)
		if again, err := http.ReadResponse(r, nil); err != nil || again.StatusCode == 200 {
			t.Errorf("%s: CONNECT in it: %v, %v", mode, again, err)
		}
		if _, _, resp := g.tunnel(policy.DeniedName + ":443"); resp.StatusCode != 403 || resp.Header.Get("X-Fleet-Deny") != "self" {
			t.Errorf("%s: CONNECT: %v", mode, resp.Status)
		}

		to := netip.AddrPortFrom(names.Self, 80)
		g.original.Store(&to)
		got := g.ask(g.redir, "GET / HTTP/1.1\r\nConnection: close\r\nHost: gate.fleet.internal\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("%s: redirected: %q", mode, got)
		}
		tls := netip.AddrPortFrom(names.Self, 443)
		g.original.Store(&tls)
		if got := g.ask(g.redir, "x"); got != "\x15\x03\x03\x00\x02\x02\x31" {
			t.Errorf("%s: redirected to port 443: %q", mode, got)
		}
		g.said(0)
	}
	if len(g.asked) > 0 {
		t.Errorf("looked up %q", g.asked)
	}
}
