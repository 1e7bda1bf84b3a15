package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// EGR-E9 of the catalogue: answers of each framing, on every way, over one connection.
func TestE9Framing(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/204":
			w.WriteHeader(204)
		case "/v1/304":
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(304)
		case "/v1/trailer":
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Sum", "7")
		case "/v1/unannounced":
			io.WriteString(w, "body")
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Sum", "8")
		case "/v1/empty":
			w.Header().Set("Content-Length", "0")
		case "/v1/large":
			w.Write(make([]byte, 3<<20))
		default:
			w.Header().Set("X-Fleet-Deny", "fake")
			w.Header().Set("Content-Length", "4")
			io.WriteString(w, "body")
		}
	}
	g.each(t, func(t *testing.T, w way) {
		length := ""
		if w.host == "new.test" && !w.h2 {
			length = "10" // Go's server drops it in HTTP/1
		}
		for _, c := range []struct{ method, path, want string }{
			{"GET", "/v1/204", "204 0 "},
			{"GET", "/v1/304", "304 0 " + length},
			{"HEAD", "/v1/x", "200 0 4"},
			{"GET", "/v1/x", "200 4 4"},
			{"GET", "/v1/trailer", "200 4  7"},
			{"GET", "/v1/unannounced", "200 4  8"},
			{"GET", "/v1/empty", "200 0 0"},
			{"GET", "/v1/large", "200 3145728 "},
			{"GET", "/v1/x", "200 4 4"},
		} {
			resp, err := w.client.Do(request(t, c.method, w.url+c.path))
			if err != nil {
				t.Fatal(c.path, err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			got := fmt.Sprint(resp.StatusCode, " ", n, " ", resp.Header.Get("Content-Length"))
			if sum := resp.Trailer.Get("X-Sum"); sum != "" {
				got += " " + sum
			}
			if got != c.want || err != nil || resp.Header.Get("X-Fleet-Deny") != "" || len(resp.Header["Date"]) != 1 {
				t.Errorf("%s %s: got %q, want %q, %v, %v", c.method, c.path, got, c.want, resp.Header, err)
			}
		}
	})
}

// EGR-E9 of the catalogue: interim answers come through, and do not stand for the final one.
func TestE9Interim(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Set("Link", "</b.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		io.WriteString(w, "final")
	}
	g.each(t, func(t *testing.T, w way) {
		var got []string
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				got = append(got, fmt.Sprint(code, " ", h.Get("Link")))
				return nil
			},
		})
		for range 2 {
			got = nil
			resp, err := w.client.Do(request(t, "GET", w.url+"/v1/x").WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := "[103 </a.css>; rel=preload 103 </b.css>; rel=preload]"
			if fmt.Sprint(got) != want || string(b) != "final" || resp.Header["Link"] != nil {
				t.Errorf("got %s, %q, %v", got, b, resp.Header)
			}
		}
	})
	c := g.dial(g.proxy)
	fmt.Fprintf(c, "GET http://%s/ HTTP/1.0\r\n\r\n", g.at("web.test"))
	if b, _ := io.ReadAll(c); !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
		t.Errorf("HTTP/1.0 got %q", b)
	}
}

// A host that sends interim answers without end is not listened to for ever.
func TestE9InterimsBounded(t *testing.T) {
	g := start(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		c, _, _ := w.(http.Hijacker).Hijack()
		defer c.Close()
		for range 100_000 {
			if _, err := io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n"); err != nil {
				return
			}
		}
	}
	got := g.ask(g.proxy, "GET http://"+g.at("web.test")+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if n := strings.Count(got, "HTTP/1.1 102"); n != maxInterim || !strings.Contains(got, "HTTP/1.1 502 ") {
		t.Errorf("%d interim answers; %q", n, got[max(0, len(got)-200):])
	}
}

// Trailers of a request arrive, and only those that were announced and are no part of its frame.
func TestE9RequestTrailer(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, string(b), " ", r.Trailer)
	}
	g.each(t, func(t *testing.T, w way) {
		req := request(t, "POST", w.url+"/v1/x")
		req.Body = io.NopCloser(strings.NewReader("body"))
		req.ContentLength = -1
		req.Trailer = http.Header{"X-Sum": {"7"}, "Via": {"x"}}
		resp, err := w.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "body map[X-Sum:[7]]" {
			t.Errorf("got %q", b)
		}
	})
}

// EGR-E10 of the catalogue: who waits for 100 Continue gets it from the host, or its refusal, without sending the body.
func TestE10Continue(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/no" {
			w.WriteHeader(401)
			return
		}
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b))
	}
	g.each(t, func(t *testing.T, w way) {
		post := func(path string) (*http.Response, string, bool) {
			body := &noted{Reader: strings.NewReader("body")}
			req := request(t, "POST", w.url+path)
			req.Body, req.ContentLength = io.NopCloser(body), 4
			req.Header.Set("Expect", "100-continue")
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			return resp, string(b), body.read
		}
		if resp, b, read := post("/v1/yes"); resp.StatusCode != 200 || b != "4" || !read {
			t.Errorf("got %s %q", resp.Status, b)
		}
		if w.name == "plain" {
			return
		}
		if resp, _, read := post("/v2"); resp.StatusCode != 403 || read {
			t.Errorf("denied: got %s, body sent: %v", resp.Status, read)
		}
		if resp, _, read := post("/v1/no"); resp.StatusCode != 401 || read && !w.h2 {
			t.Errorf("the host does not want it: got %s, body sent: %v", resp.Status, read)
		}
	})
}

type noted struct {
	io.Reader
	read bool
}

func (n *noted) Read(b []byte) (int, error) {
	n.read = true
	return n.Reader.Read(b)
}

// Events arrive one by one, on every way.
func TestEventsInside(t *testing.T) {
	g := inspect(t)
	next := make(chan bool)
	g.handler = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			<-next
		}
	}
	g.each(t, func(t *testing.T, w way) {
		resp, err := w.client.Get(w.url + "/v1/x")
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
	})
}

// EGR-D10: both sides of a stream of HTTP/2 speak as they like, and the status comes in the trailer, as gRPC has it.
func TestD10Streaming(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Te") != "trailers" {
			w.WriteHeader(400)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		in := bufio.NewReader(r.Body)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				break
			}
			io.WriteString(w, "echo "+line)
			w.(http.Flusher).Flush()
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}
	conn := g.shared("new.test")
	r, w := io.Pipe()
	req := request(t, "POST", "https://"+g.at("new.test")+"/v1/x")
	req.Body = r
	req.Header.Set("Te", "trailers")
	resp, err := conn.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(resp.Body)
	for i := range 3 {
		fmt.Fprintln(w, i)
		if line, err := out.ReadString('\n'); line != fmt.Sprintf("echo %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	w.Close() // half of the stream
	if b, err := io.ReadAll(out); len(b) != 0 || err != nil || resp.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("got %q, %v, %v", b, err, resp.Trailer)
	}
	if said := g.said(2); said != "decision allow new.test allowed\nend allow new.test allowed" {
		t.Errorf("records %q", said)
	}
}

// EGR-E9 of the catalogue: an answer that comes before the body was read reaches the agent, on every way.
func TestE9EarlyInside(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(413)
		io.WriteString(w, "too large")
	}
	g.each(t, func(t *testing.T, w way) {
		r, to := io.Pipe()
		defer to.Close()
		go to.Write(make([]byte, 1<<20)) // and no end
		req := request(t, "POST", w.url+"/v1/x")
		req.Body = r
		resp, err := w.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 413 || string(b) != "too large" || err != nil {
			t.Errorf("got %s %q, %v", resp.Status, b, err)
		}
		if said := g.said(2); !strings.HasSuffix(said, "end allow "+w.host+" allowed") {
			t.Errorf("records %q", said)
		}
	})
}

// EGR-I6: bodies pass unchanged both ways.
func TestI6LargeInside(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	g.each(t, func(t *testing.T, w way) {
		for _, known := range []bool{true, false} {
			var body io.Reader = bytes.NewReader(data)
			if !known {
				body = io.MultiReader(body)
			}
			if !w.h2 { // Go's client does not read an answer of HTTP/1 while it sends
				g.handler = func(w http.ResponseWriter, r *http.Request) {
					b, _ := io.ReadAll(r.Body)
					w.Write(b)
				}
			}
			resp, err := w.client.Post(w.url+"/v1/x", "x/y", body)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || sha256.Sum256(b) != sha256.Sum256(data) {
				t.Errorf("%d of %d bytes, %v", len(b), len(data), err)
			}
		}
	})
}

// A host that breaks off in the middle is not taken for one that has ended.
func TestBrokenAnswer(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	g.each(t, func(t *testing.T, w way) {
		resp, err := w.client.Get(w.url + "/v1/x")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("got %q without an error", b)
		}
	})
	// Where only the end of the connection ends an answer, TLS must not say that it is the end.
	c := g.mustOpen("old.test")
	io.WriteString(c, "GET /v1/x HTTP/1.0\r\nHost: old.test\r\n\r\n")
	if b, err := io.ReadAll(c); err == nil {
		t.Errorf("HTTP/1.0: got %q without an error", b)
	}
}

// EGR-E26, EGR-H4: a new policy cuts in mid-stream what it does not allow, and leaves other requests alone.
func TestE26CutInside(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, "data\n")
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}
	allow := g.policy.Allow
	for i := range allow {
		if allow[i].Paths != nil {
			allow[i].Paths = []string{"/v1/*", "/v3/*"}
		}
	}
	g.apply()
	g.each(t, func(t *testing.T, w way) {
		if w.name == "plain" {
			return
		}
		open := func(path string) io.ReadCloser {
			resp, err := w.client.Get(w.url + path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { resp.Body.Close() })
			return resp.Body
		}
		one, three := open("/v1/x"), open("/v3/x")
		before := g.policy.Allow
		g.policy.Allow = nil
		for _, r := range before {
			if r.Paths != nil {
				r.Paths = []string{"/v3/*"}
			}
			g.policy.Allow = append(g.policy.Allow, r)
		}
		began := time.Now()
		g.apply()
		if _, err := io.Copy(io.Discard, one); err == nil || time.Since(began) > time.Second {
			t.Errorf("goes on: %v after %s", err, time.Since(began))
		}
		if _, err := io.CopyN(io.Discard, three, 1000); err != nil {
			t.Errorf("the allowed one: %v", err)
		}
		g.policy.Allow = before[:2] // not even the host
		began = time.Now()
		g.apply()
		if _, err := io.Copy(io.Discard, three); err == nil || time.Since(began) > time.Second {
			t.Errorf("the host goes on: %v after %s", err, time.Since(began))
		}
		g.policy.Allow = before
		g.apply()
	})
}

// A cut ends also an agent that reads nothing, and a host that says nothing.
func TestE26CutStalled(t *testing.T) {
	g := inspect(t)
	reached := make(chan bool, 2)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		reached <- true
		if r.URL.Path == "/v1/silent" {
			<-r.Context().Done()
			return
		}
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}
	allow := g.policy.Allow
	g.each(t, func(t *testing.T, w way) {
		resp, err := w.client.Get(w.url + "/v1/x")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		failed := make(chan error, 1)
		go func() {
			resp, err := w.client.Get(w.url + "/v1/silent")
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode >= 500 {
					err = io.EOF
				}
			}
			failed <- err
		}()
		<-reached
		<-reached
		g.said(0)
		g.policy.Allow = allow[1:2]
		g.apply()
		for range 2 {
			if end := g.end(); end.Host != w.host || end.Result != "cut" {
				t.Errorf("got %s", end)
			}
		}
		if err := <-failed; err == nil {
			t.Error("the silent one got an answer")
		}
		g.policy.Allow = allow
		g.apply()
	})
}

// EGR-E4 of the catalogue: a WebSocket inside TLS, by a real client: messages, counts, half-close, the idle limit, the
// cut.
func TestE4WebSocketInside(t *testing.T) {
	g := inspect(t)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Websocket-Extensions") != "x-test" {
			w.WriteHeader(400)
			return
		}
		websocket.Server{Handler: func(c *websocket.Conn) { io.Copy(c, c) }}.ServeHTTP(w, r)
	}
	dial := func(host string) *websocket.Conn {
		t.Helper()
		var conn net.Conn
		c, err := websocket.NewConfig("wss://"+g.at(host)+"/v1/x", "https://"+host)
		if err != nil {
			t.Fatal(err)
		}
		c.Header.Set("Sec-WebSocket-Extensions", "x-test")
		conn = g.mustOpen(host, "http/1.1")
		ws, err := websocket.NewClient(c, conn)
		if err != nil {
			t.Fatal(err)
		}
		return ws
	}
	for _, host := range []string{"old.test", "new.test"} {
		g.said(0)
		ws := dial(host)
		for _, text := range []string{"one", strings.Repeat("two", 100_000)} {
			got := make([]byte, len(text))
			if err := websocket.Message.Send(ws, text); err != nil {
				t.Fatal(err)
			}
			if n, err := io.ReadFull(ws, got); err != nil || string(got) != text {
				t.Fatalf("got %d bytes, %v", n, err)
			}
		}
		ws.Close()
		end := g.end()
		if end.BytesUp < 300_000 || end.BytesDown < 300_000 || end.Result != "closed" {
			t.Errorf("%s: %+v", host, end)
		}
	}

	g.px.Idle = 200 * time.Millisecond
	ws := dial("new.test")
	began := time.Now()
	ws.SetDeadline(began.Add(10 * time.Second))
	if _, err := ws.Read(make([]byte, 1)); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("is idle for %s: %v", time.Since(began), err)
	}
	if end := g.end(); end.Result != "idle" {
		t.Errorf("idle: %+v", end)
	}

	g.px.Idle = time.Minute
	ws = dial("new.test")
	g.policy.Allow = g.policy.Allow[:1]
	g.judge.Replace(g.compile())
	if _, err := ws.Read(make([]byte, 1)); err == nil {
		t.Error("goes on")
	}
	if end := g.end(); end.Result != "cut" {
		t.Errorf("cut: %+v", end)
	}
}

// EGR-E11 of the catalogue: a host that works for an agent that is gone is let go, inside TLS too.
func TestE11GoneInside(t *testing.T) {
	g := inspect(t)
	const all = 10
	begun, ended := make(chan bool, all), make(chan bool, all)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/begun" {
			io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
		}
		begun <- true
		select {
		case <-r.Context().Done():
			ended <- true
		case <-time.After(10 * goneAfter):
			ended <- false
		}
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	for _, path := range []string{"/v1/x", "/v1/begun"} {
		for _, w := range g.ways() {
			wg.Go(func() {
				resp, err := w.client.Do(request(t, "GET", w.url+path).WithContext(ctx))
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		}
	}
	for range all {
		<-begun
	}
	cancel()
	for range all {
		if !<-ended {
			t.Error("a host works on")
		}
	}
	wg.Wait()
}

// EGR-E11 of the catalogue: neither goroutines nor connections are left by uploads whose agent goes away.
func TestE11UploadGone(t *testing.T) {
	g := inspect(t)
	read := make(chan bool, 100)
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 1000))
		read <- true
		io.Copy(io.Discard, r.Body)
	}
	g.each(t, func(t *testing.T, w way) {
		before := runtime.NumGoroutine()
		for range 10 {
			ctx, cancel := context.WithCancel(context.Background())
			r, to := io.Pipe()
			go to.Write(make([]byte, 5000))
			req := request(t, "POST", w.url+"/v1/x").WithContext(ctx)
			req.Body = r
			go func() {
				<-read
				cancel()
				to.CloseWithError(io.ErrClosedPipe) // no end of the body
			}()
			if resp, err := w.client.Do(req); err == nil {
				resp.Body.Close()
				t.Error("an answer")
			}
		}
		w.client.CloseIdleConnections()
		g.px.Replaced()
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d goroutines, were %d", runtime.NumGoroutine(), before)
			}
		}
	})
}

// EGR-E1 of the catalogue: a body with two readings is answered with 400, whether or not the host has seen a part.
func TestE1Smuggling(t *testing.T) {
	g := inspect(t)
	g.handler = echoes
	for name, body := range map[string]string{
		"extension": "3;e=x\r\nabc\r\n0\r\n\r\n", "overflow": "ffffffffffffffffff\r\n", "too short": "3\r\nabcd\r\n0\r\n\r\n",
		"bare LF": "3\nabc\n0\n\n", "second chunk": "3\r\nabc\r\nx\r\n",
	} {
		for _, secure := range []bool{false, true} {
			var c net.Conn = g.dial(g.proxy)
			target := "http://" + g.gate.at("web.test") + "/v1/x"
			if secure {
				c, target = g.mustOpen("old.test", "http/1.1"), "/v1/x"
			}
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: old.test\r\nTransfer-Encoding: chunked\r\n\r\n%s"+
				"GET %s HTTP/1.1\r\nHost: old.test\r\n\r\n", target, body, target)
			b, _ := io.ReadAll(c)
			if !strings.HasPrefix(string(b), "HTTP/1.1 400 ") || strings.Count(string(b), "HTTP/1.1 ") != 1 {
				t.Errorf("%s, TLS %v: got %q", name, secure, b)
			}
		}
	}
}

// EGR-E6 to E8 of the catalogue: what an agent writes of hops, credentials for a proxy, and hosts does not go out.
func TestE6Fields(t *testing.T) {
	g := inspect(t)
	var seen http.Header
	g.handler = func(_ http.ResponseWriter, r *http.Request) { seen = maps.Clone(r.Header) }
	g.each(t, func(t *testing.T, w way) {
		req := request(t, "GET", w.url+"/v1/x")
		for _, name := range []string{
			"X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-Ip", "Proxy-Authorization", "X-Keep", "User-Agent",
		} {
			req.Header.Set(name, "x")
		}
		resp, err := w.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		delete(seen, "Accept-Encoding")
		if got := fmt.Sprint(seen); got != "map[User-Agent:[x] X-Keep:[x]]" {
			t.Errorf("the host saw %s", got)
		}
	})
}

// EGR-I6: memory stays flat while much passes, and behind an agent that reads slowly.
func TestI6Memory(t *testing.T) {
	g := inspect(t)
	const size = 64 << 20
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 64<<10)
		for range size / len(buf) {
			if _, err := w.Write(buf); err != nil {
				return
			}
		}
	}
	g.each(t, func(t *testing.T, w way) {
		resp, err := w.client.Get(w.url + "/v1/x")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		time.Sleep(50 * time.Millisecond) // nothing is read
		var most uint64
		n := 0
		for buf := make([]byte, 256<<10); ; {
			got, err := io.ReadFull(resp.Body, buf)
			n += got
			if n%(16<<20) == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			if err != nil {
				break
			}
		}
		if n != size || most > 24<<20 {
			t.Errorf("%d of %d bytes, %d KiB in use", n, size, most>>10)
		}
	})
}

// An exchange over which nothing goes ends as an idle tunnel does, whichever side should speak.
func TestIdleExchange(t *testing.T) {
	g := inspect(t)
	g.px.Idle = 200 * time.Millisecond
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/begun" {
			io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
		}
		if r.URL.Path == "/v1/busy" {
			for range 20 {
				time.Sleep(20 * time.Millisecond)
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
			}
			return
		}
		<-r.Context().Done()
	}
	g.each(t, func(t *testing.T, w way) {
		for _, path := range []string{"/v1/x", "/v1/begun"} {
			began := time.Now()
			resp, err := w.client.Get(w.url + path)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if err == nil || time.Since(began) > 2*time.Second {
				t.Errorf("%s: %v after %s", path, err, time.Since(began))
			}
			if end := g.end(); end.Result != "idle" {
				t.Errorf("%s: %s", path, end)
			}
		}
		resp, err := w.client.Get(w.url + "/v1/busy")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); len(b) != 20 || err != nil {
			t.Errorf("a busy one: %q, %v", b, err)
		}
		g.end()
	})
}
