package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"fleet/cmd/fleet-gate/internal/head"
)

// maxTrailer bounds the trailer of a chunked request, which is read and not passed on.
const maxTrailer = 8 << 10

// body is a request's body. The transport reads it in another goroutine, perhaps after the answer has come.
type body struct {
	s       *session
	r       io.Reader
	chunked bool
	expects bool // the agent waits for 100 Continue
	n       int64

	mu      sync.Mutex
	eof     bool
	stopped bool
	closed  chan struct{} // nobody reads any more; nil where there is no body
	once    sync.Once
}

func newBody(s *session, req *head.Request) *body {
	b := &body{s: s, expects: req.Minor == 1 && contains(head.Tokens(req.Header, "Expect"), "100-continue")}
	switch req.Length {
	case 0:
		b.eof = true
		return b
	case head.Chunked:
		b.r, b.chunked = httputil.NewChunkedReader(s.r), true
	default:
		b.r = &exact{s.r, req.Length}
	}
	b.closed = make(chan struct{})
	return b
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

func (b *body) Read(p []byte) (int, error) {
	if b.ended() {
		return 0, io.EOF
	}
	if b.expects {
		b.expects = false
		_ = b.s.c.SetWriteDeadline(time.Now().Add(headTime))
		if _, err := io.WriteString(b.s.c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return 0, err
		}
	}
	if !b.more() {
		return 0, errStopped
	}
	n, err := b.r.Read(p)
	b.n += int64(n)
	if errors.Is(err, io.EOF) {
		if b.chunked {
			if err := b.trailer(); err != nil {
				return n, err
			}
		}
		b.mu.Lock()
		b.eof = true
		b.mu.Unlock()
	}
	return n, err
}

var errStopped = errors.New("the answer came first")

// more gives the agent time for further bytes, unless the exchange is over.
func (b *body) more() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		_ = b.s.c.SetReadDeadline(time.Now().Add(bodyTime))
	}
	return !b.stopped
}

// stop has whoever reads the body end: the host has answered without it.
func (b *body) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	_ = b.s.c.SetReadDeadline(time.Unix(1, 0))
}

// trailer reads to the empty line behind the last chunk.
func (b *body) trailer() error {
	for left := maxTrailer; ; {
		line, err := b.s.r.ReadSlice('\n')
		if err != nil {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		if left -= len(line); left < 0 || len(line) < 2 || line[len(line)-2] != '\r' {
			return errors.New("malformed trailer")
		}
		if len(line) == 2 {
			return nil
		}
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
	if b.closed != nil {
		<-b.closed
	}
}

// ended tells whether all of the body was read.
func (b *body) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.eof
}

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, writeBuffer) }}

// copyBody sends an answer's body on, each part as soon as it comes: events must not wait for later ones.
func (x *exchange) copyBody(w *bufio.Writer, resp *http.Response, chunked bool) error {
	var to io.Writer = w
	var chunks io.WriteCloser
	if chunked {
		chunks = httputil.NewChunkedWriter(w)
		to = chunks
	}
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := resp.Body.Read(buf[:])
		x.down += int64(n)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, x.s.flush(w))
		}
		if err := x.s.flush(w); err != nil {
			return err
		}
	}
	if chunked {
		if err := chunks.Close(); err != nil {
			return err
		}
		if err := resp.Trailer.Write(w); err != nil {
			return err
		}
		if _, err := w.WriteString("\r\n"); err != nil {
			return err
		}
	}
	return x.s.flush(w)
}

// copyBuffer is smaller than the writer's, so that head and first part go out together.
const copyBuffer = 8 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}
