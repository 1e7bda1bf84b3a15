package proxy

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

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
	t.Parallel()
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
		if _, err := io.Copy(io.Discard, one); err == nil || time.Since(began) > patience {
			t.Errorf("goes on: %v after %s", err, time.Since(began))
		}
		if _, err := io.CopyN(io.Discard, three, 100); err != nil {
			t.Errorf("the allowed one: %v", err)
		}
		g.policy.Allow = before[:2] // not even the host
		began = time.Now()
		g.apply()
		if _, err := io.Copy(io.Discard, three); err == nil || time.Since(began) > patience {
			t.Errorf("the host goes on: %v after %s", err, time.Since(began))
		}
		g.policy.Allow = before
		g.apply()
	})
}

// A cut ends also an agent that reads nothing, and a host that says nothing.

func TestE26CutStalled(t *testing.T) {
	t.Parallel()
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
	ws.SetDeadline(began.Add(2 * patience))
	if _, err := ws.Read(make([]byte, 1)); err == nil || time.Since(began) > patience {
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

func all(resp *http.Response) (string, error) {
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// An exchange ends over which no byte goes, and no other one.
func TestIdleExchange(t *testing.T) {
	t.Parallel()
	g := inspect(t)
	const idle, writes = 200 * time.Millisecond, 20
	g.px.Idle = idle
	pauses := make(chan time.Duration, 1) // the longest of a busy one
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/begun" {
			io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
		}
		if r.URL.Path == "/v1/busy" {
			longest, last := time.Duration(0), time.Now()
			for range writes {
				time.Sleep(idle / 10)
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
				longest, last = max(longest, time.Since(last)), time.Now()
			}
			pauses <- longest
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
				if resp.StatusCode == http.StatusBadGateway { // the end of waiting came before the cut
					err = io.EOF
				}
			}
			if err == nil || time.Since(began) > patience {
				t.Errorf("%s: %v after %s", path, err, time.Since(began))
			}
			if end := g.end(); end.Result != "idle" {
				t.Errorf("%s: %s", path, end)
			}
		}
		for range 20 { // on a machine that has no time for it, it may not be busy
			b := ""
			resp, err := w.client.Get(w.url + "/v1/busy")
			if err == nil {
				b, err = all(resp)
			}
			g.end()
			paused := <-pauses
			if len(b) == writes && err == nil {
				return
			}
			if paused < idle/2 {
				t.Fatalf("a busy one: %q, %v", b, err)
			}
		}
		t.Error("was never busy")
	})
}
