package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"sync"
	"sync/atomic"

	"fleet/cmd/fleet-gate/internal/budget"
	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
)

// source is where a body comes from. All functions but halt may be nil.
type source struct {
	io.Reader                    // io.EOF is the body's end, another error an end too early
	first     func() error       // before the first read
	more      func()             // gives the agent time for further bytes
	halt      func()             // has a read that waits end
	trailer   func() http.Header // behind the end
}

// body is a request's body. The transport reads it in another goroutine, perhaps after the answer has come.
type body struct {
	from    source
	trailer http.Header // of the request that goes out: its names, and at the end their values
	n       atomic.Int64
	meter   *budget.Meter

	// By the host: something at all, and 100 Continue. The transport reads a body also for a host that has refused it,
	// to keep the connection.
	answered, wanted atomic.Bool

	early *ahead // what was read before the request goes out; nil: nothing

	reading sync.Mutex // held by whoever reads: the transport of HTTP/2 closes a body also while it does

	mu      sync.Mutex
	begun   bool
	eof     bool
	stopped bool
	fault   error         // why it was not read to its end
	closed  chan struct{} // nobody reads any more; nil where there is no body
	once    sync.Once
}

// newBody makes a body; without a source it is empty.
func newBody(from *source) *body {
	if from == nil {
		return &body{eof: true}
	}
	return &body{from: *from, closed: make(chan struct{})}
}

func (b *body) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	select {
	case <-b.closed:
		return 0, errStopped
	default:
	}
	if b.ended() {
		return 0, io.EOF
	}
	if err := b.more(); err != nil {
		return 0, err
	}
	n, err := b.from.Read(p)
	if may := b.meter.Take(n); may < n {
		n, err = may, b.meter.Refusal()
	}
	b.n.Add(int64(n))
	if err != nil {
		b.end(err)
	}
	return n, err
}

func (b *body) end(err error) {
	if errors.Is(err, io.EOF) && b.from.trailer != nil {
		got := b.from.trailer()
		for name := range b.trailer {
			b.trailer[name] = got[name]
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(err, io.EOF) {
		b.eof = true
	} else {
		b.fault = err
	}
}

var errStopped = errors.New("the answer came first")

// more prepares a read, unless the exchange is over.
func (b *body) more() error {
	if !b.begun {
		b.begun = true
		if b.from.first != nil {
			if b.answered.Load() && !b.wanted.Load() {
				return errStopped
			}
			if err := b.from.first(); err != nil {
				return err
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return errStopped
	}
	if b.from.more != nil {
		b.from.more()
	}
	return nil
}

// stop has whoever reads the body end: the host has answered without it.
func (b *body) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.from.halt != nil {
		b.from.halt()
	}
}

// Close tells that nobody reads any more.
func (b *body) Close() error {
	if b.closed != nil {
		b.once.Do(func() { close(b.closed) })
	}
	return nil
}

// wait waits until nobody reads any more: the session's reader may be used again, and n is right.
func (b *body) wait() {
	if b.closed == nil {
		return
	}
	<-b.closed
	b.reading.Lock() // of the last one
	defer b.reading.Unlock()
	b.settle()
}

// ended tells whether all of the body was read.
func (b *body) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.eof
}

// refusal is why the gate did not read the body to its end, nil where it did or could not.
func (b *body) refusal() *judge.Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	var r *judge.Refusal
	var malformed *head.Error
	switch {
	case errors.As(b.fault, &r):
		return r
	case errors.As(b.fault, &malformed):
		return &judge.Refusal{Reason: judge.Malformed, Text: malformed.Text}
	}
	return nil
}

// announced are the names of a trailer that may be passed on; nil where there are none.
func announced(names []string) http.Header {
	h := make(http.Header, len(names))
	for _, name := range names {
		h[textproto.CanonicalMIMEHeaderKey(name)] = nil
	}
	head.Strip(h)
	if len(h) == 0 {
		return nil
	}
	return h
}

// exact reads so many bytes and no less.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(b[:min(int64(len(b)), e.left)])
	e.left -= int64(n)
	switch {
	case e.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}
