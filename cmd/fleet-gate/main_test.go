package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fleet/schemas/policy"
)

// TestMain is the gate where a test started it.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_HARDEN") != "" {
		hardened()
	}
	if os.Getenv("TEST_GATE") != "" {
		os.Unsetenv("TEST_GATE")
		if n, err := strconv.ParseUint(os.Getenv("TEST_NOFILE"), 10, 64); err == nil {
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
		}
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
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
	t       *testing.T
	dir     string
	policy  policy.Policy
	files   []*os.File
	ports   [2]int // dns, proxy
	notify  *net.UnixConn
	journal *net.UnixConn
	origin  *net.TCPListener
	stderr  output
	cmd     *exec.Cmd
	env     []string
}

// output is what a gate says while a test reads it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) Reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Reset()
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	udp, tcp := h.pair()
	h.ports[0] = tcp.Addr().(*net.TCPAddr).Port
	h.keep(udp)
	h.keep(tcp)
	proxy := h.listen(0)
	h.ports[1] = proxy.Addr().(*net.TCPAddr).Port
	h.keep(proxy)
	h.keep(h.listen(0))
	h.notify, h.journal = h.unixgram("notify"), h.unixgram("journal")
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

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *host) listen(port int) *net.TCPListener {
	h.t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	check(h.t, err)
	return l
}

// pair are two sockets with one port.
func (h *host) pair() (*net.UDPConn, *net.TCPListener) {
	h.t.Helper()
	for range 100 {
		tcp := h.listen(0)
		udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(tcp.Addr().(*net.TCPAddr).AddrPort()))
		if err == nil {
			return udp, tcp
		}
		tcp.Close()
	}
	h.t.Fatal("no port is free for both")
	return nil, nil
}

func (h *host) keep(s interface {
	File() (*os.File, error)
	Close() error
},
) {
	h.t.Helper()
	f, err := s.File()
	check(h.t, err)
	s.Close()
	h.files = append(h.files, f)
	h.t.Cleanup(func() { f.Close() })
}

func (h *host) unixgram(name string) *net.UnixConn {
	h.t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: h.dir + "/" + name, Net: "unixgram"})
	check(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	return c
}

func (h *host) write() {
	h.t.Helper()
	b, err := policy.Encode(&h.policy)
	check(h.t, err)
	check(h.t, os.WriteFile(h.dir+"/egress.json", b, 0o644))
}

// start starts a gate and waits until it is ready.
func (h *host) start(args ...string) {
	h.t.Helper()
	h.run(args...)
	h.said("READY=1", "STATUS=mode enforce, 2 rules allow, 0 deny")
}

func (h *host) run(args ...string) {
	h.t.Helper()
	h.cmd = exec.Command(os.Args[0], append([]string{
		"--policy", h.dir + "/egress.json", "--state", h.dir, "--journal", h.dir + "/journal",
		"--dns-port", strconv.Itoa(h.ports[0]), "--proxy-port", strconv.Itoa(h.ports[1]),
	}, args...)...)
	h.cmd.Env = []string{"TEST_GATE=1", "LISTEN_FDS=4", "NOTIFY_SOCKET=" + h.dir + "/notify"}
	h.cmd.Env = append(h.cmd.Env, h.env...)
	h.cmd.ExtraFiles = h.files
	h.stderr.Reset()
	h.cmd.Stderr = &h.stderr
	check(h.t, h.cmd.Start())
	cmd := h.cmd
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// said waits for a notification with all of these lines.
func (h *host) said(lines ...string) {
	h.t.Helper()
	buf := make([]byte, 4096)
	h.notify.SetReadDeadline(time.Now().Add(10 * time.Second))
	var all []string
	for {
		n, err := h.notify.Read(buf)
		if err != nil {
			h.t.Fatalf("no %q, only %q; %s", lines, all, h.stderr.String())
		}
		all = append(all, string(buf[:n]))
		missing := false
		for _, l := range lines {
			missing = missing || !strings.Contains("\n"+string(buf[:n])+"\n", "\n"+l+"\n")
		}
		if !missing {
			return
		}
	}
}

// complained waits for words on stderr, whose reader runs beside that of the notifications.
func (h *host) complained(want string) {
	h.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(h.stderr.String(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("no %q in: %s", want, h.stderr.String())
		}
	}
}

// exit waits for the end and returns the status.
func (h *host) exit() int {
	h.t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { h.cmd.Process.Kill() })
	defer timer.Stop()
	h.cmd.Wait()
	return h.cmd.ProcessState.ExitCode()
}

// record returns a field of the next record.
func (h *host) record(field string) string {
	h.t.Helper()
	buf := make([]byte, 64<<10)
	h.journal.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := h.journal.Read(buf)
	check(h.t, err)
	for line := range strings.SplitSeq(string(buf[:n]), "\n") {
		if value, ok := strings.CutPrefix(line, field+"="); ok {
			return value
		}
	}
	return ""
}

func (h *host) connect(target string) (*net.TCPConn, *bufio.Reader, int) {
	h.t.Helper()
	c, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: h.ports[1]})
	check(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	check(h.t, err)
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

	os.WriteFile(h.dir+"/egress.json", []byte("{"), 0o644)
	h.cmd.Process.Signal(syscall.SIGHUP)
	h.said("RELOADING=1")
	h.said("READY=1", "STATUS=policy cannot be read, the one before stays in force")
	echo(t, c, r)

	h.policy.Agent = "other"
	h.write()
	h.cmd.Process.Signal(syscall.SIGHUP)
	h.said("READY=1", "STATUS=policy cannot be read, the one before stays in force")
	h.policy.Agent = "lead"

	h.policy.Deny = []policy.Denial{{Name: "no", Host: "elsewhere.example"}}
	h.write()
	h.cmd.Process.Signal(syscall.SIGHUP)
	h.said("READY=1", "STATUS=mode enforce, 2 rules allow, 1 deny")
	echo(t, c, r)

	h.policy.Allow = h.policy.Allow[1:]
	h.write()
	h.cmd.Process.Signal(syscall.SIGHUP)
	h.said("READY=1", "STATUS=mode enforce, 1 rules allow, 1 deny")
	if _, err := r.ReadByte(); err == nil {
		t.Error("the tunnel goes on")
	}
	if got := h.record("FLEET_RESULT"); got != "cut" {
		t.Errorf("ended by %q", got)
	}
	h.cmd.Process.Signal(syscall.SIGTERM)
	if code := h.exit(); code != 0 {
		t.Errorf("exit %d: %s", code, h.stderr.String())
	}
}

// EGR-E22: after kill -9 the sockets stay, what connects meanwhile waits, and names keep their addresses.
func TestE22Killed(t *testing.T) {
	h := newHost(t)
	h.start()
	before := h.lookup()
	h.cmd.Process.Kill()
	h.cmd.Wait()
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
	h.t.Helper()
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: h.ports[0]})
	check(h.t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	c.Write([]byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06listed\x07example\x00\x00\x01\x00\x01"))
	buf := make([]byte, 512)
	n, err := c.Read(buf)
	check(h.t, err)
	return net.IP(buf[n-4 : n]).String()
}

func TestIdleExit(t *testing.T) {
	h := newHost(t)
	h.start("--idle", "200ms")
	if code := h.exit(); code != 0 || !strings.Contains(h.stderr.String(), "idle") {
		t.Errorf("exit %d: %s", code, h.stderr.String())
	}
}

func TestStartRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *host)
		args   []string
		code   int
		want   string
	}{
		"no policy":  {func(h *host) { os.Remove(h.dir + "/egress.json") }, nil, 1, "no such file"},
		"bad policy": {func(h *host) { os.WriteFile(h.dir+"/egress.json", []byte("{}"), 0o644) }, nil, 1, "egress.json"},
		"no journal": {func(h *host) { os.Remove(h.dir + "/journal") }, nil, 1, "journal"},
		"no sockets": {func(h *host) { h.files = h.files[:1] }, nil, 1, "LISTEN_FDS"},
		"no state":   {func(*host) {}, []string{"--state", ""}, 2, "StateDirectory="},
		"same ports": {func(*host) {}, []string{"--dns-port", "3128", "--proxy-port", "3128"}, 2, "two ports"},
		"argument":   {func(*host) {}, []string{"x"}, 2, "takes no arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			c.change(h)
			h.run(c.args...)
			if code := h.exit(); code != c.code || !strings.Contains(h.stderr.String(), c.want) {
				t.Errorf("exit %d: %s", code, h.stderr.String())
			}
		})
	}
}
