package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fleet/schemas/policy"
)

// Addresses that nobody has: TEST-NET-1 (RFC 5737) and the documentation prefix of RFC 3849; and the link-local address
// at which clouds keep credentials.
const (
	nobody4  = policy.DeniedAddr
	nobody6  = "2001:db8::1"
	metadata = "169.254.169.254"
)

func network(o Options) []attempt {
	list := []attempt{
		{"TCP to the internet", dial("tcp4", net.JoinHostPort(nobody4, "443"))},
		{"HTTP to the internet", dial("tcp4", net.JoinHostPort(nobody4, "80"))},
		{"TCP by IPv6", dial("tcp6", net.JoinHostPort(nobody6, "443"))},
		{"UDP to the internet", send("udp4", net.JoinHostPort(nobody4, "443"))},
		{"UDP by IPv6", send("udp6", net.JoinHostPort(nobody6, "443"))},
		{"UDP multicast", send("udp4", "224.0.0.251:5353")},
		{"DNS by an outside server", lookup(net.JoinHostPort(nobody4, "53"))},
		{"DNS by its own server", lookup("")},
		{"ICMP echo", ping},
		{"a host that is not listed", get("http://"+policy.DeniedName+"/", 3*replyTime)},
	}
	if o.Unlisted != "" {
		list = append(list, attempt{"an unlisted web server", get("http://"+o.Unlisted+"/", 3*replyTime)})
	}
	if o.Shared { // elsewhere the gate takes every address alike
		list = append(list, attempt{"DNS by the host's resolver", lookup("127.0.0.53:53")},
			attempt{"TCP to the metadata address", dial("tcp4", net.JoinHostPort(metadata, "80"))},
			attempt{"TCP to the host's SSH server", dial("tcp4", "127.0.0.1:22")})
	}
	return list
}

// way are attempts that must succeed: a contained agent is of use only where what is listed can be reached. The gate
// answers itself, so that they need no internet.
func way(o Options) []attempt {
	out := []attempt{{"a host that is listed", get("http://"+policy.SelfName+"/", startTime)}}
	if o.Listed != "" {
		out = append(out, attempt{"a listed web server", get("http://"+o.Listed+"/", startTime)})
	}
	return out
}

// startTime is for a gate that has to be started on a busy host.
const startTime = 20 * time.Second

// deniedHeader is what a gate says in a refusal.
const deniedHeader = "X-Fleet-Deny"

// dial connects and sends a request. A connection that only the gate took is none: it answers with a refusal, or ends
// it without an answer.
func dial(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, replyTime)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(replyTime)); err != nil {
			return err
		}
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: " + strings.TrimSuffix(address, ":80") + "\r\n\r\n")); err != nil {
			return err
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("the gate ended the connection")
		case err != nil:
			return err
		}
		return refused(r)
	}
}

// get asks for a page, without regard to a proxy in the environment.
func get(url string, limit time.Duration) func() error {
	return func() error {
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: limit}
		r, err := c.Get(url)
		if err != nil {
			return err
		}
		return refused(r)
	}
}

// refused is the gate's refusal as an error, and nil for any other answer.
func refused(r *http.Response) error {
	r.Body.Close()
	if why := r.Header.Get(deniedHeader); why != "" {
		return fmt.Errorf("the gate refused: %d %q", r.StatusCode, why)
	}
	return nil
}

// send reports the kernel's answer to a datagram: one that leaves is sent without an error, and one that nobody takes on
// this machine gets an error by the time of the second.
func send(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, replyTime)
		if err != nil {
			return err
		}
		defer c.Close()
		for range 2 {
			if _, err := c.Write([]byte("fleet containment probe")); err != nil {
				return err
			}
		}
		return nil
	}
}

// lookup asks a name server, the system's where server is "", for a name that no rule can allow.
func lookup(server string) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*replyTime)
		defer cancel()
		r := &net.Resolver{PreferGo: true}
		if server != "" {
			r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, server)
			}
		}
		_, err := r.LookupHost(ctx, policy.DeniedName+".")
		return err
	}
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
