//go:build machine

package nft

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	lead     = who{uidLead, slicePath}
	web      = who{uidWeb, slicePath}
	webOut   = who{uidWeb, ""} // by cron, at, ssh: not in its unit
	other    = who{uidOther, slicePath}
	retired  = who{uidRetired, ""}
	stranger = who{uidForeign, foreignPath}
	stray    = who{uidForeign, ""}
	rootIn   = who{0, slicePath} // a setuid program of an agent's
	operator = who{uidOperator, ""}
)

// load puts the rules in force without a holder, as the first switch does.
func load(t *testing.T) (ruleset, script string) {
	t.Helper()
	ruleset, script = install(t, testFleet())
	if err := sh(script + " reload " + ruleset); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sh(script + " withdraw " + ruleset); err != nil {
			t.Error(err)
		}
	})
	return ruleset, script
}

// listen accepts TCP, and UDP where it is asked for, as a service of the host's.
func listen(t *testing.T, network, address string) {
	t.Helper()
	if strings.HasPrefix(network, "udp") {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return
	}
	l, err := net.Listen(network, address)
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
			c.Close()
		}
	}()
}

// outward are packets that leave the host where nothing stops them.
var outward = []string{
	"connect tcp 203.0.113.9 443", "connect tcp 192.0.2.9 22", "connect tcp 2001:db8::9 443",
	"connect mptcp 203.0.113.9 443", "connect mptcp 2001:db8::9 443",
	"send udp 203.0.113.9 443", "send udp 203.0.113.9 53", "send udp 2001:db8::9 53",
	"send ping 203.0.113.9 0", "send ping 2001:db8::9 0",
	"send udp 224.0.0.251 5353", "send udp ff02::fb 5353", "send udp 255.255.255.255 9", "send udp 192.0.2.255 9",
}

// onHost are services of the host on loopback and on its own address.
var onHost = []string{
	"connect tcp 127.0.0.1 8080", "connect tcp 127.1.2.3 8080", "connect tcp ::1 8080", "connect tcp 192.0.2.1 8080",
	"connect mptcp 127.0.0.1 8080", "connect tcp 2001:db8::1 8080",
	"send udp 127.0.0.53 53", "send udp ::1 53", "connect tcp 127.0.0.53 53", "send ping 127.0.0.1 0",
}

// unprivileged sockets that a kernel may or may not have; they must not work either way.
var odd = []string{
	"connect sctp 203.0.113.9 443", "connect sctp 127.0.0.1 8080", "connect smc 127.0.0.1 8080",
	"connect smc-inet 127.0.0.1 8080", "connect smc-inet 203.0.113.9 443", "send udplite 203.0.113.9 8080",
	"send 1 203.0.113.9 0",
}

// led is what goes to its gate where an agent of isolation user sends it inside its unit. No gate is here, and whoever
// sends is not told.
const led = "send udp 127.0.0.53 53"

// hostServices returns the name server of the host.
func hostServices(t *testing.T) (resolver net.PacketConn) {
	listen(t, "tcp", "[::]:8080")
	listen(t, "tcp4", "127.0.0.53:53")
	listen(t, "udp6", "[::1]:53")
	resolver, err := net.ListenPacket("udp4", "127.0.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resolver.Close() })
	return resolver
}

// heard tells whether a datagram has come.
func heard(c net.PacketConn) bool {
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _, err := c.ReadFrom(make([]byte, 2048))
	return err == nil
}

// TestControl proves that the probes reach something where there are no rules, so that the other tests can fail.
func TestControl(t *testing.T) {
	hostServices(t)
	for _, p := range onHost {
		if got := web.run(t, p); got != "reached" {
			t.Errorf("%s: %s", p, got)
		}
	}
	for _, p := range outward {
		before, err := sent()
		if err != nil {
			t.Fatal(err)
		}
		got := web.run(t, p)
		if after, _ := sent(); after == before {
			t.Errorf("%s: nothing left the host: %s", p, got)
		}
	}
}

// E9, E10, E12, E13: nothing leaves and no service of the host answers, whoever of ours asks.
func TestNobodyGetsOut(t *testing.T) {
	load(t)
	resolver := hostServices(t)
	for name, w := range map[string]who{
		"namespace": lead, "user": web, "user outside its unit": webOut, "other": other, "retired": retired,
		"stray": stray, "root in the slice": rootIn,
	} {
		for _, p := range append(append(append([]string(nil), outward...), onHost...), odd...) {
			before, err := sent()
			if err != nil {
				t.Fatal(err)
			}
			got := w.run(t, p)
			if after, _ := sent(); after != before {
				t.Errorf("%s: %s: %d packets left", name, p, after-before)
			}
			// A raw or ping socket is not always told that its packet was rejected.
			if p == led && (w == web || w == other) {
				if heard(resolver) {
					t.Errorf("%s: %s: the host's name server has it", name, p)
				}
				continue
			}
			if got == "reached" && !strings.HasPrefix(p, "send ping") && !(w.uid == 0 && strings.HasPrefix(p, "send 1")) {
				t.Errorf("%s: %s: reached", name, p)
			}
		}
	}
	for _, p := range onHost {
		if got := operator.run(t, p); got != "reached" {
			t.Errorf("operator: %s: %s", p, got)
		}
	}
}

func TestLocalPorts(t *testing.T) {
	load(t)
	listen(t, "tcp", "[::]:8080")
	for _, tc := range []struct {
		name           string
		server, client who
		address, port  string
		want           bool
	}{
		{"its own", web, web, "127.0.0.1", "5000", true},
		{"its own, last port", web, web, "127.0.0.1", "5010", true},
		{"its own, IPv6", web, web, "::1", "5001", true},
		{"its own, not of its range", web, web, "127.0.0.1", "5011", false},
		{"its own, by the host's address", web, web, "192.0.2.1", "5002", false},
		{"another agent's client", web, other, "127.0.0.1", "5003", false},
		{"another agent's server in its range", other, web, "127.0.0.1", "5004", false},
		{"retired client", web, retired, "127.0.0.1", "5005", false},
		{"its user outside its unit", web, webOut, "127.0.0.1", "5006", false},
		{"server outside its unit", webOut, web, "127.0.0.1", "5007", false},
		{"a person's client", web, operator, "127.0.0.1", "5008", true},
		{"a person's client, not of its range", web, operator, "127.0.0.1", "7000", false},
		{"namespace agent", lead, lead, "127.0.0.1", "5009", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := transfer(t, tc.server, tc.client, tc.address, tc.port)
			if (got == "reached") != tc.want {
				t.Errorf("%s", got)
			}
		})
	}
	t.Run("source port of its range", func(t *testing.T) {
		if got := web.run(t, "connect tcp 127.0.0.1 8080 5000"); got == "reached" {
			t.Error(got)
		}
	})
}

// transfer moves more than buffers hold, from a server that closes at once: what is left is sent by a socket that has
// no owner any more.
func transfer(t *testing.T, server, client who, address, port string) string {
	t.Helper()
	const size = "400000"
	var got string
	withListener(t, server.command(t, "serve "+address+" "+port+" "+size), func() {
		got = client.run(t, "fetch "+address+" "+port+" "+size)
	})
	return got
}

// An agent of another project is left to that project's table, which here does not exist.
func TestOtherProject(t *testing.T) {
	load(t)
	listen(t, "tcp", "[::]:8080")
	if got := stranger.run(t, "connect tcp 127.0.0.1 8080"); got != "reached" {
		t.Error(got)
	}
	if got := transfer(t, stranger, stranger, "127.0.0.1", "7100"); got != "reached" {
		t.Error("its own server:", got)
	}
}

// What comes from outside reaches no socket of the slice, and others as before.
func TestInbound(t *testing.T) {
	load(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		receiver who
		want     bool
	}{"agent": {web, false}, "person": {operator, true}} {
		t.Run(name, func(t *testing.T) {
			got := withListener(t, tc.receiver.command(t, "receive 192.0.2.1 5000"), func() {
				c := exec.Command("ip", "netns", "exec", "outside", self)
				c.Env = append(os.Environ(), probe+"=send udp 192.0.2.1 5000")
				if out, err := c.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			})
			if (got == "reached") != tc.want {
				t.Error(got)
			}
		})
	}
	if n := count(t, "fleet_"+project, "inbound"); n != 1 {
		t.Errorf("inbound counted %d packets", n)
	}
}

// withListener starts a probe, calls f when it listens and returns what it says in the end.
func withListener(t *testing.T, c *exec.Cmd, f func()) string {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	r := bufio.NewReader(out)
	if line, _ := r.ReadString('\n'); line != "listening\n" {
		t.Fatalf("%q", line)
	}
	f()
	rest, _ := io.ReadAll(r)
	return strings.TrimSpace(string(rest))
}

// What is rejected is counted for each agent.
func TestCounters(t *testing.T) {
	load(t)
	for w, name := range map[who]string{
		lead: "agent_lead", web: "agent_web_dev", webOut: "agent_web_dev", retired: "retired", rootIn: "unnamed",
	} {
		before := count(t, "fleet_"+project, name)
		w.run(t, "connect tcp 203.0.113.9 443")
		w.run(t, "send udp 203.0.113.9 53")
		if n := count(t, "fleet_"+project, name); n != before+2 {
			t.Errorf("%s: counted %d packets", name, n-before)
		}
	}
}

var packetsRe = regexp.MustCompile(`packets ([0-9]+)`)

func count(t *testing.T, table, name string) int {
	t.Helper()
	out, err := exec.Command("nft", "list", "counter", "inet", table, name).Output()
	if err != nil {
		t.Fatal(err)
	}
	m := packetsRe.FindSubmatch(out)
	if m == nil {
		t.Fatalf("no count in %q", out)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
