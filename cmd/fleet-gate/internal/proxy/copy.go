package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

const (
	// smallCopy is less than the writer's buffer, so that head and first part go out together. largeCopy is used while
	// much comes: a stream over which nothing goes holds a small one.
	smallCopy = 8 << 10
	largeCopy = 64 << 10

	// hugeCopy is used while more comes than that. Each part wakes the agent's program, and on two cores parts of 64 KiB
	// cost a stream a fifth of its speed. maxHuge streams at once may have such buffers, one here and two in the wires.
	hugeCopy = 512 << 10
	maxHuge  = 16

	// headDelay is how long the head of an answer without a length waits for the first part of its body.
	headDelay = time.Millisecond
)

var (
	smallCopies, largeCopies, hugeCopies = buffers(smallCopy), buffers(largeCopy), buffers(hugeCopy)

	huge = make(chan struct{}, maxHuge)
)

func buffers(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, size); return &b }}
}

// copyBody sends an answer's body on, each part as soon as it comes: events must not wait for later ones.
func (x *exchange) copyBody(resp *http.Response) error {
	from := x.host
	if resp.ProtoMajor != 1 {
		from = nil // others use the connection too
	}
	begun := x.hurry(resp.ContentLength)
	pool := smallCopies
	defer func() { x.choose(pool, 0) }()
	for {
		buf := pool.Get().(*[]byte)
		n, err := read(resp.Body, from, *buf)
		begun()
		end, failed := x.send((*buf)[:n], err, resp)
		pool.Put(buf)
		if end || failed != nil {
			return failed
		}
		pool = x.choose(pool, n)
	}
}

// choose returns the buffers for the next part behind one of n bytes, for which there was one of had.
func (x *exchange) choose(had *sync.Pool, n int) *sync.Pool {
	switch {
	case had == hugeCopies && n >= smallCopy:
		return had // a record or two are the rest of what was read at once
	case had == hugeCopies:
		x.host.flood(false)
		<-huge
	case n >= largeCopy:
		select {
		case huge <- struct{}{}:
			x.host.flood(true)
			return hugeCopies
		default:
		}
	}
	if n < smallCopy {
		return smallCopies
	}
	return largeCopies
}

// read reads a part, and more as long as there is more in the gate already.
func read(body io.Reader, from *wire, buf []byte) (n int, err error) {
	for {
		got, err := body.Read(buf[n:])
		n += got
		if n == 0 && err == nil {
			continue
		}
		if err != nil || n == len(buf) || !from.pending() {
			return n, err
		}
	}
}

func (x *exchange) send(part []byte, read error, resp *http.Response) (end bool, err error) {
	x.down.Add(int64(len(part)))
	if len(part) > 0 {
		if _, err := x.a.Write(part); err != nil {
			return true, err
		}
	}
	if errors.Is(read, io.EOF) {
		x.use.Header(resp.Trailer)
		return true, x.a.finish(resp.Trailer)
	}
	return false, errors.Join(x.a.Flush(), read)
}

// hurry sends the head alone where no part of the body comes soon. Whoever has one calls begun before it is written.
func (x *exchange) hurry(length int64) (begun func()) {
	if length >= 0 {
		return func() {}
	}
	var mu sync.Mutex
	late := false
	timer := time.AfterFunc(headDelay, func() {
		mu.Lock()
		defer mu.Unlock()
		if !late {
			_ = x.a.Flush() // the next one fails too
		}
	})
	return func() {
		if !late {
			timer.Stop()
			mu.Lock()
			late = true
			mu.Unlock()
		}
	}
}

// connected notes the connection that the request goes out by.
func (x *exchange) connected(info httptrace.GotConnInfo) {
	c := info.Conn
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if w, ok := c.(*watched); ok {
		x.host = &w.wire
	}
}
