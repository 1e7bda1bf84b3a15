package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/internal/daemon/daemontest"
	"fleet/schemas/policy"
)

// variable has the binary of these tests be the gate.
const variable = "TEST_GATE"

// TestMain is the gate where a test started it.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_HARDEN") != "" {
		hardened()
	}
	if daemontest.Is(variable) {
		if n, err := strconv.ParseUint(os.Getenv("TEST_NOFILE"), 10, 64); err == nil {
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
		}
		go lookable()
		main()
	}
	os.Exit(m.Run())
}

// lookable lets tests that are not root count the gate's descriptors, whatever it does against that.
func lookable() {
	for ; ; time.Sleep(10 * time.Millisecond) {
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
}

// host plays systemd: it holds the sockets and starts gates with them.
type host struct {
	*daemontest.Host
	policy  policy.Policy
	ports   [2]int // dns, proxy
	journal *net.UnixConn
	origin  *net.TCPListener
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{Host: daemontest.New(t, variable)}
	const name = "fleet-demo-lead-gate.socket"
	udp, tcp := h.pair()
	h.ports[0] = tcp.Addr().(*net.TCPAddr).Port
	h.Keep(udp, name)
	h.Keep(tcp, name)
	proxy := h.listen(0)
	h.ports[1] = proxy.Addr().(*net.TCPAddr).Port
	h.Keep(proxy, name)
	h.Keep(h.listen(0), name)
	h.journal = h.Unixgram("journal")
	h.origin = h.listen(0)
	go func() {
		for {
			c, err := h.origin.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	t.Cleanup(func() { h.origin.Close() })
	port := h.origin.Addr().(*net.TCPAddr).Port
	h.policy = policy.Policy{
		Version: policy.Version, Project: "demo", Agent: "lead", Mode: policy.Enforce,
		Allow: []policy.Rule{
			{Name: "one", Host: "127.0.0.1", Ports: []int{port}, Protocol: policy.Raw, Private: true},
			{Name: "two", Host: "listed.example", Ports: []int{443}, Protocol: policy.TLS},
		},
	}
	h.write()
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *host) listen(port int) *net.TCPListener {
	h.T.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	check(h.T, err)
	return l
}

// pair are two sockets with one port.
func (h *host) pair() (*net.UDPConn, *net.TCPListener) {
	h.T.Helper()
	for range 100 {
		tcp := h.listen(0)
		udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(tcp.Addr().(*net.TCPAddr).AddrPort()))
		if err == nil {
			return udp, tcp
		}
		tcp.Close()
	}
	h.T.Fatal("no port is free for both")
	return nil, nil
}

func (h *host) write() {
	h.T.Helper()
	b, err := policy.Encode(&h.policy)
	check(h.T, err)
	check(h.T, os.WriteFile(h.Dir+"/egress.json", b, 0o644))
}

// start starts a gate and waits until it is ready.
func (h *host) start(args ...string) {
	h.T.Helper()
	h.run(args...)
	h.Said("READY=1", "STATUS=mode enforce, 2 rules allow, 0 deny")
}

func (h *host) run(args ...string) {
	h.T.Helper()
	h.Run(append([]string{
		"--policy", h.Dir + "/egress.json", "--state", h.Dir, "--journal", h.Dir + "/journal",
		"--dns-port", strconv.Itoa(h.ports[0]), "--proxy-port", strconv.Itoa(h.ports[1]),
	}, args...)...)
}

// complained waits for words on stderr, whose reader runs beside that of the notifications.
func (h *host) complained(want string) {
	h.T.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(h.Stderr.String(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.T.Fatalf("no %q in: %s", want, h.Stderr.String())
		}
	}
}

// record returns a field of the next record.
func (h *host) record(field string) string {
	h.T.Helper()
	buf := make([]byte, 64<<10)
	h.journal.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := h.journal.Read(buf)
	check(h.T, err)
	for line := range strings.SplitSeq(string(buf[:n]), "\n") {
		if value, ok := strings.CutPrefix(line, field+"="); ok {
			return value
		}
	}
	return ""
}

func (h *host) connect(target string) (*net.TCPConn, *bufio.Reader, int) {
	h.T.Helper()
	c, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: h.ports[1]})
	check(h.T, err)
	h.T.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	check(h.T, err)
	return c, r, resp.StatusCode
}

func echo(t *testing.T, c net.Conn, r *bufio.Reader) {
	t.Helper()
	fmt.Fprint(c, "hello\n")
	if line, err := r.ReadString('\n'); line != "hello\n" {
		t.Fatalf("got %q, %v", line, err)
	}
}

// EGR-E26, EGR-H3, EGR-H4, EGR-H9: reload keeps what is allowed and cuts what is not; a policy that cannot be read
// changes nothing; SIGTERM ends with the last records written.
func TestLife(t *testing.T) {
	h := newHost(t)
	h.start()
	target := h.origin.Addr().String()
	c, r, status := h.connect(target)
	if status != 200 || h.record("FLEET_VERDICT") != "allow" {
		t.Fatal(status)
	}
	echo(t, c, r)
	if _, _, status := h.connect("other.example:443"); status != 403 || h.record("FLEET_REASON") != policy.ReasonHost {
		t.Errorf("status %d", status)
	}

	os.WriteFile(h.Dir+"/egress.json", []byte("{"), 0o644)
	h.Cmd.Process.Signal(syscall.SIGHUP)
	h.Said("RELOADING=1")
	h.Said("READY=1", "STATUS=policy cannot be read, the one before stays in force")
	echo(t, c, r)

	h.policy.Agent = "other"
	h.write()
	h.Cmd.Process.Signal(syscall.SIGHUP)
	h.Said("READY=1", "STATUS=policy cannot be read, the one before stays in force")
	h.policy.Agent = "lead"

	h.policy.Deny = []policy.Denial{{Name: "no", Host: "elsewhere.example"}}
	h.write()
	h.Cmd.Process.Signal(syscall.SIGHUP)
	h.Said("READY=1", "STATUS=mode enforce, 2 rules allow, 1 deny")
	echo(t, c, r)

	h.policy.Allow = h.policy.Allow[1:]
	h.write()
	h.Cmd.Process.Signal(syscall.SIGHUP)
	h.Said("READY=1", "STATUS=mode enforce, 1 rules allow, 1 deny")
	if _, err := r.ReadByte(); err == nil {
		t.Error("the tunnel goes on")
	}
	if got := h.record("FLEET_RESULT"); got != "cut" {
		t.Errorf("ended by %q", got)
	}
	h.Cmd.Process.Signal(syscall.SIGTERM)
	if code := h.Exit(); code != 0 {
		t.Errorf("exit %d: %s", code, h.Stderr.String())
	}
}

// EGR-E22: after kill -9 the sockets stay, what connects meanwhile waits, and names keep their addresses.
func TestE22Killed(t *testing.T) {
	h := newHost(t)
	h.start()
	before := h.lookup()
	h.Cmd.Process.Kill()
	h.Cmd.Wait()
	c, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: h.ports[1]})
	check(t, err)
	defer c.Close()
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", h.origin.Addr())
	h.start()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect}); err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v, %v", resp, err)
	}
	echo(t, c, r)
	if after := h.lookup(); after != before || !strings.HasPrefix(after, "127.64.") {
		t.Errorf("listed.example was %s, is %s", before, after)
	}
}

// lookup asks the gate for listed.example.
func (h *host) lookup() string {
	h.T.Helper()
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: h.ports[0]})
	check(h.T, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	c.Write([]byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06listed\x07example\x00\x00\x01\x00\x01"))
	buf := make([]byte, 512)
	n, err := c.Read(buf)
	check(h.T, err)
	return net.IP(buf[n-4 : n]).String()
}

func TestIdleExit(t *testing.T) {
	h := newHost(t)
	h.start("--idle", "200ms")
	if code := h.Exit(); code != 0 || !strings.Contains(h.Stderr.String(), "idle") {
		t.Errorf("exit %d: %s", code, h.Stderr.String())
	}
}

func TestStartRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *host)
		args   []string
		code   int
		want   string
	}{
		"no policy":       {func(h *host) { os.Remove(h.Dir + "/egress.json") }, nil, 1, "no such file"},
		"bad policy":      {func(h *host) { os.WriteFile(h.Dir+"/egress.json", []byte("{}"), 0o644) }, nil, 1, "egress.json"},
		"no journal":      {func(h *host) { os.Remove(h.Dir + "/journal") }, nil, 1, "journal"},
		"too few sockets": {func(h *host) { h.Files, h.Names = h.Files[:1], h.Names[:1] }, nil, 1, "systemd passed no socket for name service over TCP"},
		"no state":        {func(*host) {}, []string{"--state", ""}, 2, "StateDirectory="},
		"same ports":      {func(*host) {}, []string{"--dns-port", "3128", "--proxy-port", "3128"}, 2, "two ports"},
		"argument":        {func(*host) {}, []string{"x"}, 2, "takes no arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			c.change(h)
			h.run(c.args...)
			if code := h.Exit(); code != c.code || !strings.Contains(h.Stderr.String(), c.want) {
				t.Errorf("exit %d: %s", code, h.Stderr.String())
			}
		})
	}
}
