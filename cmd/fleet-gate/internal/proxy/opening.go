package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"fleet/cmd/fleet-gate/internal/hello"
	"fleet/schemas/policy"
)

// openTime is how long a host has for the first byte of its answer to a ClientHello.
const openTime = time.Minute

// opening is the begin of a TLS connection that is not inspected. A host may ask for a second ClientHello and then acts
// on the name in that one, so that no byte behind the first is sent on before the host has answered it. Nobody waits
// longer for that: a host answers a ClientHello before anything else, RFC 8446 section 2.
type opening struct {
	s    *session
	q    policy.Request
	seen []byte // what was read of the client
	size int    // of its ClientHello
}

// opened is what an opening has moved.
type opened struct {
	up, down int64
	left     []byte // of what was read of the client, to be sent on
}

// run lets ClientHello and answer through. The error is a *judge.Refusal where a second ClientHello is not that of the
// target, else that of a connection.
func (o *opening) run(server *net.TCPConn) (done opened, err error) {
	client := o.s.raw
	_ = client.SetWriteDeadline(time.Now().Add(headTime))
	_ = server.SetDeadline(time.Now().Add(openTime))
	n, err := server.Write(o.seen[:o.size])
	if done.up = int64(n); err != nil {
		return done, err
	}
	first, again, err := hello.Answer(server)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // the tunnel passes the end on
	}
	if err != nil {
		return done, err
	}
	n, err = client.Write(first)
	if done.down = int64(n); err != nil {
		return done, err
	}
	done.left = o.seen[o.size:]
	if again {
		err = o.second(server, &done)
	}
	if err != nil {
		return done, err
	}
	return done, server.SetDeadline(time.Time{})
}

// second lets a second ClientHello through, which must be for the same host.
func (o *opening) second(server *net.TCPConn, done *opened) error {
	_ = o.s.raw.SetReadDeadline(time.Now().Add(headTime))
	// Large enough that all of left is in its buffer as soon as anything is.
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(done.left), o.s.r), len(done.left)+readBuffer)
	counted := &counter{Writer: server}
	err := hello.Skip(counted, in)
	done.up += counted.n
	if err != nil {
		return err
	}
	h, seen, err := hello.Read(in)
	if err != nil && !errors.Is(err, hello.ErrNotTLS) {
		return err
	}
	if _, _, r := o.s.checkHello(h, err, o.q); r != nil {
		return r
	}
	rest, _ := in.Peek(in.Buffered())
	done.left = slices.Concat(seen, rest)
	return nil
}

type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += int64(n)
	return n, err
}
