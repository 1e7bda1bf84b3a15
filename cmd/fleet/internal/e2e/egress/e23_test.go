//go:build machine

package egress

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// latency is the median time in which an agent gets a page by a new tunnel.
func (a *agent) latency() time.Duration {
	a.t.Helper()
	var all []time.Duration
	for range 41 {
		began := time.Now()
		c, err := a.dial("tcp", "web.test:80")
		if err != nil {
			a.t.Fatal(err)
		}
		if err := talk(c, "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n"); err != nil {
			a.t.Errorf("%s: %v", a.key, err)
		}
		c.Close()
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// keepsUp wants pages to take no longer than when it was quiet, while something lasts. What else the machine does may
// pass first.
func (a *agent) keepsUp(quiet time.Duration, while string) {
	a.t.Helper()
	a.Eventually("pages for "+a.key+" while "+while, time.Minute, func() error {
		if loud := a.latency(); loud > 4*quiet+5*time.Millisecond {
			return fmt.Errorf("one took %v before and takes %v", quiet, loud)
		}
		return nil
	})
}

// resident is the memory of the agent's gate in KiB: what it has, or at most had.
func (a *agent) resident(field string) int {
	a.t.Helper()
	n, err := strconv.Atoi(a.Sh("awk '/^" + field + ":/ { print $2 }' /proc/" + a.gate() + "/status"))
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// maxLoaded bounds the memory of a gate with 10,000 connections, in KiB: 30 for each.
const maxLoaded = 300 << 10

// E23, I1: 10,000 connections of one agent that never say what they want. Others do not notice, and the gate has what they
// cost and no more.
func TestEGRE23Connections(t *testing.T) {
	t.Parallel()
	l := churn(t)
	for _, key := range both {
		a, other := l.agent(t, key), l.agent(t, key[:1]+"2")
		a.get("before")
		quiet := other.latency()
		c, d, err := a.give(order{
			Op: "flood", Address: a.proxy, Count: 10_000, Payload: []byte("CONNECT web.test:443 HTTP/1.1\r\nHost: we"), Time: 2 * time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		if d.Exit < 9_900 {
			t.Errorf("%s: only %d connections", key, d.Exit)
		}
		other.keepsUp(quiet, key+" has 10,000 connections")
		if has := a.resident("VmRSS"); has > maxLoaded {
			t.Errorf("%s: the gate has %d KiB", key, has)
		}
		a.get("during") // there is room for the agent itself as well
		c.Close()
		l.Eventually("all connections end", time.Minute, func() error {
			if n := a.open(); n > 100 {
				return fmt.Errorf("%d are open", n)
			}
			return nil
		})
		a.get("after")
	}
}

// open is how many connections the gate has.
func (a *agent) open() int {
	_, rest, _ := strings.Cut(a.metrics(), "\nfleet_gate_connections_open{")
	_, rest, _ = strings.Cut(rest, "} ")
	n := 1 << 30 // where there is no such line
	_, _ = fmt.Sscan(rest, &n)
	return n
}

// E23, I3, I6, I7, E11: large downloads and uploads, readers that do not read, half-closed connections. Memory is bounded,
// and nothing is left of connections whose agent has gone.
func TestEGRE23Flows(t *testing.T) {
	t.Parallel()
	l := churn(t)
	for _, key := range both {
		a, other := l.agent(t, key), l.agent(t, key[:1]+"2")
		a.get("before")
		quiet := other.latency()
		size := map[string]string{"n1": "1073741824", "u1": "268435456"}[key]
		for name, script := range map[string]string{
			"a tunnel":      "curl -sS -o /dev/null -w '%{size_download}' 'https://web.test/bytes?n=" + size + "'",
			"inspected TLS": "curl -sS -o /dev/null -w '%{size_download}' 'https://any.api.test/bytes?n=" + size + "'",
		} {
			l.Sh("echo 5 >/proc/" + a.gate() + "/clear_refs") // VmHWM begins anew
			before := a.resident("VmRSS")
			a.must(order{Script: script, Time: 2 * time.Minute}, size)
			if most := a.resident("VmHWM"); most > before+64<<10 {
				t.Errorf("%s: %s bytes through %s took the gate from %d to %d KiB", key, size, name, before, most)
			}
		}
		// Two hundred readers that do not read.
		before := a.resident("VmRSS")
		c, _, err := a.give(order{
			Op: "flood", Address: "any.api.test:80", Count: 200, Payload: []byte("GET /bytes?n=1073741824 HTTP/1.1\r\nHost: any.api.test\r\n\r\n"), Time: time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		other.keepsUp(quiet, key+" does not read")
		if now := a.resident("VmRSS"); now > before+64<<10 {
			t.Errorf("%s: 200 readers that do not read took the gate from %d to %d KiB", key, before, now)
		}
		c.Close()
		a.halfClosed(t)
		l.Eventually("nothing is left", time.Minute, func() error {
			if n := a.open(); n > 5 {
				return fmt.Errorf("%d connections are open", n)
			}
			if n := l.Sh("ls /proc/" + a.gate() + "/fd | wc -l"); len(n) > 2 {
				return fmt.Errorf("%s descriptors are open", n)
			}
			return nil
		})
	}
}

// halfClosed ends one direction of a tunnel; the other one drains.
func (a *agent) halfClosed(t *testing.T) {
	c, err := a.dial("tcp", "echo.test:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		_, _ = io.WriteString(c, strings.Repeat("x", 1<<20))
		_ = c.(*net.UnixConn).CloseWrite()
	}()
	_ = c.SetDeadline(time.Now().Add(usually))
	if n, err := io.Copy(io.Discard, c); n != 1<<20 || err != nil {
		t.Errorf("%s: after a half-close %d bytes came back: %v", a.key, n, err)
	}
}
