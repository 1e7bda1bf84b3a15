package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// bench has a host that answers /v1/x shortly and /v1/large with what a benchmark asks for.
func bench(b *testing.B, c course) *inspected {
	b.Helper()
	make := inspect
	if c.secret {
		make = secret
	}
	g := make(b)
	buf := bytes.Repeat([]byte(`{"id": 42, "name": "a name", "text": "The quick brown fox jumps over the lazy dog"},`+"\n"), 800)[:64<<10]
	g.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/x" {
			io.WriteString(w, "ok")
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(large))
		for range large / len(buf) {
			w.Write(buf)
		}
	}
	if !c.inside {
		for i := range g.policy.Allow {
			g.policy.Allow[i].Paths = nil
		}
		g.apply()
		g.roots = g.hosts.pool
	}
	g.silent = true
	return g
}

const large = 64 << 20

// course is the way of a benchmark: straight to the host, through a tunnel, inspected, with a secret put in and looked for
// in the answer.
type course struct{ direct, inside, secret bool }

var courses = map[string]course{
	"direct": {direct: true}, "tunnel": {}, "inspected": {inside: true}, "secret": {inside: true, secret: true},
}

func (g *inspected) connect(b *testing.B, direct bool) *tls.Conn {
	b.Helper()
	if !direct {
		c := g.mustOpen("old.test", "http/1.1")
		c.SetDeadline(time.Time{})
		return c
	}
	c, err := net.Dial("tcp", g.origins["old.test"].Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return tls.Client(c, &tls.Config{ServerName: "old.test", RootCAs: g.roots})
}

func request1(b *testing.B, c io.Writer, r *bufio.Reader, path string) {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: old.test\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer "+tokenPH+"\r\n\r\n", path)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		b.Fatal(err)
	}
	if resp.StatusCode != 200 {
		b.Fatal(resp.Status)
	}
	io.Copy(io.Discard, resp.Body)
}

// BenchmarkInside sends one request after the other over a kept connection; client and host are counted too, alone in
// "direct".
func BenchmarkInside(b *testing.B) {
	for name, c := range courses {
		b.Run(name, func(b *testing.B) {
			g := bench(b, c)
			conn := g.connect(b, c.direct)
			r := bufio.NewReader(conn)
			request1(b, conn, r, "/v1/x")
			b.ReportAllocs()
			for b.Loop() {
				request1(b, conn, r, "/v1/x")
			}
		})
	}
}

// BenchmarkInsideLarge takes in one large answer after the other.
func BenchmarkInsideLarge(b *testing.B) {
	for name, c := range courses {
		b.Run(name, func(b *testing.B) {
			g := bench(b, c)
			conn := g.connect(b, c.direct)
			r := bufio.NewReaderSize(conn, 64<<10)
			b.SetBytes(large)
			for b.Loop() {
				request1(b, conn, r, "/v1/large")
			}
		})
	}
}
