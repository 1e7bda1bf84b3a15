package listen

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// TestMain plays the gate where a test started it with sockets.
func TestMain(m *testing.M) {
	if dns := os.Getenv("TEST_DNS_PORT"); dns != "" {
		os.Exit(child(dns, os.Getenv("TEST_PROXY_PORT")))
	}
	os.Exit(m.Run())
}

// child prints what it was passed and which descriptors a program that it starts would get.
func child(dns, proxy string) int {
	os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	d, _ := strconv.Atoi(dns)
	p, _ := strconv.Atoi(proxy)
	s, err := Inherited(Ports{DNS: uint16(d), Proxy: uint16(p)})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(len(s.DNS), len(s.DNSStream), len(s.Proxy), len(s.Transparent), os.Getenv("LISTEN_FDS"))
	for fd := 3; fd < 40; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if _, e := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && e == nil && flags&unix.FD_CLOEXEC == 0 {
			fmt.Println("kept on exec:", fd)
		}
	}
	return 0
}

func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func tcp(t *testing.T, port uint16) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

type filer interface{ File() (*os.File, error) }

func start(t *testing.T, dns, proxy uint16, sockets ...filer) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{
		fmt.Sprintf("TEST_DNS_PORT=%d", dns), fmt.Sprintf("TEST_PROXY_PORT=%d", proxy),
		"LISTEN_FDS=" + strconv.Itoa(len(sockets)),
	}
	for _, s := range sockets {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	out, _ := cmd.CombinedOutput()
	return strings.TrimSpace(string(out))
}

func TestInherited(t *testing.T) {
	d := udp(t)
	dns := port(d.LocalAddr())
	dt, proxy, trans := tcp(t, dns), tcp(t, 0), tcp(t, 0)
	px := port(proxy.Addr())
	unixl, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer unixl.Close()
	for name, c := range map[string]struct {
		sockets []filer
		want    string
	}{
		"all":          {[]filer{trans, d, proxy, dt}, "1 1 1 1"},
		"none":         {nil, "no socket was passed"},
		"no proxy":     {[]filer{d, dt, trans}, "no socket for proxy requests"},
		"only proxy":   {[]filer{proxy}, "no socket for name service over TCP, name service over UDP, redirected connections"},
		"other UDP":    {[]filer{d, dt, proxy, trans, udp(t)}, "socket 4 of LISTEN_FDS (LISTEN_FD_7): 127.0.0.1:"},
		"a Unix one":   {[]filer{unixl.(*net.UnixListener)}, "is no TCP listener"},
		"a pipe's end": {[]filer{pipe(t)}, "socket 0 of LISTEN_FDS (LISTEN_FD_3): socket operation on non-socket"},
	} {
		t.Run(name, func(t *testing.T) {
			got := start(t, dns, px, c.sockets...)
			if !strings.Contains(got, c.want) || strings.Contains(got, "kept on exec") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

type end struct{ f *os.File }

func (e end) File() (*os.File, error) { return e.f, nil }

func pipe(t *testing.T) end {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return end{r}
}

func sockets(t *testing.T) *Sockets {
	return &Sockets{
		DNS:         []*net.UDPConn{udp(t)},
		DNSStream:   []*net.TCPListener{tcp(t, 0)},
		Proxy:       []*net.TCPListener{tcp(t, 0)},
		Transparent: []*net.TCPListener{tcp(t, 0)},
	}
}

func quiet() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// say makes handlers that write a word and close when they are told to.
func say(hold chan struct{}) Handlers {
	word := func(w string) func(*net.TCPConn, func()) {
		return func(c *net.TCPConn, done func()) {
			defer done()
			io.WriteString(c, w)
			if hold != nil {
				<-hold
			}
			c.Close()
		}
	}
	return Handlers{
		Proxy: word("proxy"), Transparent: word("transparent"), DNSStream: word("dns"),
		DNS: func(q []byte, _ netip.AddrPort) []byte { return bytes.ToUpper(q) },
	}
}

func get(t *testing.T, a net.Addr) string {
	t.Helper()
	c, err := net.Dial("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServeEachByItsUse(t *testing.T) {
	s := sockets(t)
	srv := New(s, say(nil), Options{Max: 4, Log: quiet()})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan bool)
	go func() { ended <- srv.Serve(ctx) }()
	for want, a := range map[string]net.Addr{
		"proxy": s.Proxy[0].Addr(), "transparent": s.Transparent[0].Addr(), "dns": s.DNSStream[0].Addr(),
	} {
		if got := get(t, a); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	c, err := net.Dial("udp", s.DNS[0].LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, "ask")
	buf := make([]byte, 8)
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "ASK" {
		t.Errorf("datagram: %q, %v", buf[:n], err)
	}
	cancel()
	if <-ended {
		t.Error("ended as idle")
	}
}

// An idle server ends, not one with a connection, and what comes after its end waits for the next one.
func TestIdle(t *testing.T) {
	s := sockets(t)
	hold := make(chan struct{})
	const idle = 100 * time.Millisecond
	srv := New(s, say(hold), Options{Idle: idle, Max: 4, Log: quiet()})
	c, err := net.Dial("tcp", s.Proxy[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ended := make(chan bool, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	select {
	case <-ended:
		t.Fatal("ended with a connection open")
	case <-time.After(4 * idle):
	}
	close(hold)
	select {
	case ok := <-ended:
		if !ok {
			t.Error("did not end as idle")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("does not end")
	}
	late, err := net.Dial("tcp", s.Proxy[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	next := New(s, say(nil), Options{Idle: idle, Max: 4, Log: quiet()})
	go next.Serve(context.Background())
	late.SetDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(late); string(b) != "proxy" {
		t.Errorf("after the end: %q, %v", b, err)
	}
}

// EGR-E23: connections beyond the limit wait, and are served when one ends.
func TestE23Limit(t *testing.T) {
	s := sockets(t)
	hold := make(chan struct{})
	srv := New(s, say(hold), Options{Max: 1, Log: quiet()}) // and one for each of three listeners
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan bool)
	go func() { ended <- srv.Serve(ctx) }()
	for range 8 {
		c, err := net.Dial("tcp", s.Proxy[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	time.Sleep(100 * time.Millisecond)
	if n := srv.Open(); n > 4 || n < 1 {
		t.Errorf("%d open, limit 4", n)
	}
	close(hold)
	for deadline := time.Now().Add(5 * time.Second); srv.Open() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := srv.Open(); n != 0 {
		t.Errorf("%d still open", n)
	}
	cancel()
	<-ended
}
