package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/listen"
	"fleet/cmd/fleet-gate/internal/names"
	"fleet/cmd/fleet-gate/internal/outgoing"
	record "fleet/schemas/audit"
	"fleet/schemas/policy"
)

// patience is how long a test waits for what comes soon on a machine that has time for it.
const patience = time.Minute

// gate is a proxy with origins: web.test by HTTP, tls.test by TLS, raw.test, which speaks first; deny.test is refused.
type gate struct {
	t       testing.TB
	proxy   string
	redir   string
	judge   *judge.Judge
	px      *Proxy
	policy  policy.Policy
	web     *httptest.Server
	tls     *httptest.Server
	raw     net.Listener
	handler http.HandlerFunc // of web

	mu       sync.Mutex
	records  []record.Record
	silent   bool     // keep none
	asked    []string // names that the resolver was asked for
	original atomic.Pointer[netip.AddrPort]
	table    *names.Table
}

func (g *gate) Write(r record.Record) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.silent {
		return nil
	}
	r.Connection, r.Micros = 0, 0
	g.records = append(g.records, r)
	return nil
}

// said returns the records since the last call, once there are n of them.
func (g *gate) said(n int) string {
	g.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		g.mu.Lock()
		var out []string
		for _, r := range g.records {
			out = append(out, fmt.Sprintf("%s %s %s %s", r.Event, r.Verdict, r.Host, r.Reason))
		}
		if len(out) >= n || time.Now().After(deadline) {
			g.records = nil
			g.mu.Unlock()
			return strings.Join(out, "\n")
		}
		g.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

func portOf(a net.Addr) int { return a.(*net.TCPAddr).Port }

func start(t testing.TB) *gate {
	t.Helper()
	g := &gate{t: t}
	g.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.handler != nil {
			g.handler(w, r)
			return
		}
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.RequestURI, b)
	}))
	g.tls = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secure") }))
	t.Cleanup(g.web.Close)
	t.Cleanup(g.tls.Close)
	g.raw = listener(t)
	go func() {
		for {
			c, err := g.raw.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "220 hello\r\n")
			go io.Copy(c, c)
		}
	}()
	rule := func(host, protocol string, l net.Listener) policy.Rule {
		return policy.Rule{Name: "rule " + host, Host: host, Ports: []int{portOf(l.Addr())}, Protocol: protocol, Private: true}
	}
	g.policy = policy.Policy{
		Version: policy.Version, Project: "demo", Agent: "lead", Mode: policy.Enforce, DNS: g.resolver(),
		Allow: []policy.Rule{
			rule("web.test", policy.HTTP, g.web.Listener), rule("tls.test", policy.TLS, g.tls.Listener),
			rule("raw.test", policy.Raw, g.raw),
			{Name: "public", Host: "public.test", Ports: []int{80, 443}[:1], Protocol: policy.HTTP},
			{Name: "wild", Host: "*.wild.test", Ports: []int{portOf(g.tls.Listener.Addr())}, Protocol: policy.TLS, Private: true},
		},
	}
	var err error
	if g.table, err = names.Open(t.TempDir() + "/names"); err != nil {
		t.Fatal(err)
	}
	g.judge = judge.New(g.compile(), g)
	g.px = New(Options{
		Judge: g.judge, Names: g.table, Idle: time.Minute,
		Dialer: outgoing.New(g.judge, outgoing.Options{DNS: g.policy.DNS}),
	})
	g.px.original = func(*net.TCPConn) (netip.AddrPort, error) { return *g.original.Load(), nil }
	sockets := &listen.Sockets{
		Proxy: []*net.TCPListener{listener(t).(*net.TCPListener)}, Transparent: []*net.TCPListener{listener(t).(*net.TCPListener)},
	}
	g.proxy, g.redir = sockets.Proxy[0].Addr().String(), sockets.Transparent[0].Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	srv := listen.New(sockets, listen.Handlers{Proxy: g.px.Requests, Transparent: g.px.Redirected}, listen.Options{Max: 1000})
	go srv.Serve(ctx)
	t.Cleanup(func() {
		g.judge.CutAll()
		g.px.Replaced()
		for end := time.Now().Add(patience); srv.Open() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%d connections are never done", srv.Open())
				return
			}
		}
	})
	return g
}

func (g *gate) compile() *policy.Matcher {
	g.t.Helper()
	m, err := g.policy.Compile()
	if err != nil {
		g.t.Fatal(err)
	}
	return m
}

func listener(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// resolver answers each name with 127.0.0.1 and notes it.
func (g *gate) resolver() string {
	g.t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			q := m.Questions[0]
			g.mu.Lock()
			if q.Type == dnsmessage.TypeA {
				g.asked = append(g.asked, q.Name.String())
			}
			g.mu.Unlock()
			m.Header.Response, m.Additionals = true, nil
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
					Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				}}
			}
			b, _ := m.Pack()
			c.WriteTo(b, from)
		}
	}()
	return c.LocalAddr().String()
}

// dial connects to the gate.
func (g *gate) dial(addr string) *net.TCPConn {
	g.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// ask sends text and returns all that comes back, which is nothing where the connection is reset.
func (g *gate) ask(addr, text string) string {
	g.t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, text)
	b, _ := io.ReadAll(c)
	return string(b)
}

func (g *gate) at(host string) string {
	l := map[string]net.Listener{"web.test": g.web.Listener, "tls.test": g.tls.Listener, "raw.test": g.raw}[host]
	return fmt.Sprintf("%s:%d", host, portOf(l.Addr()))
}

// tunnel makes a CONNECT and returns the connection behind the answer, with the answer's status.
func (g *gate) tunnel(target string) (*net.TCPConn, *bufio.Reader, *http.Response) {
	g.t.Helper()
	c := g.dial(g.proxy)
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		g.t.Fatal(err)
	}
	return c, r, resp
}

// handshake speaks TLS over c for name.
func (g *gate) handshake(c net.Conn, name string) (*tls.Conn, error) {
	pool := g.tls.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	conf := &tls.Config{ServerName: name, RootCAs: pool, InsecureSkipVerify: name != "example.com"}
	t := tls.Client(c, conf)
	return t, t.Handshake()
}

// end returns the next record of an end.
func (g *gate) end() record.Record {
	g.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		g.mu.Lock()
		for i, r := range g.records {
			if r.Event == record.End {
				g.records = g.records[i+1:]
				g.mu.Unlock()
				return r
			}
		}
		g.mu.Unlock()
	}
	g.t.Fatal("no end")
	return record.Record{}
}
