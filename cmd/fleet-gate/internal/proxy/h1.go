package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fleet/cmd/fleet-gate/internal/head"
)

// h1 is an agent that asks by HTTP/1.
type h1 struct {
	s     *session
	req   *head.Request
	b     *body
	again bool // the connection can have another request

	// Interim answers come from other goroutines, until there is a final one.
	mu    sync.Mutex
	final bool

	w      *bufio.Writer
	chunks io.WriteCloser // nil where the body has a length
	open   bool           // only the end of the connection ends the body
}

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, writeBuffer) }}

func newH1(s *session, req *head.Request) *h1 {
	a := &h1{s: s, req: req}
	a.again = req.Minor == 1 && !contains(head.Tokens(req.Header, "Connection"), "close") &&
		!contains(head.Tokens(req.Header, "Proxy-Connection"), "close")
	a.b = newBody(a.source())
	return a
}

func (a *h1) source() *source {
	from := &source{
		more: func() { _ = a.s.c.SetReadDeadline(time.Now().Add(bodyTime)) },
		halt: func() { _ = a.s.c.SetReadDeadline(time.Unix(1, 0)) },
	}
	if expects(a.req) {
		from.first = a.goOn
	}
	switch a.req.Length {
	case 0:
		return nil
	case head.Chunked:
		c := head.NewChunks(a.s.r)
		from.Reader, from.trailer = c, func() http.Header { return c.Trailer }
	default:
		from.Reader = &exact{a.s.r, a.req.Length}
	}
	return from
}

func (a *h1) content() *body { return a.b }

// goOn asks the agent for the body.
func (a *h1) goOn() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.final {
		return errStopped
	}
	_ = a.s.c.SetWriteDeadline(time.Now().Add(headTime))
	_, err := io.WriteString(a.s.c, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

func (a *h1) interim(code int, h http.Header) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.final || a.req.Minor == 0 {
		return nil
	}
	w := bufio.NewWriter(a.s.c)
	_ = a.s.c.SetWriteDeadline(time.Now().Add(headTime))
	if err := writeHead(w, code, h); err != nil {
		return err
	}
	return w.Flush()
}

func (a *h1) finalize() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.final = true
}

func (a *h1) begin(x *answer) error {
	a.finalize()
	a.again = a.again && a.b.ended()
	h, chunked := x.header, false
	switch {
	case x.none:
	case a.req.Minor == 1 && (x.length < 0 || len(x.trailer) > 0):
		chunked = true
		delete(h, "Content-Length")
		h["Transfer-Encoding"] = []string{"chunked"}
		if len(x.trailer) > 0 {
			h["Trailer"] = []string{strings.Join(keys(x.trailer), ", ")}
		}
	case x.length < 0:
		a.again, a.open = false, true
	}
	if !a.again {
		h["Connection"] = []string{"close"}
	}
	a.w = writers.Get().(*bufio.Writer)
	a.w.Reset(a.s.c)
	if chunked {
		a.chunks = httputil.NewChunkedWriter(a.w)
	}
	return writeHead(a.w, x.code, h)
}

func keys(h http.Header) []string {
	out := make([]string, 0, len(h))
	for name := range h {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func writeHead(w *bufio.Writer, code int, h http.Header) error {
	if _, err := w.WriteString("HTTP/1.1 " + strconv.Itoa(code) + " " + http.StatusText(code) + "\r\n"); err != nil {
		return err
	}
	if err := h.Write(w); err != nil {
		return err
	}
	_, err := w.WriteString("\r\n")
	return err
}

func (a *h1) Write(p []byte) (int, error) {
	if a.w.Available() < len(p) {
		_ = a.s.c.SetWriteDeadline(time.Now().Add(bodyTime))
	}
	if a.chunks != nil {
		return a.chunks.Write(p)
	}
	return a.w.Write(p)
}

func (a *h1) Flush() error {
	_ = a.s.c.SetWriteDeadline(time.Now().Add(bodyTime))
	return a.w.Flush()
}

func (a *h1) finish(trailer http.Header) error {
	if a.chunks != nil {
		if err := a.chunks.Close(); err != nil {
			return err
		}
		if err := trailer.Write(a.w); err != nil {
			return err
		}
		if _, err := a.w.WriteString("\r\n"); err != nil {
			return err
		}
	}
	return a.Flush()
}

// release gives the writer back.
func (a *h1) release() {
	if a.w != nil {
		a.w.Reset(nil)
		writers.Put(a.w)
		a.w = nil
	}
}

func (a *h1) say(code int, reason, text string) (again bool) {
	a.finalize()
	again = a.again && a.b.ended()
	err := a.s.answer(code, reason, text, !again, a.req.Method != http.MethodHead)
	if err == nil && !again {
		a.s.linger()
	}
	return again && err == nil
}

func (a *h1) leave() {
	a.again = false
	_ = a.s.c.CloseWrite()
}

func (a *h1) left() { a.s.linger() }

func (a *h1) cut() {
	if a.open {
		_ = a.s.raw.SetLinger(0) // a reset, which is no end
	}
	a.s.raw.Close()
}

func (a *h1) upgrade(h http.Header) (stream, error) {
	a.finalize()
	a.again = false
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	w := bufio.NewWriter(a.s.c)
	if err := writeHead(w, http.StatusSwitchingProtocols, h); err != nil {
		return nil, err
	}
	_ = a.s.c.SetWriteDeadline(time.Now().Add(headTime))
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return &joined{a.s.c, a.s.r}, a.s.c.SetDeadline(time.Time{})
}

// joined is a connection of which some bytes have been read already.
type joined struct {
	conn
	r *bufio.Reader
}

func (j *joined) Read(b []byte) (int, error) { return j.r.Read(b) }

var errUnasked = errors.New("the host changes the protocol unasked")
