package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// reader waits for bytes without a buffer and takes one when there are some.
type reader struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // r.once, bound a single time

	buf *[bufferSize]byte
	n   int
	err error
}

func newReader(c *net.TCPConn) (*reader, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &reader{raw: raw}
	r.try = r.once
	return r, nil
}

// read gives a buffer with n bytes, which the caller puts back, or an error; io.EOF is the connection's end.
func (r *reader) read() (buf *[bufferSize]byte, n int, err error) {
	if err := r.raw.Read(r.try); err != nil {
		return nil, 0, err
	}
	if r.err == nil && r.n == 0 {
		r.err = io.EOF
	}
	if r.err != nil {
		buffers.Put(r.buf)
		return nil, 0, r.err
	}
	return r.buf, r.n, nil
}

// once reads if there are bytes, and else has itself called again when there are some.
func (r *reader) once(fd uintptr) bool {
	r.buf = buffers.Get().(*[bufferSize]byte)
	for {
		r.n, r.err = syscall.Read(int(fd), r.buf[:])
		if !errors.Is(r.err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(r.err, syscall.EAGAIN) {
		buffers.Put(r.buf)
		return false
	}
	return true
}
