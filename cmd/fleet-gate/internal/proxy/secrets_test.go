package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet-gate/internal/broker"
	"fleet/cmd/fleet-gate/internal/vault"
	record "fleet/schemas/audit"
	"fleet/schemas/policy"
)

// The secret of these tests: it goes to old.test and new.test by bearer, and by Basic.
const (
	tokenPH    = "ghp_fleet-placeholder-TOKEN-0123456789"
	tokenValue = "ghp_R3alValueOfTheToken+/x"
	tokenOld   = "ghp_PreviousValueOfTheToken"
)

// secret gives an inspected gate that secret.
func secret(t testing.TB) *inspected {
	t.Helper()
	g := inspect(t)
	for i := range g.policy.Allow {
		g.policy.Allow[i].Paths = nil // the secret alone has requests looked at
	}
	g.policy.Secrets = []policy.Secret{{
		Name: "TOKEN", Placeholder: tokenPH, Hosts: []string{"old.test", "new.test"},
		Ports: ports(g.origins["old.test"], g.origins["new.test"]), Bearer: true, Basic: true, Query: "token",
	}}
	dir := t.TempDir()
	for name, value := range map[string]string{"TOKEN": tokenValue + "\n", "TOKEN.previous": tokenOld} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	v, err := vault.Open(dir, g.policy.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	g.px.Broker = broker.New(v)
	g.apply()
	g.trust()
	return g
}

func ports(list ...*httptest.Server) []int {
	a, b := portOf(list[0].Listener.Addr()), portOf(list[1].Listener.Addr())
	return []int{min(a, b), max(a, b)}
}

// inside are the ways that lead inside TLS.
func (g *inspected) insides(t *testing.T, f func(t *testing.T, w way)) {
	t.Helper()
	g.each(t, func(t *testing.T, w way) {
		if w.name != "plain" {
			f(t, w)
		}
	})
}

// answered is what a client gets.
type answered struct {
	*http.Response
	body string
}

func do(t *testing.T, w way, req *http.Request) answered {
	t.Helper()
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{resp, string(b)}
}

func bearer(t *testing.T, method, url, token string) *http.Request {
	t.Helper()
	req := request(t, method, url)
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

// next returns the next records of decisions and ends.
func (g *inspected) next(t *testing.T, n int) []record.Record {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		g.mu.Lock()
		if len(g.records) >= n || time.Now().After(end) {
			out := g.records
			g.records = nil
			g.mu.Unlock()
			if len(out) != n {
				t.Errorf("%d records, want %d: %v", len(out), n, out)
			}
			return out
		}
		g.mu.Unlock()
	}
}

// E19: the host gets the value, the agent's own cookie does not go out, and the record names both.
func TestEGRE19Injected(t *testing.T) {
	g := secret(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		ok := r.Header.Get("Authorization") == "Bearer "+tokenValue || password == tokenValue || r.URL.Query().Get("token") == tokenValue
		fmt.Fprintf(w, "%v %q %q %q", ok, r.Header.Get("Cookie"), r.Header.Get("Accept-Encoding"), r.URL.Query().Get("a"))
	}
	g.insides(t, func(t *testing.T, w way) {
		one := bearer(t, "GET", w.url+"/x?a=%2F", tokenPH)
		one.Header.Set("Cookie", "mine=1")
		two := request(t, "DELETE", w.url+"/x?a=%2F")
		two.SetBasicAuth("me", tokenPH)
		three := request(t, "POST", w.url+"/x?token="+tokenPH+"&a=%2F")
		three.Body, three.ContentLength = io.NopCloser(strings.NewReader("body")), 4
		for i, req := range []*http.Request{one, two, three} {
			if got := do(t, w, req); got.body != `true "" "identity" "/"` {
				t.Errorf("%d: got %s %q", i, got.Status, got.body)
			}
			for _, r := range g.next(t, 2) {
				if r.Secrets != "TOKEN" || (r.Dropped == "Cookie") != (i == 0) {
					t.Errorf("%d: record %+v", i, r)
				}
				if strings.Contains(fmt.Sprint(r), tokenValue) {
					t.Errorf("the record has the value: %+v", r)
				}
			}
		}
		if got := do(t, w, request(t, "OPTIONS", w.url+"/x?a=%2F")); got.body != `false "" "identity" "/"` {
			t.Errorf("without a placeholder: %q", got.body)
		}
	})
}

// E19, F5 to F10: the host sees nothing of a request with a placeholder elsewhere.
func TestEGRE19Refused(t *testing.T) {
	g := secret(t)
	g.handler = func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the host was asked %s %v", r.RequestURI, r.Header)
	}
	g.each(t, func(t *testing.T, w way) {
		for name, change := range map[string]func(r *http.Request){
			"User-Agent": func(r *http.Request) { r.Header.Set("User-Agent", tokenPH) },
			"Cookie":     func(r *http.Request) { r.Header.Set("Cookie", "a="+tokenPH) },
			"longer":     func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tokenPH+"x") },
			"user name":  func(r *http.Request) { r.SetBasicAuth(tokenPH, "") },
			"path":       func(r *http.Request) { r.URL.Path = "/" + tokenPH },
			"query":      func(r *http.Request) { r.URL.RawQuery = "x=" + tokenPH },
			"body":       func(r *http.Request) { setBody(r, "a="+tokenPH, true) },
			"body, chunked": func(r *http.Request) {
				setBody(r, strings.Repeat("x", 100_000)+tokenPH, false)
			},
			"trailer": func(r *http.Request) {
				setBody(r, "text", false)
				r.Trailer = http.Header{"X-Sum": {tokenPH}}
			},
		} {
			req := request(t, "POST", w.url+"/x")
			change(req)
			got := do(t, w, req)
			if got.StatusCode != 403 || got.Header.Get("X-Fleet-Deny") != policy.ReasonPlaceholder || !strings.Contains(got.body, "secret TOKEN stands in") {
				t.Errorf("%s: got %s %q", name, got.Status, got.body)
			}
			for _, r := range g.next(t, 1) {
				if r.Verdict != record.Deny || r.Reason != policy.ReasonPlaceholder || r.Secrets != "TOKEN" {
					t.Errorf("%s: record %+v", name, r)
				}
			}
		}
		if w.name == "plain" { // F9
			if got := do(t, w, bearer(t, "GET", w.url+"/x", tokenPH)); got.StatusCode != 403 {
				t.Errorf("F9: got %s", got.Status)
			}
		}
	})
}

func setBody(r *http.Request, text string, declared bool) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), -1
	if declared {
		r.ContentLength = int64(len(text))
	}
}

// F11: of a body that is too long to be looked at before, the placeholder never goes out whole, and the exchange ends.
func TestCATF11LongBody(t *testing.T) {
	g := secret(t)
	seen := make(chan string, 10)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		seen <- fmt.Sprint(len(b), strings.Contains(string(b), tokenPH), err != nil)
		io.WriteString(w, "done")
	}
	g.each(t, func(t *testing.T, w way) {
		long := strings.Repeat("0123456789abcdef", maxAhead/16) + strings.Repeat("x", 100_000)
		for _, declared := range []bool{true, false} {
			req := request(t, "POST", w.url+"/x")
			setBody(req, long+tokenPH+"more", declared)
			resp, err := w.client.Do(req)
			if err == nil {
				if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 403 {
					t.Errorf("declared %v: got %s %q", declared, resp.Status, b)
				}
				resp.Body.Close()
			}
			if got := <-seen; !strings.Contains(got, "false true") {
				t.Errorf("declared %v: the host saw %s", declared, got)
			}
			two := g.next(t, 2)
			if last := two[len(two)-1]; last.Result != policy.ReasonPlaceholder || last.Secrets != "TOKEN" {
				t.Errorf("declared %v: record %+v", declared, last)
			}
			req = request(t, "POST", w.url+"/x")
			setBody(req, long+tokenPH[:20]+"more", declared)
			if got := do(t, w, req); got.body != "done" {
				t.Errorf("declared %v: a part: got %s %q", declared, got.Status, got.body)
			}
			if got := <-seen; got != fmt.Sprint(len(long)+24, false, false) {
				t.Errorf("declared %v: a part: the host saw %s", declared, got)
			}
			g.next(t, 2)
		}
	})
}

// On a host to which conversations go, a body may quote a placeholder, which stays what it is.
func TestQuoting(t *testing.T) {
	g := secret(t)
	g.policy.Quoting = []string{"new.test"}
	g.apply()
	g.handler = echoes
	g.insides(t, func(t *testing.T, w way) {
		req := request(t, "POST", w.url+"/x")
		setBody(req, "a "+tokenPH+" b", true)
		got := do(t, w, req)
		if quoted := strings.HasSuffix(got.body, "a "+tokenPH+" b"); quoted != (w.host == "new.test") {
			t.Errorf("got %s %q", got.Status, got.body)
		}
	})
}

// A body that begins and goes on as long as the answer does is not held back for its end.
func TestBothWays(t *testing.T) {
	g := secret(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			if w.Write(buf[:n]); err != nil {
				return
			}
			http.NewResponseController(w).Flush()
		}
	}
	w := way{client: g.inside(true), url: "https://" + g.at("new.test")}
	in, out := io.Pipe()
	req := request(t, "POST", w.url+"/x")
	req.Body, req.ContentLength = in, -1
	go io.WriteString(out, "one")
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, text := range []string{"one", "two", "three"} {
		if text != "one" {
			io.WriteString(out, text)
		}
		b := make([]byte, len(text))
		if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != text {
			t.Fatalf("got %q, %v", b, err)
		}
	}
	out.Close()
}

// reflections are the ways in which a host may repeat a secret.
var reflections = map[string]func(w http.ResponseWriter, v string){
	"body": func(w http.ResponseWriter, v string) { io.WriteString(w, "a "+v+" b") },
	"length": func(w http.ResponseWriter, v string) {
		w.Header().Set("Content-Length", fmt.Sprint(len(v)))
		io.WriteString(w, v)
	},
	"chunks": func(w http.ResponseWriter, v string) {
		for i := range v {
			io.WriteString(w, v[i:i+1])
			w.(http.Flusher).Flush()
		}
	},
	"error page": func(w http.ResponseWriter, v string) { http.Error(w, "bad credential "+v, http.StatusUnauthorized) },
	"redirect": func(w http.ResponseWriter, v string) {
		w.Header().Set("Location", "https://other.test/?t="+url.QueryEscape(v))
		w.WriteHeader(307)
	},
	"fields": func(w http.ResponseWriter, v string) {
		w.Header().Set("X-Echo", "Bearer "+v)
		w.Header().Add("Set-Cookie", "t="+v)
		w.WriteHeader(204)
	},
	"name of a field": func(w http.ResponseWriter, v string) { w.Header().Set("X-"+strings.Trim(v, "+/x"), "1") },
	"early hints": func(w http.ResponseWriter, v string) {
		w.Header().Set("Link", "<"+v+">")
		w.WriteHeader(103)
		w.Header().Del("Link")
	},
	"trailer": func(w http.ResponseWriter, v string) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", v)
	},
	"Basic": func(w http.ResponseWriter, v string) {
		io.WriteString(w, base64.StdEncoding.EncodeToString([]byte("me:"+v)))
	},
	"events": func(w http.ResponseWriter, v string) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: "+v[:9])
		w.(http.Flusher).Flush()
		io.WriteString(w, v[9:]+"\n\n")
	},
}

// E20, F1 to F4, F20: whatever a host repeats, the agent sees the placeholder, of the value before a rotation too.
func TestEGRE20Scrubbed(t *testing.T) {
	g := secret(t)
	g.insides(t, func(t *testing.T, w way) {
		for name, reflect := range reflections {
			for _, value := range []string{tokenValue, tokenOld} {
				g.handler = func(w http.ResponseWriter, _ *http.Request) { reflect(w, value) }
				var all bytes.Buffer
				hints := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error { return http.Header(h).Write(&all) }}
				got := do(t, w, bearer(t, "GET", w.url+"/x", tokenPH).WithContext(httptrace.WithClientTrace(context.Background(), hints)))
				if name == "early hints" && all.Len() == 0 {
					t.Error("no early hints")
				}
				got.Header.Write(&all)
				got.Trailer.Write(&all)
				all.WriteString(got.body)
				text := strings.ToLower(all.String())
				for _, part := range []string{value[4:], url.QueryEscape(value)[4:], base64.StdEncoding.EncodeToString([]byte("me:" + value))[10:30]} {
					if strings.Contains(text, strings.ToLower(part)) {
						t.Errorf("%s: %q", name, all.String())
					}
				}
				if name == "body" && len(got.body) != len("a "+value+" b") || name == "length" && len(got.body) != len(value) {
					t.Errorf("%s: %q", name, got.body)
				}
				g.next(t, 2)
			}
		}
	})
}

// F3: an encoding that the host uses unasked is refused.
func TestCATF3Encoded(t *testing.T) {
	g := secret(t)
	g.handler = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, tokenValue)
		z.Close()
	}
	g.insides(t, func(t *testing.T, w way) {
		req := bearer(t, "POST", w.url+"/x", tokenPH)
		setBody(req, "text", true)
		req.Header.Set("Accept-Encoding", "gzip")
		got := do(t, w, req)
		if got.StatusCode != 502 || got.Header.Get("X-Fleet-Deny") != "encoded-answer" || strings.Contains(got.body, "\x1f\x8b") {
			t.Errorf("got %s %v %q", got.Status, got.Header, got.body)
		}
		if r := g.next(t, 2)[1]; r.Result != "encoded-answer" {
			t.Errorf("record %+v", r)
		}
	})
}

// An event is passed on at once, also while the next one has only begun.
func TestEventsDoNotWait(t *testing.T) {
	g := secret(t)
	goOn := make(chan bool)
	g.handler = func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			io.WriteString(w, "data: one\n\n")
			w.(http.Flusher).Flush()
			<-goOn
		}
	}
	g.insides(t, func(t *testing.T, w way) {
		resp, err := w.client.Get(w.url + "/x")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b := make([]byte, len("data: one\n\n"))
			if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != "data: one\n\n" {
				t.Errorf("got %q, %v", b, err)
			}
			goOn <- true
		}
		resp.Body.Close()
	})
}

// E20: after an upgrade too, and without compression.
func TestEGRE20WebSocket(t *testing.T) {
	g := secret(t)
	origin := make(chan *http.Request, 1)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		origin <- r
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Echo: %s\r\n", tokenValue)
		if r.URL.Path == "/packed" {
			fmt.Fprint(rw, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
		}
		fmt.Fprintf(rw, "\r\n\x81\x1a%s", tokenValue[:10])
		rw.Flush()
		time.Sleep(10 * time.Millisecond)
		fmt.Fprintf(rw, "%s\x81\x04text", tokenValue[10:])
		rw.Flush()
		io.Copy(io.Discard, rw)
	}
	ask := func(path string) (*bufio.Reader, *http.Response, *tls.Conn) {
		c := g.mustOpen("old.test", "http/1.1")
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer %s\r\n"+
			"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", path, g.at("old.test"), tokenPH)
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r, resp, c
	}
	r, resp, c := ask("/x")
	if asked := <-origin; asked.Header.Get("Authorization") != "Bearer "+tokenValue || asked.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("the host saw %v", asked.Header)
	}
	frames := make([]byte, 2+len(tokenValue)+6)
	if _, err := io.ReadFull(r, frames); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp.Status, err)
	}
	if string(frames[:2]) != "\x81\x1a" || !strings.HasSuffix(string(frames), "\x81\x04text") || strings.Contains(string(frames), "R3al") ||
		strings.Contains(resp.Header.Get("X-Echo"), "R3al") {
		t.Errorf("got %q, %v", frames, resp.Header)
	}
	c.Close()
	if _, resp, _ = ask("/packed"); resp.StatusCode != 502 || resp.Header.Get("X-Fleet-Deny") != "encoded-answer" {
		t.Errorf("packed: %s", resp.Status)
	}
	<-origin
}

// E18, F13: nothing that was put in follows a redirect; the second request is judged afresh.
func TestCATF13Redirect(t *testing.T) {
	g := secret(t)
	g.origin("else.test", &x509.Certificate{DNSNames: []string{"else.test"}}, nil)
	g.apply()
	g.trust()
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "else.test") {
			t.Errorf("the other host was asked: %v", r.Header)
		}
		http.Redirect(w, r, "https://"+g.at("else.test")+"/v1/x", http.StatusTemporaryRedirect)
	}
	client := g.inside(false)
	first := do(t, way{client: client}, bearer(t, "GET", "https://"+g.at("old.test")+"/x", tokenPH))
	again := do(t, way{client: client}, bearer(t, "GET", first.Header.Get("Location"), tokenPH))
	if first.StatusCode != 307 || again.StatusCode != 403 || again.Header.Get("X-Fleet-Deny") != policy.ReasonPlaceholder {
		t.Errorf("got %s, then %s", first.Status, again.Status)
	}
}

// E21: nothing is put in where the host cannot prove who it is.
func TestEGRE21NotVerified(t *testing.T) {
	g := secret(t)
	g.handler = func(http.ResponseWriter, *http.Request) { t.Error("the host was asked") }
	g.px.Roots = x509.NewCertPool()
	g.px.renew()
	for _, h2 := range []bool{false, true} {
		got := do(t, way{client: g.inside(h2)}, bearer(t, "GET", "https://"+g.at("new.test")+"/x", tokenPH))
		if got.StatusCode != 502 || got.Header.Get("X-Fleet-Deny") != "bad-certificate" {
			t.Errorf("got %s", got.Status)
		}
	}
}

// A tunnel in which nobody looks ends when a secret comes to its host.
func TestSecretCutsTunnels(t *testing.T) {
	g := secret(t)
	g.policy.Allow[1].Ports = []int{portOf(g.tls.Listener.Addr())} // tls.test
	c, _, _ := g.tunnel(g.at("tls.test"))
	if _, err := g.handshake(c, "tls.test"); err != nil {
		t.Fatal(err)
	}
	g.policy.Secrets[0].Hosts = append(g.policy.Secrets[0].Hosts, "tls.test")
	g.policy.Secrets[0].Ports = append(g.policy.Secrets[0].Ports, portOf(g.tls.Listener.Addr()))
	slices.Sort(g.policy.Secrets[0].Ports)
	g.apply()
	if _, err := io.ReadAll(c); err == nil {
		if _, err := c.Write([]byte("x")); err == nil {
			if n, _ := c.Read(make([]byte, 1)); n > 0 {
				t.Error("the tunnel goes on")
			}
		}
	}
}

// An answer that goes on for long ends when a secret comes to its host, of which it would not be scrubbed.
func TestSecretCutsAnswers(t *testing.T) {
	g := secret(t)
	old := g.policy.Secrets[0].Hosts
	g.policy.Secrets[0].Hosts = []string{"old.test"}
	g.policy.Allow[len(g.policy.Allow)-1].Paths = []string{"/*"} // new.test is read inside all the same
	g.apply()
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begin")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for _, h2 := range []bool{false, true} {
		resp, err := g.inside(h2).Get("https://" + g.at("new.test") + "/x")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		g.apply() // nothing changes for it
		g.policy.Secrets[0].Hosts = old
		g.apply()
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("the answer goes on: %q", b)
		}
		g.policy.Secrets[0].Hosts = []string{"old.test"}
		g.apply()
	}
}

// A body that is read whole to be signed is signed as it is, and goes out as it is.
func TestSignedBody(t *testing.T) {
	g := secret(t)
	g.policy.Secrets[0].SigV4 = "AKIAIOSFODNN7EXAMPLE"
	g.apply()
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %v", len(b), strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260102") &&
			!strings.Contains(r.Header.Get("Authorization"), "Signature=0000"))
	}
	g.insides(t, func(t *testing.T, w way) {
		for size, want := range map[int]int{0: 200, 10: 200, 1 << 20: 200, broker.MaxHashed: 200, broker.MaxHashed + 1: 403} {
			for _, declared := range []bool{true, false} {
				req := request(t, "POST", w.url+"/x")
				setBody(req, strings.Repeat("x", size), declared)
				req.Header.Set("X-Amz-Date", "20260102T030405Z")
				req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260102/eu-west-1/sts/aws4_request, "+
					"SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
				got := do(t, w, req)
				if got.StatusCode != want || want == 200 && got.body != fmt.Sprint(size, " true") {
					t.Errorf("%d bytes, declared %v: got %s %q", size, declared, got.Status, got.body)
				}
			}
		}
	})
}
