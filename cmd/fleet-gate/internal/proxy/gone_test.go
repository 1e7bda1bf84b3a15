package proxy

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestE11GoneInside(t *testing.T) {
	t.Parallel()
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
		case <-time.After(patience):
			ended <- false
		}
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	ways := g.ways()
	for _, path := range []string{"/v1/x", "/v1/begun"} {
		for _, w := range ways {
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
				select {
				case <-read:
				case <-ctx.Done():
				}
				cancel()
				to.CloseWithError(io.ErrClosedPipe) // no end of the body
			}()
			resp, err := w.client.Do(req)
			cancel()
			if err == nil {
				resp.Body.Close()
			}
			// The host may have closed a kept connection just before.
			if err == nil && resp.StatusCode != http.StatusBadGateway {
				t.Errorf("an answer: %s", resp.Status)
			}
		}
		w.client.CloseIdleConnections()
		g.px.Replaced()
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
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
	const size = 32 << 20
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
			if n%(8<<20) == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			if err != nil {
				break
			}
		}
		if n != size || most > size*3/4 {
			t.Errorf("%d of %d bytes, %d KiB in use", n, size, most>>10)
		}
	})
}

// An exchange over which nothing goes ends as an idle tunnel does, whichever side should speak.
