//go:build machine

package contain

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// link tries to reach whoever is on the machine's link.
func link(who string) []attempt {
	return []attempt{
		{"link-local TCP", "nobody", dial("tcp6", "["+linkLocal+"]:443")},
		{"link-local datagram", "nobody", datagram("udp6", "["+linkLocal+"]:53", who)},
		{"multicast", "nobody", datagram("udp4", "224.0.0.251:5353", who)},
		{"multicast by a chosen address", "nobody", out4(who, "239.255.77.1", func(fd int) error {
			return unix.SetsockoptInet4Addr(fd, unix.SOL_IP, unix.IP_MULTICAST_IF, [4]byte(net.ParseIP(ownAddress).To4()))
		})},
		{"multicast of IPv6", "nobody", datagram("udp6", "[ff02::fb%"+originLink+"]:5353", who)},
		{"broadcast", "nobody", out4(who, "255.255.255.255", broadcast)},
		{"broadcast on the link", "nobody", out4(who, "203.0.113.255", broadcast)},
		{"DHCP", "nobody", out4(who, "255.255.255.255", func(fd int) error {
			return orElse(broadcast(fd), unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, originLink))
		})},
	}
}

// joins has the kernel tell the link that this host joins a group, whose number can carry something.
func joins(who string) []attempt {
	group4 := net.ParseIP(fmt.Sprint(groupReport4, actors[who])).To4()
	group6 := net.ParseIP(fmt.Sprintf("%s%x", groupReport6, actors[who]))
	return []attempt{
		{"join a group", "nobody", withSocket(unix.AF_INET, unix.SOCK_DGRAM, 0, func(fd int) error {
			m := &unix.IPMreq{Multiaddr: [4]byte(group4), Interface: [4]byte(net.ParseIP(ownAddress).To4())}
			return unix.SetsockoptIPMreq(fd, unix.SOL_IP, unix.IP_ADD_MEMBERSHIP, m)
		})},
		{"join a group of IPv6", "nobody", withSocket(unix.AF_INET6, unix.SOCK_DGRAM, 0, func(fd int) error {
			device, err := net.InterfaceByName(originLink)
			if err != nil {
				return err
			}
			m := &unix.IPv6Mreq{Multiaddr: [16]byte(group6), Interface: uint32(device.Index)}
			return unix.SetsockoptIPv6Mreq(fd, unix.SOL_IPV6, unix.IPV6_JOIN_GROUP, m)
		})},
	}
}

func broadcast(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1) }

func orElse(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// out4 sends a datagram from a socket that was prepared.
func out4(who, address string, prepare func(fd int) error) func() error {
	return withSocket(unix.AF_INET, unix.SOCK_DGRAM, 0, func(fd int) error {
		if err := prepare(fd); err != nil {
			return err
		}
		to := &unix.SockaddrInet4{Port: 67, Addr: [4]byte(net.ParseIP(address).To4())}
		return unix.Sendto(fd, mark(who), syscall.MSG_DONTWAIT, to)
	})
}
