package listen

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

func tcp(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func quiet() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// A connection that is open, or a reason to stay, keeps the server; then it is idle, and closes no listener.
func TestIdle(t *testing.T) {
	l, busy := tcp(t), atomic.Bool{}
	s := New(200*time.Millisecond, busy.Load, quiet())
	s.Add(l, func(c net.Conn) {
		io.Copy(c, c)
		c.Close()
		c.Close() // it counts once
	})
	done := make(chan bool)
	go func() { done <- s.Serve(t.Context()) }()
	c := dial(t, l)
	still := func(why string) {
		t.Helper()
		select {
		case <-done:
			t.Fatalf("idle with %s", why)
		case <-time.After(1500 * time.Millisecond):
		}
	}
	still("a connection")
	busy.Store(true)
	c.Close()
	still("a reason to stay")
	busy.Store(false)
	if !<-done || !s.Alive() {
		t.Error("not idle")
	}
	waiting := dial(t, l) // for the next one
	next := New(time.Hour, busy.Load, quiet())
	next.Add(l, func(c net.Conn) { io.WriteString(c, "x"); c.Close() })
	ctx, stop := context.WithCancel(t.Context())
	go func() { done <- next.Serve(ctx) }()
	if b, err := io.ReadAll(waiting); string(b) != "x" {
		t.Errorf("got %q, %v", b, err)
	}
	stop()
	if <-done {
		t.Error("idle, when it was told to end")
	}
}

// More connections than can be open wait, and are served then.
func TestSlots(t *testing.T) {
	l := tcp(t)
	s := New(0, func() bool { return false }, quiet())
	release := make(chan bool)
	var open atomic.Int64
	s.Add(l, func(c net.Conn) {
		open.Add(1)
		<-release
		io.WriteString(c, "x")
		c.Close()
	})
	go s.Serve(t.Context())
	var conns []net.Conn
	for range maxOpen + 5 {
		conns = append(conns, dial(t, l))
	}
	for end := time.Now().Add(10 * time.Second); open.Load() < maxOpen && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	if n := open.Load(); n != maxOpen {
		t.Errorf("%d are open", n)
	}
	close(release)
	for _, c := range conns {
		if b, err := io.ReadAll(c); string(b) != "x" {
			t.Fatalf("got %q, %v", b, err)
		}
	}
}

func TestLostListener(t *testing.T) {
	l := tcp(t)
	s := New(0, func() bool { return false }, quiet())
	s.Add(l, func(c net.Conn) { c.Close() })
	go s.Serve(t.Context())
	l.Close()
	for end := time.Now().Add(10 * time.Second); s.Alive(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("alive without its socket")
		}
	}
}

func TestQueue(t *testing.T) {
	l := tcp(t)
	q := NewQueue(l.Addr())
	a, b := net.Pipe()
	go q.Push(a)
	if c, err := q.Accept(); c != a || err != nil {
		t.Errorf("got %v, %v", c, err)
	}
	q.Close()
	if _, err := q.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	q.Push(b) // is closed
	if _, err := b.Write([]byte("x")); err == nil {
		t.Error("a connection is left open")
	}
}
