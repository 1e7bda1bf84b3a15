package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// EGR-E9 of the catalogue: answers of each framing, on every way, over one connection.

func TestE9Framing(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
