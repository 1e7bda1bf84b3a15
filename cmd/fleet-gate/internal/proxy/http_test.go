package proxy

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/schemas/policy"
)

// client is Go's own, set to the proxy.
func (g *gate) client() *http.Client {
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: g.proxy})}
	g.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// EGR-E2: HTTP_PROXY; many requests over kept connections, with bodies of each framing.
func TestE2Forward(t *testing.T) {
	g := start(t)
	c := g.client()
	var conns sync.Map
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		conns.Store(r.RemoteAddr, true)
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.RequestURI, b)
	}
	for i := range 20 {
		var body io.Reader = strings.NewReader(strings.Repeat("b", i))
		if i%2 == 1 {
			body = io.MultiReader(body) // of unknown length: chunked
		}
		resp, err := c.Post("http://"+g.at("web.test")+"/p?q=%2F", "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "POST " + g.at("web.test") + " /p?q=%2F " + strings.Repeat("b", i); string(b) != want {
			t.Fatalf("got %q, want %q", b, want)
		}
	}
	n := 0
	conns.Range(func(any, any) bool { n++; return true })
	if n > 2 { // one for bodies that come in pieces
		t.Errorf("%d connections to the origin", n)
	}
	said := strings.Split(g.said(40), "\n")
	if len(said) != 40 || said[0] != "decision allow web.test allowed" || said[39] != "end allow web.test allowed" {
		t.Errorf("%d records: %q", len(said), said)
	}
}

// EGR-E16, C8, C9, C13, E2, E7, E8 of the catalogue, in what an agent writes and the origin sees.
func TestE16Forward(t *testing.T) {
	g := start(t)
	at := g.at("web.test")
	var mu sync.Mutex
	var seen []string
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprint(r.Method, " ", r.Host, " ", r.RequestURI, " ", r.Header))
	}
	for name, c := range map[string]struct{ in, status, seen string }{
		"Host lies":    {"GET http://" + at + "/a HTTP/1.1\r\nHost: other.test\r\n", "200", "GET " + at + " /a map[]"},
		"no path":      {"GET http://" + at + " HTTP/1.1\r\nHost: x\r\n", "200", "GET " + at + " / map[]"},
		"only a query": {"GET http://" + at + "?q HTTP/1.1\r\nHost: x\r\n", "200", "GET " + at + " /?q map[]"},
		"two slashes":  {"GET http://" + at + "//other.test/x HTTP/1.1\r\nHost: x\r\n", "200", "GET " + at + " //other.test/x map[]"},
		"hop by hop": {
			"GET http://" + at + "/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: x\r\nX-A: 1\r\nConnection: x-a\r\nVia: x\r\n" +
				"X-Forwarded-For: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-B: 2\r\n", "200", "GET " + at + " / map[X-B:[2]]",
		},
		"https":       {"GET https://" + at + "/ HTTP/1.1\r\nHost: x\r\n", "400", ""},
		"ftp":         {"GET ftp://" + at + "/ HTTP/1.1\r\nHost: x\r\n", "400", ""},
		"origin form": {"GET / HTTP/1.1\r\nHost: " + at + "\r\n", "400", ""},
		"OPTIONS *":   {"OPTIONS * HTTP/1.1\r\nHost: " + at + "\r\n", "400", ""},
		"TRACE":       {"TRACE http://" + at + "/ HTTP/1.1\r\nHost: x\r\n", "400", ""},
		"user":        {"GET http://user@" + at + "/ HTTP/1.1\r\nHost: x\r\n", "400", ""},
		"fragment":    {"GET http://" + at + "/#x HTTP/1.1\r\nHost: x\r\n", "400", ""},
		"other host":  {"GET http://other.test/ HTTP/1.1\r\nHost: " + at + "\r\n", "403", ""},
		"an address":  {"GET http://127.0.0.1/ HTTP/1.1\r\nHost: " + at + "\r\n", "403", ""},
		"smuggling":   {"POST http://" + at + "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n", "400", ""},
		"TLS host":    {"GET http://" + g.at("tls.test") + "/ HTTP/1.1\r\nHost: x\r\n", "403", ""},
	} {
		seen = nil
		got := g.ask(g.proxy, c.in+closing(c.in))
		mu.Lock()
		if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || strings.Join(seen, "") != c.seen {
			t.Errorf("%s: answer %q, origin saw %q", name, got, seen)
		}
		mu.Unlock()
	}
}

// closing ends a head so that the connection is closed after it.
func closing(head string) string {
	if strings.Contains(head, "\r\nConnection:") {
		return "Proxy-Connection: close\r\n\r\n"
	}
	return "Connection: close\r\n\r\n"
}

// EGR-E2 of the catalogue: a second request in the same connection is judged on its own, and what follows a body is
// not taken for part of it.
func TestPipelined(t *testing.T) {
	g := start(t)
	at := g.at("web.test")
	got := g.ask(g.proxy, "POST http://"+at+"/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"+
		"GET http://other.test/2 HTTP/1.1\r\nHost: x\r\n\r\n"+
		"POST http://"+at+"/3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\nX-T: v\r\n\r\n"+
		"GET http://"+at+"/4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"+
		"GET http://"+at+"/5 HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(strings.NewReader(got))
	var all []string
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		b, _ := io.ReadAll(resp.Body)
		all = append(all, fmt.Sprint(resp.StatusCode, " ", string(b[:min(len(b), 5)])))
		_, _ = b, resp
	}
	if fmt.Sprint(all) != "[200 POST  403 fleet 200 POST  200 GET w]" || strings.Contains(got, "/5") || !strings.Contains(got, "/3 def") {
		t.Errorf("got %q\n%s", all, got)
	}
}

// EGR-E16, EGR-D4: a tunnel to a port of plain HTTP carries requests to that host only, and no other tunnel.
func TestE16Tunnel(t *testing.T) {
	g := start(t)
	at := g.at("web.test")
	c, r, resp := g.tunnel(at)
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	for _, x := range []struct{ line, host, want string }{
		{"GET /1", at, "200 "},
		{"GET /2", "tls.test", "403 other-name"},
		{"GET http://tls.test/", at, "403 other-name"},
		{"GET http://" + at + "/3", at, "200 "},
		{"CONNECT " + g.at("raw.test"), at, "400 bad-method"},
		{"GET /4", at, "200 "},
	} {
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: %s\r\n\r\n", x.line, x.host)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(x.line, err)
		}
		io.Copy(io.Discard, resp.Body)
		if got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Fleet-Deny")); got != x.want {
			t.Errorf("%s, Host %s: got %s", x.line, x.host, got)
		}
	}
}

// EGR-E7, EGR-I1: an agent that says nothing, or half of it, or goes away in the middle, leaves nothing behind.
func TestE7GoneAway(t *testing.T) {
	g := start(t)
	half := "POST http://" + g.at("web.test") + "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
	for n := range len(half) {
		c := g.dial(g.proxy)
		io.WriteString(c, half[:n])
		c.Close()
	}
	for range 10 {
		c, _, _ := g.tunnel(g.at("tls.test"))
		io.WriteString(c, "\x16\x03\x01")
		c.Close()
	}
}

// EGR-E11 of the catalogue: a host that works for an agent that is gone is let go; one that is slow is waited for.
func TestE11AgentGone(t *testing.T) {
	t.Parallel()
	g := start(t)
	ended, late := make(chan bool, 1), make(chan time.Duration, 3)
	late <- patience // must not be reached
	late <- goneAfter * 5 / 4
	late <- goneAfter * 5 / 4
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			ended <- true
		case <-time.After(<-late):
			io.WriteString(w, "late")
			ended <- false
		}
	}
	request := "GET http://" + g.at("web.test") + "/ HTTP/1.1\r\nHost: x\r\n\r\n"
	c := g.dial(g.proxy)
	io.WriteString(c, request)
	c.Close()
	if !<-ended {
		t.Error("the host works on")
	}
	c = g.dial(g.proxy)
	r := bufio.NewReader(c)
	for range 2 { // the connection can be used again
		io.WriteString(c, request)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); string(b) != "late" || <-ended {
			t.Errorf("got %q", b)
		}
	}
}

// EGR-E9 of the catalogue: answers of each framing.
func TestE9Answers(t *testing.T) {
	g := start(t)
	c := g.client()
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("ETag", "x")
			w.WriteHeader(304)
		case "/trailer":
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Sum", "7")
		case "/large":
			w.Write(make([]byte, 3<<20))
		default:
			w.Header().Set("X-Fleet-Deny", "fake")
			io.WriteString(w, "body")
		}
	}
	for _, c1 := range []struct {
		method, path, want string
	}{
		{"GET", "/204", "204 0"},
		{"GET", "/304", "304 0"},
		{"HEAD", "/x", "200 0"},
		{"GET", "/x", "200 4"},
		{"GET", "/trailer", "200 4 7"},
		{"GET", "/large", "200 3145728"},
		{"GET", "/x", "200 4"},
	} {
		req, _ := http.NewRequest(c1.method, "http://"+g.at("web.test")+c1.path, nil)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(c1.path, err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		got := strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", n, " ", resp.Trailer.Get("X-Sum")))
		if got != c1.want || err != nil || resp.Header.Get("X-Fleet-Deny") != "" {
			t.Errorf("%s %s: got %s, %v", c1.method, c1.path, got, err)
		}
	}
}

// Events arrive one by one, not when the answer ends.
func TestEvents(t *testing.T) {
	g := start(t)
	next := make(chan bool)
	g.handler = func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			<-next
		}
	}
	resp, err := g.client().Get("http://" + g.at("web.test") + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	for range 3 {
		if line, err := r.ReadString('\n'); line != "data: x\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		r.ReadString('\n')
		next <- true
	}
}

// EGR-E10 of the catalogue: a body that is announced is not asked for where the host is denied.
func TestE10Expect(t *testing.T) {
	g := start(t)
	got := g.ask(g.proxy, "POST http://other.test/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("got %q", got)
	}
	c := g.dial(g.proxy)
	fmt.Fprintf(c, "POST http://%s/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", g.at("web.test"))
	r := bufio.NewReader(c)
	if line, _ := r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q", line)
	}
	io.WriteString(c, "abc")
	if b, _ := io.ReadAll(r); !strings.HasSuffix(string(b), "/ abc") {
		t.Errorf("got %q", b)
	}
}

// EGR-E9 of the catalogue: an answer that comes before the body was read reaches the agent; nothing is left open.
func TestE9EarlyAnswer(t *testing.T) {
	t.Parallel()
	g := start(t)
	g.handler = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(413)
		io.WriteString(w, "too large")
	}
	c := g.dial(g.proxy)
	const size = 12 << 20 // more than the buffers on the way hold
	fmt.Fprintf(c, "POST http://%s/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", g.at("web.test"), size)
	if _, err := c.Write(make([]byte, size-1)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 413 ") || !strings.HasSuffix(string(b), "too large") {
		t.Errorf("got %q, %v", b, err)
	}
	if got := g.said(2); !strings.HasPrefix(got, "decision allow web.test allowed\nend allow") {
		t.Errorf("records: %q", got)
	}
}

// EGR-E4 of the catalogue: a WebSocket passes, and is cut by a new policy.
func TestE4WebSocket(t *testing.T) {
	g := start(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			w.WriteHeader(400)
			return
		}
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, rw)
	}
	c := g.dial(g.proxy)
	fmt.Fprintf(c, "GET http://%s/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst\n", g.at("web.test"))
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("got %v, %v", resp, err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		if text != "first\n" {
			io.WriteString(c, text)
		}
		if line, err := r.ReadString('\n'); line != text {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	g.policy.Allow = g.policy.Allow[1:]
	g.judge.Replace(g.compile())
	if _, err := r.ReadByte(); err == nil {
		t.Error("goes on")
	}
}

// EGR-E17: methods and paths of plain HTTP are compared in the form that is passed on.
func TestE17Paths(t *testing.T) {
	g := start(t)
	g.policy.Allow[0].Methods, g.policy.Allow[0].Paths = []string{"GET"}, []string{"/v1/*"}
	g.judge.Replace(g.compile())
	at := g.at("web.test")
	for target, want := range map[string]string{
		"GET /v1/%61":      "200 GET " + at + " /v1/a ",
		"GET /v1/x?q=/../": "200 GET " + at + " /v1/x?q=/../ ",
		"POST /v1/a":       "403 method-not-listed",
		"GET /v2/a":        "403 path-not-listed",
		"GET /v1/../v2":    "400 bad-path",
		"GET /v1/%2e%2e/x": "400 bad-path",
		"GET //v1/x":       "400 bad-path",
	} {
		method, path, _ := strings.Cut(target, " ")
		req, _ := http.NewRequest(method, "http://"+at+"/", nil)
		req.URL.Opaque = "//" + at + path
		resp, err := g.client().Do(req)
		if err != nil {
			t.Fatal(err)
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
}

// What methods and paths cannot be seen in is refused, not passed unseen.
func TestInspectionIsNotSkipped(t *testing.T) {
	g := start(t)
	g.px.CA = nil
	g.policy.Allow[1].Paths = []string{"/v1/*"}
	g.judge.Replace(g.compile())
	c, _, _ := g.tunnel(g.at("tls.test"))
	_, err := g.handshake(c, "tls.test")
	if said := g.said(1); err == nil || said != "decision deny tls.test not-inspected" || len(g.asked) > 0 {
		t.Errorf("got %v, records %q, looked up %q", err, said, g.asked)
	}
}

// EGR-I6: a large body passes unchanged.
func TestI6Large(t *testing.T) {
	g := start(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, _ := io.Copy(h, r.Body)
		fmt.Fprintf(w, "%d %x", n, h.Sum(nil))
	}
	data := strings.Repeat("0123456789abcdef", 1<<18)
	resp, err := g.client().Post("http://"+g.at("web.test")+"/", "x/y", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if want := fmt.Sprintf("%d %x", len(data), sha256.Sum256([]byte(data))); string(b) != want {
		t.Errorf("got %s", b)
	}
}

// An origin that is gone is told from a denied one.
func TestUnreached(t *testing.T) {
	g := start(t)
	at := g.at("web.test")
	g.web.Close()
	got := g.ask(g.proxy, "GET http://"+at+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 502 ") || !strings.Contains(got, "connection refused") {
		t.Errorf("got %q", got)
	}
}

// EGR-E25: mode report allows and records what would be denied, but not what is unsafe.
func TestE25Report(t *testing.T) {
	g := start(t)
	g.policy.Allow[0].Methods = []string{"GET"}
	g.policy.Mode = policy.Report
	g.judge.Replace(g.compile())
	ask := func(url string) string {
		return g.ask(g.proxy, "POST "+url+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	}
	got := ask("http://" + g.at("web.test") + "/x")
	if said := g.said(2); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasPrefix(said, "decision report web.test method-not-listed\n") {
		t.Errorf("got %q, records %q", got, said)
	}
	got = ask("http://unlisted.test/")
	if said := g.said(1); !strings.HasPrefix(got, "HTTP/1.1 403 ") || said != "decision deny unlisted.test private-address" {
		t.Errorf("what is unsafe: got %q, records %q", got, said)
	}
}

// BenchmarkForward sends one request after the other over a kept connection; client and origin are counted too.
func BenchmarkForward(b *testing.B) {
	g := start(b)
	g.handler = func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }
	c := g.dial(g.proxy)
	c.SetDeadline(time.Time{})
	r := bufio.NewReader(c)
	req := []byte("GET http://" + g.at("web.test") + "/ HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		c.Write(req)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
	}
}

// BenchmarkTunnel makes a CONNECT and reads one byte; client and origin are counted too.
func BenchmarkTunnel(b *testing.B) {
	g := start(b)
	line := []byte("CONNECT " + g.at("raw.test") + " HTTP/1.1\r\nHost: x\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", g.proxy)
		if err != nil {
			b.Fatal(err)
		}
		c.Write(line)
		buf := make([]byte, len(established)+1)
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
