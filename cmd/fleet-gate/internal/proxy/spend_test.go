package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-gate/internal/budget"
	"fleet/schemas/policy"
)

// spending is a gate whose rules for web.test and raw.test have limits.
func spending(t *testing.T, l policy.Limits) *gate {
	t.Helper()
	g := start(t)
	log := logrus.New()
	log.SetOutput(io.Discard)
	book, err := budget.Open(t.TempDir()+"/budgets", log)
	if err != nil {
		t.Fatal(err)
	}
	g.px.Budget = book
	for i := range g.policy.Allow {
		if h := g.policy.Allow[i].Host; h == "web.test" || h == "raw.test" {
			g.policy.Allow[i].Limits = &l
		}
	}
	g.judge.Replace(g.compile())
	return g
}

// EGR-J6: requests of a day, on one connection and on several.
func TestJ6Requests(t *testing.T) {
	g := spending(t, policy.Limits{RequestsPerDay: 3})
	get := "GET http://" + g.at("web.test") + "/ HTTP/1.1\r\nHost: x\r\n"
	if got := g.ask(g.proxy, get+"\r\n"+get+"Connection: close\r\n\r\n"); strings.Count(got, "HTTP/1.1 200 ") != 2 {
		t.Fatalf("got %q", got)
	}
	_, _, resp := g.tunnel(g.at("web.test")) // the requests in it count, not the tunnel
	if resp.StatusCode != 200 {
		t.Errorf("CONNECT: %s", resp.Status)
	}
	if got := g.ask(g.proxy, get+"Connection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("the third: %q", got)
	}
	got := g.ask(g.proxy, get+"Connection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "X-Fleet-Deny: budget\r\n") ||
		!strings.Contains(got, "the 3 requests a day of rule web.test are used up") {
		t.Errorf("the fourth: %q", got)
	}
	if got := g.said(7); !strings.HasSuffix(got, "\ndecision deny web.test budget") {
		t.Errorf("records %q", got)
	}
	for range 3 {
		c, r, _ := g.tunnel(g.at("raw.test"))
		r.ReadString('\n')
		c.Close()
	}
	if _, _, resp := g.tunnel(g.at("raw.test")); resp.StatusCode != 403 || resp.Header.Get("X-Fleet-Deny") != "budget" {
		t.Errorf("the fourth tunnel: %s", resp.Status)
	}
}

// EGR-J6: bytes of a day, in mid-stream; a head counts as a body does.
func TestJ6Bytes(t *testing.T) {
	const limit = 100_000
	g := spending(t, policy.Limits{BytesUpPerDay: limit})
	seen := 0
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		seen += int(n)
	}
	post := func(n int) string {
		return g.ask(g.proxy, fmt.Sprintf("POST http://%s/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
			g.at("web.test"), n, strings.Repeat("a", n)))
	}
	if got := post(60_000); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Fatalf("got %q", got)
	}
	if got := post(60_000); got != "" && (!strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "X-Fleet-Deny: budget\r\n")) {
		t.Errorf("in mid-stream: %q", got)
	}
	if got := g.ask(g.proxy, "GET http://"+g.at("web.test")+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "X-Fleet-Deny: budget") {
		t.Errorf("a head alone: %q", got)
	}
	g.web.Close() // waits for its handlers
	if seen > limit || seen < limit-1000 {
		t.Errorf("%d bytes went out", seen)
	}

	c, r, _ := g.tunnel(g.at("raw.test"))
	r.ReadString('\n')
	g.said(0)
	go io.WriteString(c, strings.Repeat("a", 3*limit))
	n, _ := io.Copy(io.Discard, r) // the origin sends all back
	if n > limit {
		t.Errorf("%d bytes went through a tunnel", n)
	}
	if _, _, resp := g.tunnel(g.at("raw.test")); resp.StatusCode != 403 || resp.Header.Get("X-Fleet-Deny") != "budget" {
		t.Errorf("another tunnel: %s", resp.Status)
	}
}
