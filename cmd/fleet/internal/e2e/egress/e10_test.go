//go:build machine

package egress

import (
	"testing"

	"fleet/cmd/fleet/internal/e2e/origins"
)

// E10, G1, G2, G7, B15: IPv6, datagrams and programs that are told to leave the proxy out. What of it goes to the gate is
// decided on there, all else is the kernel's. The families and protocols that sockets can have are tried in package contain.
func TestEGRE10Kernel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		six := "[" + origins.Address6 + "]"
		send := func(address string) func(*agent) error {
			return func(a *agent) error {
				_, err := a.udp(address, []byte("hello"))
				return err
			}
		}
		run := func(script string) func(*agent) error {
			return func(a *agent) error { return failed(a.sh(order{Script: script, Plain: true})) }
		}
		a.blocked([]attempt{
			{"TCP by IPv6", dial(six + ":443"), kernel, ""},
			{"HTTP by IPv6", dial(six + ":80"), kernel, ""},
			{"DNS by IPv6", dial(six + ":53"), kernel, ""},
			{"link-local", dial("[fe80::2%out0]:80"), maybeKernel(a), ""},
			{"datagram by IPv6", send(six + ":7"), kernel, ""},
			{"QUIC", send(origins.Address + ":443"), kernel, ""},
			{"NTP", send(origins.Address + ":123"), kernel, ""},
			{"echo", send(origins.Address + ":7"), kernel, ""},
			{"multicast", send("239.255.77.1:7"), kernel, ""},
			{"multicast of IPv6", send("[ff02::fb%out0]:5353"), maybeKernel(a), ""},
			{"broadcast", run("/usr/bin/python3 -c \"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(1, 6, 1); " +
				"s.sendto(b'x', ('255.255.255.255', 7)); s.settimeout(1); s.recv(1)\""), kernel, ""},
			{"no proxy for all", run("NO_PROXY='*' no_proxy='*' HTTPS_PROXY=http://" + a.proxy + " curl -sS -m 10 https://evil.test/"), "host-not-listed", ""},
			{"another proxy", run("HTTPS_PROXY=http://" + origins.Address + ":3128 curl -sS -m 10 https://evil.test/"), literalReason(a), ""},
			{"an own resolver", run("curl -sS -m 10 --resolve evil.test:443:" + origins.Address + " https://evil.test/"), literalReason(a), ""},
			{"no environment", run("env -i /usr/bin/curl -sS -m 10 https://evil.test/"), "host-not-listed", ""},
			{"an allowed name at another address", run("curl -sS -m 10 --resolve web.test:443:1.1.1.1 https://web.test/"), literalReason(a), ""},
		})
		a.must(order{Script: "env -i /usr/bin/curl -sS https://web.test/bare"}, "origin web.test GET /bare") // G6
	})
}

// literalReason is why a connection to an address is refused: in mode user it does not get to the gate.
func literalReason(a *agent) string {
	if isolation[a.key] == "user" {
		return kernel
	}
	return "address-not-listed"
}

// maybeKernel: in mode namespace there is no such link, so that connect fails before there is a packet to count.
func maybeKernel(a *agent) string {
	if isolation[a.key] == "user" {
		return kernel
	}
	return nothing
}
