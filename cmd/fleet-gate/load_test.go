package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// drained reads records until the test ends, and gives each to f.
func (h *host) drained(f func(map[string]string)) {
	journal := h.journal
	go func() {
		buf := make([]byte, 64<<10)
		for {
			journal.SetReadDeadline(time.Time{})
			n, err := journal.Read(buf)
			if err != nil {
				return
			}
			r := map[string]string{}
			for line := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\n"), "\n") {
				name, value, _ := strings.Cut(line, "=")
				r[name] = value
			}
			f(r)
		}
	}()
}

func (h *host) dial() net.Conn {
	h.T.Helper()
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", h.ports[1]))
	check(h.T, err)
	h.T.Cleanup(func() { c.Close() })
	return c
}

// descriptors and memory of the gate.
func (h *host) descriptors() int {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.Cmd.Process.Pid))
	check(h.T, err)
	return len(all)
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func (h *host) resident() int {
	h.T.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.Cmd.Process.Pid), "status"))
	check(h.T, err)
	n, err := strconv.Atoi(resident.FindStringSubmatch(string(b))[1])
	check(h.T, err)
	return n >> 10
}

// EGR-I1, EGR-E23: half-open requests take what an agent may have and no more; whoever comes then waits and is served.
func TestI1HalfOpen(t *testing.T) {
	h := newHost(t)
	h.Env = []string{"TEST_NOFILE=1000"}
	h.start(h.switched()...)
	h.drained(func(map[string]string) {})
	var half []net.Conn
	for range 1000 {
		c := h.dial()
		io.WriteString(c, "CONNECT 127.0.0.1")
		half = append(half, c)
	}
	time.Sleep(300 * time.Millisecond)
	if s, fds, rss := h.status(), h.descriptors(), h.resident(); s.Open < 300 || s.Open > 320 || fds > 400 || rss > 48 {
		t.Errorf("%d open, %d descriptors, %d MiB", s.Open, fds, rss)
	}
	if a := h.lookup(); !strings.HasPrefix(a, "127.64.") {
		t.Errorf("name service beside them: %s", a)
	}
	for _, c := range half {
		c.Close()
	}
	c, r, code := h.connect(h.origin.Addr().String())
	if code != 200 {
		t.Fatalf("status %d", code)
	}
	echo(t, c, r)
	if text := h.ask("/metrics"); strings.Contains(text, `connections_waited_total{project="demo",agent="lead"} 0`) {
		t.Error("nobody has waited")
	}
}

// EGR-I5: a gate that has no descriptor left backs off, says so once, and goes on when there are some again.
func TestI5NoDescriptors(t *testing.T) {
	h := newHost(t)
	h.Env = []string{"TEST_NOFILE=256"}
	h.start(h.switched()...)
	h.drained(func(map[string]string) {})
	var all []net.Conn
	bulk := make([]byte, 1<<20) // so much that it goes by splice, which takes four more descriptors
	for range 60 {
		c := h.dial()
		all = append(all, c)
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", h.origin.Addr())
		go io.Copy(io.Discard, c)
		go c.Write(bulk)
	}
	for range 30 {
		all = append(all, h.dial())
	}
	time.Sleep(1500 * time.Millisecond)
	if fds := h.descriptors(); fds < 230 {
		t.Errorf("only %d descriptors: the test does not test", fds)
	}
	for _, c := range all {
		c.Close()
	}
	time.Sleep(1200 * time.Millisecond)
	c, r, code := h.connect(h.origin.Addr().String())
	if code != 200 {
		t.Fatalf("status %d: %s", code, h.Stderr.String())
	}
	echo(t, c, r)
	if n := strings.Count(h.Stderr.String(), "cannot accept"); n > 1 {
		t.Errorf("logged %d times", n)
	}
}

// EGR-H8: while the journal takes no records nothing new is allowed, and then it is again.
func TestH8Journal(t *testing.T) {
	h := newHost(t)
	h.start(h.switched()...)
	target := h.origin.Addr().String()
	full := false
	for range 2000 { // until the queue of the socket is full
		c, _, code := h.connect(target)
		c.Close()
		if full = code == 503; full {
			break
		}
	}
	if !full {
		t.Fatal("everything is allowed without a record")
	}
	if s := h.status(); s.Day.Denied == 0 {
		t.Errorf("not counted: %+v", s)
	}
	h.drained(func(map[string]string) {})
	again := func(what string) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			c, _, code := h.connect(target)
			c.Close()
			if code == 200 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: status %d", what, code)
			}
		}
	}
	again("after it is read")
	h.journal.Close()
	os.Remove(h.Dir + "/journal")
	refused := false
	for range 2000 { // until it is found out
		c, _, code := h.connect(target)
		c.Close()
		if refused = code == 503; refused {
			break
		}
	}
	if !refused {
		t.Error("everything is allowed without a journal")
	}
	h.journal = h.Unixgram("journal")
	h.drained(func(map[string]string) {})
	again("after it is there again")
}

// EGR-H9: each allowed connection has one decision and one end, be it one record or two, also those that SIGTERM finds.
func TestH9Complete(t *testing.T) {
	h := newHost(t)
	h.start("--drain", "300ms")
	var mu sync.Mutex
	seen := map[string]int{}
	h.drained(func(r map[string]string) {
		mu.Lock()
		defer mu.Unlock()
		seen[r["FLEET_EVENT"]]++
		if r["FLEET_RESULT"] != "" {
			seen["ended"]++
			seen["result "+r["FLEET_RESULT"]]++
		}
	})
	const n = 200
	for i := range n {
		c, r, code := h.connect(h.origin.Addr().String())
		if code != 200 {
			t.Fatalf("status %d", code)
		}
		echo(t, c, r)
		if i%2 == 0 {
			c.Close()
		}
	}
	h.Cmd.Process.Signal(syscall.SIGTERM)
	if code := h.Exit(); code != 0 {
		t.Errorf("exit %d: %s", code, h.Stderr.String())
	}
	time.Sleep(100 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	if seen["decision"] != n || seen["ended"] != n || seen["result cut"] != n/2 {
		t.Errorf("got %v", seen)
	}
}

// EGR-H9: a gate that is killed has recorded each decision; its next start sends those that the journal did not have yet.
func TestH9Killed(t *testing.T) {
	h := newHost(t)
	h.start()
	var mu sync.Mutex
	seen := map[string]bool{}
	h.drained(func(r map[string]string) {
		mu.Lock()
		defer mu.Unlock()
		if r["FLEET_EVENT"] == "decision" {
			seen[r["FLEET_CONNECTION"]] = true
		}
	})
	const n = 100
	for range n {
		c, _, code := h.connect(h.origin.Addr().String())
		c.Close()
		if code != 200 {
			t.Fatalf("status %d", code)
		}
	}
	h.Cmd.Process.Kill()
	h.Cmd.Wait()
	h.start()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		got := len(seen)
		mu.Unlock()
		if got == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d decisions are in the journal", got, n)
		}
	}
}

// EGR-E27, EGR-H7: whatever an agent writes where a record has it, each record is whole, in its own lines, and bounded.
func TestE27Injection(t *testing.T) {
	h := newHost(t)
	h.start()
	field := regexp.MustCompile(`^(MESSAGE|MESSAGE_ID|SYSLOG_IDENTIFIER|PRIORITY|FLEET_[A-Z_]+)=[ -~]*$`)
	verdict := regexp.MustCompile(`(?m)^FLEET_VERDICT=`)
	hostile := []string{
		"CONNECT a\x1b[2J:443 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT a\xff\xfe:443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT a%0aFLEET_VERDICT=allow:443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT a\nFLEET_VERDICT=allow:443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT " + strings.Repeat("a", 60<<10) + ":443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT " + strings.Repeat("a", 1<<20) + ":443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://a\"\\\x7f/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://other.example/\x1b]0;x\x07 HTTP/1.1\r\nHost: x\r\n\r\n",
		"G\x1bT http://other.example/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://\u202egro.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	for _, text := range hostile {
		c := h.dial()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		go io.WriteString(c, text)
		line, err := bufio.NewReader(c).ReadString('\n')
		if strings.HasPrefix(line, "HTTP/1.1 2") || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%.40q: %q, %v", text, line, err)
		}
		c.Close()
	}
	buf := make([]byte, 64<<10)
	n := 0
	h.journal.SetReadDeadline(time.Now().Add(1500 * time.Millisecond)) // until those that are counted together are there too
	for ; ; n++ {
		got, err := h.journal.Read(buf)
		if err != nil {
			break
		}
		text := strings.TrimSuffix(string(buf[:got]), "\n")
		if len(text) > 8<<10 || len(verdict.FindAllString(text, -1)) != 1 || !strings.Contains(text, "\nFLEET_VERDICT=deny\n") {
			t.Errorf("record %q", text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if !field.MatchString(line) {
				t.Errorf("field %q", line)
			}
		}
	}
	if n < 4 {
		t.Errorf("%d records", n)
	}
}
