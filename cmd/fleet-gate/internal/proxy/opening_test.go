package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"fleet/schemas/policy"
)

// helloFor is a ClientHello as Go's client sends it.
func helloFor(t *testing.T, name string) []byte {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		tls.Client(there, &tls.Config{ServerName: name}).Handshake()
		there.Close()
	}()
	buf := make([]byte, 16<<10)
	n, err := here.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// askAgain is a HelloRetryRequest as a server sends it, with the record that follows it in compatibility mode.
var askAgain = append([]byte{
	22, 3, 3, 0, 4 + 2 + 32 + 1 + 2 + 1 + 2 + 12, 2, 0, 0, 2 + 32 + 1 + 2 + 1 + 2 + 12, 3, 3,
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
	0, 0x13, 0x01, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24,
}, compatible...)

var (
	compatible = []byte{20, 3, 3, 0, 1, 1}
	early      = []byte{23, 3, 3, 0, 4, 'd', 'a', 't', 'a'}
)

// host is a host of raw bytes at tls2.test: it sends answer and returns all that it got.
func (g *gate) host(answer []byte) (got func() []byte) {
	g.t.Helper()
	l := listener(g.t)
	all := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		buf := make([]byte, 1)
		n, _ := c.Read(buf)
		c.Write(answer)
		rest, _ := io.ReadAll(c)
		all <- append(buf[:n], rest...)
	}()
	g.policy.Allow = append(g.policy.Allow, policy.Rule{
		Name: "rule raw TLS", Host: "tls2.test", Ports: []int{portOf(l.Addr())}, Protocol: policy.TLS, Private: true,
	})
	g.judge.Replace(g.compile())
	g.t.Cleanup(func() { l.Close() })
	return func() []byte { return <-all }
}

// EGR-D1, EGR-E6: a host may ask for a second ClientHello and acts on the name in that one. It must be the same, however
// the two are sent.
func TestD1SecondHello(t *testing.T) {
	right, wrong := helloFor(t, "tls2.test"), helloFor(t, "other.test")
	plain := []byte("GET / HTTP/1.1\r\n\r\n")
	for name, c := range map[string]struct {
		answer []byte
		second []byte // after the answer, or with the first
		passed bool
		result string
	}{
		"the same":             {askAgain, right, true, "closed"},
		"the same, compatible": {askAgain, bytes.Join([][]byte{compatible, right, []byte("more")}, nil), true, "closed"},
		"the same, early data": {askAgain, bytes.Join([][]byte{early, early, compatible, right}, nil), true, "closed"},
		"another":              {askAgain, wrong, false, "other-name"},
		"another, compatible":  {askAgain, bytes.Join([][]byte{compatible, wrong}, nil), false, "other-name"},
		"another, early data":  {askAgain, bytes.Join([][]byte{early, wrong}, nil), false, "other-name"},
		"no ClientHello":       {askAgain, plain, false, "not-tls"},
		"no retry":             {append([]byte{22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3}, make([]byte, 116)...), wrong, true, "closed"},
		"an alert":             {[]byte{21, 3, 3, 0, 2, 2, 40}, wrong, true, "closed"},
		"no TLS":               {[]byte("220 hello\r\n"), wrong, true, "closed"},
		"a record too short":   {[]byte{22, 3, 3, 0, 4, 2, 0, 0, 118, 22, 3, 3, 0, 114}, wrong, false, "failed"},
	} {
		for _, together := range []bool{false, true} {
			g := start(t)
			got := g.host(c.answer)
			at := g.policy.Allow[len(g.policy.Allow)-1]
			conn, _, _ := g.tunnel(net.JoinHostPort(at.Host, strconv.Itoa(at.Ports[0])))
			if together {
				conn.Write(bytes.Join([][]byte{right, c.second}, nil))
			} else {
				conn.Write(right)
				conn.SetReadDeadline(time.Now().Add(patience))
				io.ReadFull(conn, make([]byte, min(len(c.answer), 5)))
				conn.Write(c.second)
			}
			conn.CloseWrite()
			io.Copy(io.Discard, conn)
			seen := got()
			if !bytes.HasPrefix(seen, right) || bytes.Equal(seen, append(bytes.Clone(right), c.second...)) != c.passed {
				t.Errorf("%s, together %v: the host saw %d bytes of %d", name, together, len(seen), len(right)+len(c.second))
			}
			if bytes.Contains(seen, []byte("other.test")) && strings.HasPrefix(name, "another") {
				t.Errorf("%s, together %v: the host saw the other name", name, together)
			}
			if end := g.end(); end.Result != c.result {
				t.Errorf("%s, together %v: %s", name, together, end)
			}
		}
	}
}

// A client and a host that need two ClientHellos come together, and so do those of older versions.
func TestSecondHelloOfLibraries(t *testing.T) {
	g := start(t)
	for name, c := range map[string]struct{ client, host *tls.Config }{
		"retry":        {&tls.Config{}, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}},
		"TLS 1.2":      {&tls.Config{MaxVersion: tls.VersionTLS12}, &tls.Config{}},
		"sessions":     {&tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)}, &tls.Config{}},
		"sessions 1.2": {&tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)}, &tls.Config{MaxVersion: tls.VersionTLS12}},
	} {
		s := httptest.NewUnstartedServer(nil)
		s.TLS = c.host
		s.StartTLS()
		defer s.Close()
		g.policy.Allow[1].Ports = []int{portOf(s.Listener.Addr())}
		g.judge.Replace(g.compile())
		for range 3 {
			conn, _, _ := g.tunnel(net.JoinHostPort("tls.test", strconv.Itoa(g.policy.Allow[1].Ports[0])))
			c.client.ServerName, c.client.InsecureSkipVerify = "tls.test", true
			tc := tls.Client(conn, c.client)
			io.WriteString(tc, "OPTIONS * HTTP/1.1\r\nHost: tls.test\r\nConnection: close\r\n\r\n")
			if b, err := io.ReadAll(tc); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
				t.Errorf("%s: got %q, %v", name, b, err)
			}
		}
	}
}

// A host that says nothing is not waited for longer than a handshake may take, and can be cut.
func TestE26CutOpening(t *testing.T) {
	g := start(t)
	got := g.host(nil)
	at := g.policy.Allow[len(g.policy.Allow)-1]
	conn, _, _ := g.tunnel(net.JoinHostPort(at.Host, strconv.Itoa(at.Ports[0])))
	conn.Write(helloFor(t, "tls2.test"))
	if said := g.said(1); said != "decision allow tls2.test allowed" {
		t.Fatal(said)
	}
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	g.judge.CutAll()
	if _, err := conn.Read(make([]byte, 1)); err == nil || time.Since(began) > time.Second {
		t.Errorf("goes on: %v", err)
	}
	got()
	g.said(1)
}
