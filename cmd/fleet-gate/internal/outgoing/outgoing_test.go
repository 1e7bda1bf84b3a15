package outgoing

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-gate/internal/judge"
	record "fleet/schemas/audit"
	"fleet/schemas/policy"
)

type nolog struct{}

func (nolog) Write(record.Record) error { return nil }

// dialer makes one whose names have the given addresses, and whose policy allows public.test, and private.test as a
// private one, at port.
func dialer(t *testing.T, port int, addrs map[string]string, o Options) (d *Dialer, asked map[string]int) {
	t.Helper()
	p := policy.Policy{Version: policy.Version, Project: "demo", Agent: "lead", Mode: policy.Enforce, Allow: []policy.Rule{
		{Name: "r1", Host: "private.test", Ports: []int{port}, Protocol: policy.Raw, Private: true},
		{Name: "r2", Host: "public.test", Ports: []int{port}, Protocol: policy.Raw},
	}}
	m, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	d = New(judge.New(m, nolog{}), o)
	asked = map[string]int{}
	var mu sync.Mutex
	d.lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[name]++
		var out []netip.Addr
		for _, a := range strings.Fields(addrs[name]) {
			out = append(out, netip.MustParseAddr(a))
		}
		if out == nil {
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true, Server: "10.1.2.3:53"}
		}
		return out, nil
	}
	return d, asked
}

// EGR-E11, EGR-B5 to B8, B11: what a name leads to is asked for address by address.
func TestE11Resolve(t *testing.T) {
	own := "127.0.0.1"
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if a := netip.MustParsePrefix(i.String()).Addr(); policy.Classify(a) == policy.Public {
			own = a.String()
		}
	}
	for name, c := range map[string]struct{ host, addrs, want string }{
		"public":           {"public.test", "8.8.8.8 2606:4700::1", "8.8.8.8 2606:4700::1"},
		"private":          {"private.test", "127.0.0.1 10.0.0.1 ::1", "127.0.0.1 10.0.0.1 ::1"},
		"loopback":         {"public.test", "127.0.0.1", policy.ReasonPrivate},
		"unspecified":      {"private.test", "0.0.0.0", policy.ReasonForbidden},
		"link-local":       {"private.test", "fe80::1", policy.ReasonForbidden},
		"metadata":         {"private.test", "169.254.169.254", policy.ReasonForbidden},
		"shared":           {"public.test", "100.64.0.1", policy.ReasonPrivate},
		"mapped":           {"public.test", "::ffff:10.0.0.1", policy.ReasonPrivate},
		"mapped metadata":  {"private.test", "::ffff:169.254.169.254", policy.ReasonForbidden},
		"NAT64":            {"private.test", "64:ff9b::a9fe:a9fe", policy.ReasonForbidden},
		"mixed":            {"public.test", "127.0.0.1 8.8.8.8 169.254.169.254", "8.8.8.8"},
		"multicast":        {"private.test", "224.0.0.1", policy.ReasonForbidden},
		"none":             {"public.test", "", judge.NoAddress},
		"own":              {"public.test", own, map[bool]string{true: policy.ReasonPrivate, false: judge.OwnAddress}[own == "127.0.0.1"]},
		"many":             {"public.test", strings.Repeat("8.8.4.4 ", 1000), strings.TrimSpace(strings.Repeat("8.8.4.4 ", maxAddrs))},
		"own among others": {"public.test", own + " 1.1.1.1", "1.1.1.1"},
	} {
		d, _ := dialer(t, 443, map[string]string{c.host: c.addrs}, Options{})
		target, err := d.Resolve(t.Context(), c.host, 443)
		got := ""
		var r *judge.Refusal
		if errors.As(err, &r) {
			got = r.Reason
			if strings.Contains(r.Text, "10.1.2.3") {
				t.Errorf("%s: tells of the resolver: %s", name, r.Text)
			}
		} else {
			got = target.String()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// origin answers each connection with its own address.
func origin(t *testing.T, addr string) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, c.LocalAddr())
			c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr)
}

func read(t *testing.T, d *Dialer, host string, port int) string {
	t.Helper()
	target, err := d.Resolve(t.Context(), host, uint16(port))
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Dial(t.Context(), target)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	b, _ := io.ReadAll(c)
	return string(b)
}

// EGR-B12, B14: one look-up, and the connection goes to the address that was checked.
func TestB12OneLookup(t *testing.T) {
	at := origin(t, "127.0.0.1:0")
	d, asked := dialer(t, at.Port, map[string]string{"private.test": "127.0.0.1"}, Options{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := read(t, d, "private.test", at.Port); got != at.String() {
				t.Errorf("got %q", got)
			}
		})
	}
	wg.Wait()
	for range 5 {
		d.Resolve(t.Context(), "gone.test", 443)
	}
	if diff := cmp.Diff(map[string]int{"private.test": 1, "gone.test": 1}, asked); diff != "" {
		t.Error(diff)
	}
}

// An address that does not answer is no loss as long as another one does.
func TestNextAddress(t *testing.T) {
	at := origin(t, "127.0.0.1:0")
	d, _ := dialer(t, at.Port, map[string]string{"private.test": "127.0.0.2 127.0.0.1"}, Options{})
	if got := read(t, d, "private.test", at.Port); got != at.String() {
		t.Errorf("got %q", got)
	}
	d, _ = dialer(t, at.Port, map[string]string{"private.test": "127.0.0.2 127.0.0.3"}, Options{})
	want := fmt.Sprintf("unreached: private.test:%d cannot be reached: connect: connection refused", at.Port)
	if got := read(t, d, "private.test", at.Port); got != want {
		t.Errorf("got %q", got)
	}
}

// proxy is an upstream that connects where its answer is 200.
func proxy(t *testing.T, answer string) (at *net.TCPAddr, targets chan string) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	targets = make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			targets <- r.Method + " " + r.RequestURI
			io.WriteString(c, answer)
			c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr), targets
}

func TestUpstream(t *testing.T) {
	for name, c := range map[string]struct {
		resolves     bool
		answer       string
		want, target string
	}{
		"checked address": {false, "HTTP/1.1 200 OK\r\nX: y\r\n\r\nfirst bytes", "first bytes", "CONNECT 127.0.0.9:443"},
		"name":            {true, "HTTP/1.0 200 Connection established\r\n\r\nx", "x", "CONNECT private.test:443"},
		"refused": {false, "HTTP/1.1 407 No\r\n\r\n", `unreached: private.test:443 cannot be reached: ` +
			`upstream proxy: it answers "HTTP/1.1 407 No"`, "CONNECT 127.0.0.9:443"},
		"endless": {false, "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", maxAnswer), `unreached: private.test:443 cannot be reached: ` +
			`upstream proxy: its answer is too long`, "CONNECT 127.0.0.9:443"},
	} {
		t.Run(name, func(t *testing.T) {
			at, targets := proxy(t, c.answer)
			d, _ := dialer(t, 443, map[string]string{"private.test": "127.0.0.9"}, Options{
				Upstream: &policy.Upstream{Host: "127.0.0.1", Port: at.Port, Resolves: c.resolves},
			})
			if got := read(t, d, "private.test", 443); got != c.want {
				t.Errorf("got %q", got)
			}
			if got := <-targets; got != c.target {
				t.Errorf("asked for %q", got)
			}
		})
	}
}
