package listen

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// EGR-E22: a server that hangs is told from one that has nothing to do.
func TestE22Alive(t *testing.T) {
	s := sockets(t)
	hang := make(chan struct{})
	srv := New(s, Handlers{DNS: func([]byte, netip.AddrPort) []byte { <-hang; return nil }}, Options{Max: 10})
	if !srv.Alive(0) {
		t.Error("a server that does not serve yet hangs")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { srv.Serve(ctx); close(ended) }()
	eventually(t, "it does not begin", func() bool { srv.mu.Lock(); defer srv.mu.Unlock(); return !srv.closed })
	time.Sleep(20 * time.Millisecond)
	if !srv.Alive(10 * time.Millisecond) {
		t.Error("a server that waits hangs")
	}
	c, err := net.Dial("udp4", s.DNS[0].LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("x"))
	eventually(t, "a handler that does not return is not seen", func() bool { return !srv.Alive(10 * time.Millisecond) })
	close(hang)
	eventually(t, "it does not recover", func() bool { return srv.Alive(10 * time.Millisecond) })
	s.Proxy[0].Close()
	eventually(t, "a loop that has ended is not seen", func() bool { return !srv.Alive(time.Hour) })
	cancel()
	<-ended
	if !srv.Alive(0) {
		t.Error("a server that was told to end hangs")
	}
}

// EGR-H2: all connections can be closed at once, whatever they wait for.
func TestH2CloseAll(t *testing.T) {
	s := sockets(t)
	serve := func(c *net.TCPConn, done func()) {
		io.Copy(io.Discard, c)
		c.Close()
		done()
	}
	srv := New(s, Handlers{Proxy: serve, Transparent: serve, DNSStream: serve}, Options{Max: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go srv.Serve(ctx)
	var conns []net.Conn
	for _, l := range s.streams() {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		conns = append(conns, c)
	}
	eventually(t, "they are not taken", func() bool { return srv.Open() == 3 && srv.Waited() > 0 })
	srv.CloseAll()
	for _, c := range conns {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("still open")
		}
	}
	eventually(t, "they are kept", func() bool { srv.mu.Lock(); defer srv.mu.Unlock(); return len(srv.conns) == 0 })
}
