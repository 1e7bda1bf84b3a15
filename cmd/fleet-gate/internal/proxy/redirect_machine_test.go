//go:build machine

package proxy

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// EGR-E1, E3, E5: what nftables redirects in a network namespace without a way out is known again by where it went.
func TestE1RedirectedByKernel(t *testing.T) {
	const inside = "TEST_NETWORK_NAMESPACE"
	if os.Getenv(inside) == "" {
		cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	sh(t, "ip link set lo up && ip address add 127.64.0.1/10 dev lo && ip route add local default dev lo")
	g := start(t)
	g.px.original = originalDestination
	_, port, _ := net.SplitHostPort(g.redir)
	sh(t, `nft '
table ip fleet {
	chain out {
		type nat hook output priority -100
		ip daddr 127.64.0.0/10 meta l4proto tcp redirect to :`+port+`
		ip daddr != 127.0.0.0/8 meta l4proto tcp redirect to :`+port+`
	}
}'`)
	to := func(host string) *net.TCPConn {
		a, err := g.table.Address(host, "r")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(g.at(host))
		return g.dial(net.JoinHostPort(a.String(), port))
	}
	conn, err := g.handshake(to("tls.test"), "tls.test")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if line, _ := bufio.NewReader(to("raw.test")).ReadString('\n'); line != "220 hello\r\n" {
		t.Errorf("raw: %q", line)
	}
	g.said(3)
	for addr, want := range map[string]string{
		"8.8.8.8:853":        "decision deny 8.8.8.8 address-not-listed",
		"169.254.169.254:80": "decision deny 169.254.169.254 forbidden-address",
		"127.64.7.7:22":      "decision deny 127.64.7.7 address-not-listed",
		g.redir:              "decision deny  direct",
	} {
		if c, err := net.DialTimeout("tcp4", addr, 5*time.Second); err == nil {
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			defer c.Close()
		}
		if got := g.said(1); !strings.HasSuffix(got, want) {
			t.Errorf("%s: records %q", addr, got)
		}
	}
}

func sh(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
