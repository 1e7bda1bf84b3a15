package probe

import (
	"context"
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Addresses that nobody has: TEST-NET-1 (RFC 5737) and the documentation prefix of RFC 3849; and the link-local address
// at which clouds keep credentials.
const (
	nobody4  = "192.0.2.1"
	nobody6  = "2001:db8::1"
	metadata = "169.254.169.254"
)

func network(o Options) []attempt {
	list := []attempt{
		{"TCP to the internet", dial("tcp4", net.JoinHostPort(nobody4, "443"))},
		{"TCP by IPv6", dial("tcp6", net.JoinHostPort(nobody6, "443"))},
		{"TCP to the metadata address", dial("tcp4", net.JoinHostPort(metadata, "80"))},
		{"UDP to the internet", send("udp4", net.JoinHostPort(nobody4, "443"))},
		{"UDP by IPv6", send("udp6", net.JoinHostPort(nobody6, "443"))},
		{"UDP multicast", send("udp4", "224.0.0.251:5353")},
		{"DNS to an outside server", send("udp4", net.JoinHostPort(nobody4, "53"))},
		{"DNS by the system's resolver", lookup},
		{"ICMP echo", ping},
	}
	if o.Shared {
		list = append(list, attempt{"UDP to the host's resolver", send("udp4", "127.0.0.53:53")},
			attempt{"TCP to the host's SSH server", dial("tcp4", "127.0.0.1:22")})
	}
	return list
}

func dial(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, replyTime)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// send reports the kernel's answer to a datagram: one that leaves is sent without an error.
func send(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, replyTime)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("fleet containment probe"))
		return err
	}
}

func lookup() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*replyTime)
	defer cancel()
	_, err := (&net.Resolver{PreferGo: true}).LookupHost(ctx, "probe.example.com")
	var d *net.DNSError
	if errors.As(err, &d) && d.IsTimeout {
		// The resolver asks an address on which nobody answers; what counts is whether a packet left, and the attempts
		// at datagrams tell.
		return errors.New("no answer")
	}
	return err
}

func ping() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	echo := []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}
	return unix.Sendto(fd, echo, 0, &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}})
}

// isSilence reports whether err is a missing answer: then a packet may have left.
func isSilence(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
