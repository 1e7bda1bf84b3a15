package outgoing

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

// own refuses an address of this machine: a public one, which no rule can mean, and the gate's own sockets by whatever
// name or address.
func (d *Dialer) own(host string, a netip.Addr, port uint16) *judge.Refusal {
	r := &judge.Refusal{Reason: judge.OwnAddress, Address: a.String()}
	for _, l := range d.Listeners {
		if l.Port() == port && (l.Addr() == a || l.Addr().IsUnspecified() && d.local(a)) {
			r.Text = host + " leads to the gate itself, which goes to nobody through itself"
			return r
		}
	}
	if policy.Classify(a) == policy.Public && d.local(a) {
		r.Text = host + " leads to this machine's own address, which no agent may reach"
		return r
	}
	return nil
}

// remembered asks once a second for an address, to which thousands of connections may go in that time.
func remembered(ask func(netip.Addr) bool) func(netip.Addr) bool {
	var mu sync.Mutex
	var began time.Time
	known := map[netip.Addr]bool{}
	return func(a netip.Addr) bool {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(began) > keepOwn || len(known) >= maxKept {
			clear(known)
			began = now
		}
		local, ok := known[a]
		if !ok {
			local = ask(a)
			known[a] = local
		}
		return local
	}
}

// Addresses of no machine, RFC 5737 and RFC 3849, by which a kernel is known that binds any address
// (net.ipv4.ip_nonlocal_bind).
var nobody4, nobody6 = netip.MustParseAddr("198.51.100.77"), netip.MustParseAddr("2001:db8::77")

// isLocal tells whether the kernel keeps packets to a on this machine: it would send them from the same address, or lets
// a socket have it. Asking needs no netlink, and nothing is sent. Where there is no socket to ask with, every address may
// be one.
func isLocal(a netip.Addr) bool {
	family, nobody := unix.AF_INET, nobody4
	if !a.Is4() {
		family, nobody = unix.AF_INET6, nobody6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	if unix.Connect(fd, sockaddr(a)) == nil && source(fd) == a {
		return true
	}
	return bindable(family, a) && !bindable(family, nobody)
}

func sockaddr(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: 9, Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: 9, Addr: a.As16()}
}

// source is the address that a socket has.
func source(fd int) netip.Addr {
	from, _ := unix.Getsockname(fd)
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(from.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(from.Addr)
	}
	return netip.Addr{}
}

func bindable(family int, a netip.Addr) bool {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	to := sockaddr(a)
	switch to := to.(type) {
	case *unix.SockaddrInet4:
		to.Port = 0
	case *unix.SockaddrInet6:
		to.Port = 0
	}
	return unix.Bind(fd, to) == nil
}
