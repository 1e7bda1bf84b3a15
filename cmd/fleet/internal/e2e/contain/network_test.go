//go:build machine

package contain

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// families tries to make a socket of each family. A type with an unknown flag is refused by the kernel with EINVAL
// before it looks for the family, and by the filter of the unit before that: so it does not matter which families this
// kernel has.
func families(string) []attempt {
	var out []attempt
	for family := range 64 {
		switch family {
		case unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK:
			continue
		}
		out = append(out, attempt{fmt.Sprintf("socket of family %d", family), "nobody", func() error {
			fd, err := unix.Socket(family, unix.SOCK_STREAM|0x100000, 0)
			if err == nil {
				return unix.Close(fd)
			}
			if errors.Is(err, unix.EINVAL) {
				return nil
			}
			return err
		}})
	}
	for _, s := range []struct {
		name                string
		family, kind, proto int
		free                string
	}{
		{"raw IPv4", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW, "root"},
		{"raw IPv6", unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_RAW, "root"},
		{"raw ICMP", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP, "root"},
		{"raw TCP", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP, "root"},
		{"SOCK_PACKET", unix.AF_INET, unix.SOCK_PACKET, 0, ""},
		{"packet", unix.AF_PACKET, unix.SOCK_RAW, int(bigEndian(unix.ETH_P_ALL)), "root"},
		{"packet without headers", unix.AF_PACKET, unix.SOCK_DGRAM, int(bigEndian(unix.ETH_P_ALL)), "root"},
		{"vsock stream", unix.AF_VSOCK, unix.SOCK_STREAM, 0, "nobody"},
		{"vsock datagram", unix.AF_VSOCK, unix.SOCK_DGRAM, 0, ""},
		{"SMC", unix.AF_SMC, unix.SOCK_STREAM, 0, ""},
		{"Bluetooth", unix.AF_BLUETOOTH, unix.SOCK_RAW, 1, ""},
		{"ALG", unix.AF_ALG, unix.SOCK_SEQPACKET, 0, ""},
		{"XDP", unix.AF_XDP, unix.SOCK_RAW, 0, "root"},
	} {
		out = append(out, attempt{s.name + " socket", s.free, func() error {
			fd, err := unix.Socket(s.family, s.kind, s.proto)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}})
	}
	return out
}

// configuration tries to change the network.
func configuration(string) []attempt {
	var out []attempt
	for name, argv := range map[string][]string{
		"add a device":       {"/usr/sbin/ip", "link", "add", "x0", "type", "veth", "peer", "name", "x1"},
		"take lo down":       {"/usr/sbin/ip", "link", "set", "lo", "down"},
		"add an address":     {"/usr/sbin/ip", "address", "add", "10.99.0.1/32", "dev", "lo"},
		"add a route":        {"/usr/sbin/ip", "route", "add", "local", "10.98.0.0/16", "dev", "lo"},
		"add a routing rule": {"/usr/sbin/ip", "rule", "add", "from", "10.97.0.0/16", "table", "main"},
		"add a neighbour":    {"/usr/sbin/ip", "neighbour", "add", "10.96.0.1", "lladdr", "02:00:00:00:00:01", "dev", "lo"},
		"add rules":          {"/usr/sbin/nft", "add", "table", "inet", "evil"},
		"flush rules":        {"/usr/sbin/nft", "flush", "ruleset"},
		"read rules":         {"/usr/sbin/nft", "list", "ruleset"},
		"add a tunnel":       {"/usr/sbin/ip", "tuntap", "add", "dev", "t0", "mode", "tun"},
	} {
		free := "root"
		switch name {
		// These would harm, the neighbour too: it would take the packets of all loopback addresses. The machine has no tunnels.
		case "flush rules", "take lo down", "add a neighbour", "add a tunnel":
			free = ""
		}
		out = append(out, attempt{name, free, command(argv...)})
	}
	return append(out,
		attempt{"open /dev/net/tun", "", func() error { return opened("/dev/net/tun", os.O_RDWR) }},
		attempt{"SO_MARK", "root", withSocket(unix.AF_INET, unix.SOCK_STREAM, 0, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, 1)
		})},
		attempt{"IP_TRANSPARENT", "root", withSocket(unix.AF_INET, unix.SOCK_STREAM, 0, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
		})},
		attempt{"TCP_REPAIR", "root", withSocket(unix.AF_INET, unix.SOCK_STREAM, 0, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, 1)
		})},
		attempt{"SO_BINDTODEVICE over a device", "root", withSocket(unix.AF_INET, unix.SOCK_STREAM, 0, func(fd int) error {
			err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "lo")
			return errors.Join(err, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, ""))
		})},
	)
}

// packets tries to send to the origin.
func packets(who string) []attempt {
	to4, to6 := origin4(who), origin6(who)
	out := []attempt{
		{"TCP", "nobody", dial("tcp4", to4+":443")},
		{"TCP by IPv6", "nobody", dial("tcp6", "["+to6+"]:443")},
		{"TCP by an IPv4-mapped address", "nobody", mapped(to4)},
		{"TCP to the metadata address", "nobody", dial("tcp4", metadata+":80")},
		{"DNS over TCP", "nobody", dial("tcp4", to4+":53")},
		{"DNS over TLS", "nobody", dial("tcp4", to4+":853")},
		{"SSH", "nobody", dial("tcp4", to4+":22")},
		{"TCP fast open", "nobody", fastOpen(who)},
		{"TCP bound to the device", "nobody", bound(to4)},
		{"DNS", "nobody", datagram("udp4", to4+":53", who)},
		{"DNS by IPv6", "nobody", datagram("udp6", "["+to6+"]:53", who)},
		{"QUIC", "nobody", datagram("udp4", to4+":443", who)},
		{"many datagrams at once", "nobody", segments(who)},
		{"ping socket", "nobody", echo(unix.AF_INET, unix.IPPROTO_ICMP, 8, who)},
		{"ping socket of IPv6", "nobody", echo(unix.AF_INET6, unix.IPPROTO_ICMPV6, 128, who)},
	}
	for _, p := range []struct {
		name        string
		kind, proto int
		free        string // "" where this kernel need not have it
	}{
		{"MPTCP", unix.SOCK_STREAM, 262, "nobody"},
		{"SCTP", unix.SOCK_STREAM, unix.IPPROTO_SCTP, ""},
		{"SCTP one to many", unix.SOCK_SEQPACKET, unix.IPPROTO_SCTP, ""},
		{"DCCP", unix.SOCK_DCCP, unix.IPPROTO_DCCP, ""},
		{"SMC over IPv4", unix.SOCK_STREAM, 256, ""},
		{"UDP-Lite", unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE, ""},
		{"L2TP", unix.SOCK_DGRAM, 115, ""},
		{"raw ICMP echo", unix.SOCK_RAW, unix.IPPROTO_ICMP, "root"},
		{"raw packet", unix.SOCK_RAW, unix.IPPROTO_RAW, ""},
		{"protocol 253", unix.SOCK_RAW, 253, "root"},
	} {
		out = append(out, attempt{p.name, p.free, withSocket(unix.AF_INET, p.kind, p.proto, func(fd int) error {
			to := &unix.SockaddrInet4{Port: 443, Addr: [4]byte(net.ParseIP(to4).To4())}
			if p.kind != unix.SOCK_RAW {
				if err := unix.Connect(fd, to); err != nil {
					return err
				}
			}
			if p.kind == unix.SOCK_STREAM || p.kind == unix.SOCK_SEQPACKET {
				return nil
			}
			return unix.Sendto(fd, mark(who), 0, to)
		})})
	}
	return out
}

func command(argv ...string) func() error {
	return func() error {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %.200q", err, out)
		}
		return nil
	}
}

func opened(path string, flags int) error {
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func withSocket(family, kind, proto int, use func(fd int) error) func() error {
	return func() error {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, proto)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return use(fd)
	}
}

func dial(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, answerTime)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// mapped connects a socket of IPv6 to ::ffff:ADDRESS, which Go would not.
func mapped(address string) func() error {
	return withSocket(unix.AF_INET6, unix.SOCK_STREAM, 0, func(fd int) error {
		return unix.Connect(fd, &unix.SockaddrInet6{Port: 443, Addr: [16]byte(net.ParseIP(address).To16())})
	})
}

func datagram(network, address, who string) func() error {
	return func() error {
		c, err := net.Dial(network, address)
		if err != nil {
			return err
		}
		defer c.Close()
		return twice(func() error { _, err := c.Write(mark(who)); return err })
	}
}

// twice sends, and sends again: that the first datagram was rejected may be reported with the second one only.
func twice(send func() error) error {
	if err := send(); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	return send()
}

func fastOpen(who string) func() error {
	return withSocket(unix.AF_INET, unix.SOCK_STREAM, 0, func(fd int) error {
		to := &unix.SockaddrInet4{Port: 443, Addr: [4]byte(net.ParseIP(origin4(who)).To4())}
		return unix.Sendto(fd, mark(who), unix.MSG_FASTOPEN, to)
	})
}

func bound(address string) func() error {
	return func() error {
		d := net.Dialer{Timeout: answerTime, Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) {
				err = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, originLink)
			}), err)
		}}
		c, err := d.Dial("tcp4", address+":443")
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// segments has the kernel cut one buffer into several datagrams, see udp(7).
func segments(who string) func() error {
	return withSocket(unix.AF_INET, unix.SOCK_DGRAM, 0, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, len(mark(who))); err != nil {
			return err
		}
		to := &unix.SockaddrInet4{Port: 443, Addr: [4]byte(net.ParseIP(origin4(who)).To4())}
		return unix.Sendto(fd, append(mark(who), mark(who)...), 0, to)
	})
}

// echo sends a ping by a socket that needs no privilege where net.ipv4.ping_group_range allows it.
func echo(family, proto, kind int, who string) func() error {
	return withSocket(family, unix.SOCK_DGRAM, proto, func(fd int) error {
		var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte(net.ParseIP(origin4(who)).To4())}
		if family == unix.AF_INET6 {
			to = &unix.SockaddrInet6{Addr: [16]byte(net.ParseIP(origin6(who)))}
		}
		if err := unix.Connect(fd, to); err != nil {
			return err
		}
		ping := append([]byte{byte(kind), 0, 0, 0, 0, 0, 0, 1}, mark(who)...)
		return twice(func() error { _, err := unix.Write(fd, ping); return err })
	})
}

// raw makes a system call with arguments that cannot work: an answer other than the filter's counts as success, be it that
// the kernel has looked at them or that it has no such call.
func raw(number uintptr, args ...uintptr) func() error {
	return func() error {
		var a [6]uintptr
		copy(a[:], args)
		_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
		switch errno {
		case 0, unix.EFAULT, unix.EINVAL, unix.E2BIG, unix.EBADF, unix.ESRCH, unix.ENOENT, unix.ENOSYS:
			return nil
		}
		return errno
	}
}
