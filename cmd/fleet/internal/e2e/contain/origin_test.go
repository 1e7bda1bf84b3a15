//go:build machine

package contain

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The origin is a network namespace behind the machine's only way out, which records every frame that reaches it.
const (
	originNet4   = "198.51.100."           // RFC 5737; the origin has all of it
	originNet6   = "2001:db8:0:1::"        // RFC 3849; likewise
	originLink   = "up0"                   // the machine's end
	ownAddress   = "203.0.113.1"           // of the machine on that link
	metadata     = "169.254.169.254"       // the origin has it too
	originLog    = "/run/origin.log"       // a frame a line, in hex
	originReady  = "/run/origin.ready"     // the origin takes connections
	linkLocal    = "fe80::2%" + originLink // of the origin
	groupReport4 = "239.255.88."           // groups that are joined
	groupReport6 = "ff02::88:"
)

// actors number who sends, so that frames can be told apart.
var actors = map[string]int{"n1": 1, "n2": 2, "u1": 3, "u2": 4, "host": 8, "free": 9}

func origin4(who string) string { return fmt.Sprint(originNet4, 10+actors[who]) }
func origin6(who string) string { return fmt.Sprintf("%s%x", originNet6, actors[who]) }

// mark is in every payload.
func mark(who string) []byte { return []byte("fleet-contain-" + who) }

// originMain answers at every address of its namespace once the other end of the link is there, and logs frames.
func originMain([]string) {
	log, err := os.OpenFile(originLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	// ETH_P_ALL, see packet(7): all that reaches any interface of the namespace.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(bigEndian(unix.ETH_P_ALL)))
	must(err)
	for _, port := range []string{"22", "53", "80", "443", "853"} {
		l, err := net.Listen("tcp", ":"+port)
		must(err)
		go func() {
			for {
				c, err := l.Accept()
				must(err)
				c.Close()
			}
		}()
	}
	for _, port := range []string{"53", "443", "5353"} { // which read nothing: a datagram to them is not refused
		_, err := net.ListenPacket("udp", ":"+port)
		must(err)
	}
	must(os.WriteFile(originReady, nil, 0o600))
	for buf := make([]byte, 1<<16); ; {
		n, err := unix.Read(fd, buf)
		must(err)
		fmt.Fprintln(log, hex.EncodeToString(buf[:n]))
	}
}

func bigEndian(v uint16) uint16 { return v<<8 | v>>8 }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startOrigin gives the machine its way out.
func (f *fleet) startOrigin() {
	f.t.Helper()
	f.MustRun("systemd-run", "-q", "--unit=origin", "-p", "PrivateNetwork=yes", program, "origin")
	f.Sh(`
		until pid=$(systemctl show -P MainPID origin) && [ "$pid" -gt 0 ] && # and has its own network
			[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/1/ns/net)" ]; do sleep 0.1; done
		in="nsenter -t $pid -n --"
		ip link add ` + originLink + ` type veth peer name out0
		ip link set ` + originLink + ` addrgenmode none
		ip link set out0 netns "$pid"
		$in ip link set out0 addrgenmode none
		ip address add ` + ownAddress + `/24 broadcast + dev ` + originLink + `
		ip -6 address add fe80::1/64 dev ` + originLink + ` nodad
		ip -6 address add 2001:db8::1/64 dev ` + originLink + ` nodad
		$in ip address add 203.0.113.2/24 broadcast + dev out0
		$in ip -6 address add fe80::2/64 dev out0 nodad
		$in ip -6 address add 2001:db8::2/64 dev out0 nodad
		$in ip route add local ` + originNet4 + `0/24 dev lo
		$in ip route add local ` + metadata + ` dev lo
		$in ip -6 route add local ` + originNet6 + `/64 dev lo
		ip link set ` + originLink + ` up
		$in ip link set out0 up
		ip route add default via 203.0.113.2
		ip -6 route add default via 2001:db8::2
		until [ -e ` + originReady + ` ]; do sleep 0.1; done
		sysctl -q net.ipv4.ping_group_range='0 2147483647'`)
}

// frames returns the frames that have reached the origin since forget and that came from who: to the addresses that only
// it uses, or with its mark in them.
func (f *fleet) frames(who string) []string {
	f.t.Helper()
	return f.framesWith(hex.EncodeToString(mark(who)), address(origin4(who)), address(origin6(who)))
}

// joined returns the frames that tell of the groups that only who joins.
func (f *fleet) joined(who string) []string {
	f.t.Helper()
	return f.framesWith(address(fmt.Sprint(groupReport4, actors[who])), address(fmt.Sprintf("%s%x", groupReport6, actors[who])))
}

// address writes an address as it stands in a frame.
func address(text string) string {
	ip := net.ParseIP(text)
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	return hex.EncodeToString(ip)
}

func (f *fleet) framesWith(wanted ...string) (found []string) {
	f.t.Helper()
	for line := range strings.Lines(f.ReadFile(originLog)) {
		if slices.ContainsFunc(wanted, func(w string) bool { return strings.Contains(line, w) }) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func (f *fleet) forget() {
	f.t.Helper()
	f.Sh("truncate -s 0 " + originLog)
}

// stopped returns how many packets the kernel has stopped in an agent's network namespace: by its rules, or as there is no
// way out (Ip and Ip6 OutNoRoutes).
func (f *fleet) stopped(key string) int {
	f.t.Helper()
	pid := f.pid(key)
	n, err := strconv.Atoi(f.Sh(`p=/proc/` + pid + `/net; {
		nsenter -t ` + pid + ` -n nft list chain inet fleet rest | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
		awk '$1 == "Ip:" && !h { split($0, name); h = 1; next } $1 == "Ip:" { for (i in name) if (name[i] == "OutNoRoutes") print $i }' $p/snmp
		awk '$1 == "Ip6OutNoRoutes" { print $2 }' $p/snmp6; } | awk '{ n += $1 } END { print n + 0 }'`))
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}
