// Package listen takes over the sockets that systemd has bound inside an agent's network namespace and serves them. The
// gate runs outside of that namespace, so that it makes no listener of its own: what systemd passes is all there is.
package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Ports tell what a passed socket is for. All sockets of one socket unit have the same name, so that the port says it.
type Ports struct {
	DNS   uint16 // datagrams and streams: name service
	Proxy uint16 // streams: HTTP proxy requests and CONNECT
}

// Sockets are what systemd passed, sorted by use. A stream on any other port than those of Ports is a transparent one,
// to which the agent's connections are redirected.
type Sockets struct {
	DNS         []*net.UDPConn
	DNSStream   []*net.TCPListener
	Proxy       []*net.TCPListener
	Transparent []*net.TCPListener
}

// Inherited takes the sockets of LISTEN_FDS (sd_listen_fds(3)), which no child process gets then. It refuses whatever
// is not a listening TCP socket or a UDP socket, and every set without a proxy, a transparent and a name service port.
func Inherited(p Ports) (*Sockets, error) {
	files := activation.Files(true)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if len(files) == 0 {
		return nil, errors.New("no socket was passed: start the gate through its socket unit (LISTEN_FDS of systemd)")
	}
	s := new(Sockets)
	for i, f := range files {
		if err := s.add(f, p); err != nil {
			s.Close()
			return nil, fmt.Errorf("socket %d of LISTEN_FDS (%s): %w", i, f.Name(), err)
		}
	}
	if missing := s.missing(); missing != "" {
		s.Close()
		return nil, fmt.Errorf("systemd passed no socket for %s: add it to the socket unit", missing)
	}
	return s, nil
}

// add takes a duplicate of f, which is closed on exec and does not block.
func (s *Sockets) add(f *os.File, p Ports) error {
	kind, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return err
	}
	if kind == unix.SOCK_DGRAM {
		return s.addPacket(f, p)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return fmt.Errorf("%s is no TCP listener", l.Addr())
	}
	switch port(tcp.Addr()) {
	case p.DNS:
		s.DNSStream = append(s.DNSStream, tcp)
	case p.Proxy:
		s.Proxy = append(s.Proxy, tcp)
	default:
		s.Transparent = append(s.Transparent, tcp)
	}
	return nil
}

func (s *Sockets) addPacket(f *os.File, p Ports) error {
	c, err := net.FilePacketConn(f)
	if err != nil {
		return err
	}
	udp, ok := c.(*net.UDPConn)
	if !ok || port(udp.LocalAddr()) != p.DNS {
		c.Close()
		return fmt.Errorf("%s is no UDP socket on the name service's port %d", c.LocalAddr(), p.DNS)
	}
	s.DNS = append(s.DNS, udp)
	return nil
}

func (s *Sockets) missing() string {
	var names []string
	for name, n := range map[string]int{
		"name service over UDP": len(s.DNS), "name service over TCP": len(s.DNSStream),
		"proxy requests": len(s.Proxy), "redirected connections": len(s.Transparent),
	} {
		if n == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (s *Sockets) streams() []*net.TCPListener {
	return slices.Concat(s.DNSStream, s.Proxy, s.Transparent)
}

// Close closes the gate's own descriptors; systemd keeps the sockets, and connections wait in them.
func (s *Sockets) Close() {
	for _, l := range s.streams() {
		l.Close()
	}
	for _, c := range s.DNS {
		c.Close()
	}
}

func port(a net.Addr) uint16 { return address(a).Port() }

// address is the zero AddrPort where there is none.
func address(a net.Addr) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
