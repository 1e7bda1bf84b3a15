package outgoing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"fleet/schemas/policy"
)

// maxAnswer bounds the head of an upstream proxy's answer.
const maxAnswer = 8 << 10

// through connects by the upstream proxy, to the checked addresses one after the other, or to the name.
func (d *Dialer) through(ctx context.Context, up *policy.Upstream, t *Target) (*net.TCPConn, error) {
	hosts := []string{t.Host}
	if !up.Resolves {
		hosts = hosts[:0]
		for _, a := range t.Addrs {
			hosts = append(hosts, a.String())
		}
	}
	var last error
	for _, host := range hosts {
		c, err := d.connect(ctx, up, net.JoinHostPort(host, strconv.Itoa(int(t.Port))))
		if err == nil {
			return c, nil
		}
		last = fmt.Errorf("upstream proxy: %w", cause(err))
	}
	return nil, last
}

// connect makes a tunnel to target, by an address of the upstream that nobody but the operator chose.
func (d *Dialer) connect(ctx context.Context, up *policy.Upstream, target string) (*net.TCPConn, error) {
	addrs, _, err := d.addresses(ctx, up.Host)
	if err != nil {
		return nil, errors.New(reason(err))
	}
	if len(addrs) == 0 {
		return nil, errors.New("has no address")
	}
	c, err := first(ctx, addrs[:min(len(addrs), maxAddrs)], uint16(up.Port))
	if err != nil {
		return nil, err
	}
	if err := handshake(ctx, c, target); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func handshake(ctx context.Context, c *net.TCPConn, target string) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target); err != nil {
		return err
	}
	// Byte by byte, since what comes after the head is the host's.
	var head []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, b...) {
		if len(head) >= maxAnswer {
			return errors.New("its answer is too long")
		}
		if _, err := c.Read(b); err != nil {
			return err
		}
	}
	line, _, _ := strings.Cut(string(head), "\r\n")
	if version, rest, _ := strings.Cut(line, " "); !strings.HasPrefix(version, "HTTP/1.") || !strings.HasPrefix(rest, "200") {
		return fmt.Errorf("it answers %.60q", line)
	}
	return c.SetDeadline(time.Time{})
}
