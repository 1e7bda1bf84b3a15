package listen

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Here returns the addresses of those sockets that stand in the network that the gate dials in: none where systemd bound
// them in an agent's own.
func (s *Sockets) Here() []netip.AddrPort {
	var out []netip.AddrPort
	for _, l := range s.streams() {
		if here(l) {
			out = append(out, address(l.Addr()))
		}
	}
	for _, c := range s.DNS {
		if here(c) {
			out = append(out, address(c.LocalAddr()))
		}
	}
	return out
}

// here tells whether a socket is in this process's network namespace. One that does not tell may be (SO_NETNS_COOKIE,
// kernel 5.14).
func here(c syscall.Conn) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	mine, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	raw, rawErr := c.SyscallConn()
	if err != nil || rawErr != nil {
		return true
	}
	same := true
	_ = raw.Control(func(fd uintptr) {
		its, err := unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		same = err != nil || its == mine
	})
	return same
}
