package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
)

const (
	// maxStreams is how many requests a connection of an agent may have at once, RFC 9113 section 6.5.2 proposes 100.
	maxStreams = 100

	// uploadStream and uploadConn bound what an agent may send that a host does not take.
	uploadStream = 512 << 10
	uploadConn   = 2 << 20

	// maxFrame is the largest frame that an agent may send.
	maxFrame = 64 << 10
)

// serveH2 serves a connection of HTTP/2 until it ends.
func (s *session) serveH2(t *tls.Conn) {
	var streams sync.WaitGroup
	closed := make(chan struct{})
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			streams.Add(1)
			defer streams.Done()
			s.serveStream(w, r)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(closed)
			}
		},
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxFrame, WriteByteTimeout: bodyTime,
			MaxReceiveBufferPerConnection: uploadConn, MaxReceiveBufferPerStream: uploadStream,
		},
		IdleTimeout: keepAlive, MaxHeaderBytes: head.MaxBytes, ErrorLog: log.New(io.Discard, "", 0),
	}
	_ = server.Serve(&single{t: t}) // ends at once, since no other connection comes
	<-closed
	streams.Wait()
	s.end()
}

// single is a listener of one connection.
type single struct{ t *tls.Conn }

// Accept returns the connection once.
func (l *single) Accept() (net.Conn, error) {
	if l.t == nil {
		return nil, io.EOF
	}
	t := l.t
	l.t = nil
	return t, nil
}

// Close leaves the connection open.
func (l *single) Close() error { return nil }

// Addr is that of the gate's end.
func (l *single) Addr() net.Addr { return new(net.TCPAddr) }

// serveStream serves one request.
func (s *session) serveStream(w http.ResponseWriter, r *http.Request) {
	a := newH2(w, r)
	defer a.over()
	req, err := a.request()
	if err != nil {
		s.malformedStream(a, err)
		return
	}
	if !s.serve(req, a) {
		panic(http.ErrAbortHandler) // resets the stream
	}
}

func (s *session) malformedStream(a *h2, err *head.Error) {
	r := &judge.Refusal{Reason: judge.Malformed, Text: err.Text}
	s.p.Judge.Case(s.n, s.nowhere()).Deny(r)
	a.say(err.Status, r.Reason, refusalText(r))
}

// h2 is an agent that asks by a stream of HTTP/2.
type h2 struct {
	w http.ResponseWriter
	r *http.Request
	b *body

	mu    sync.Mutex
	final bool // interim answers are too late

	// Apart, since whoever holds mu may wait for the agent to read.
	life  sync.Mutex
	ended bool // w must not be used any more
}

func newH2(w http.ResponseWriter, r *http.Request) *h2 {
	a := &h2{w: w, r: r, b: newBody(nil)}
	if r.ContentLength != 0 {
		a.b = newBody(&source{
			Reader: r.Body, halt: func() { r.Body.Close() }, trailer: func() http.Header { return r.Trailer },
		})
	}
	return a
}

// request is the head of the stream. What HTTP/2 itself forbids has been refused before.
func (a *h2) request() (*head.Request, *head.Error) {
	r := a.r
	lengths := r.Header["Content-Length"]
	switch {
	case r.TLS == nil:
		return nil, &head.Error{Status: http.StatusBadRequest, Text: ":scheme must be https"}
	case len(r.Header) > head.MaxFields:
		return nil, &head.Error{Status: http.StatusRequestHeaderFieldsTooLarge, Text: "the head must have at most 200 fields"}
	case len(lengths) > 1 || len(lengths) == 1 && lengths[0] != strconv.FormatInt(r.ContentLength, 10):
		return nil, &head.Error{Status: http.StatusBadRequest, Text: "Content-Length must be that of the body"}
	}
	if r.ContentLength != 0 && len(r.Trailer) > 0 {
		r.Header["Trailer"] = keys(r.Trailer)
	}
	return &head.Request{
		Method: r.Method, Target: r.RequestURI, Minor: 1, Host: r.Host, Header: r.Header, Length: r.ContentLength,
	}, nil
}

func (a *h2) content() *body { return a.b }

func (a *h2) watch(gone func()) (stop func()) {
	cancel := context.AfterFunc(a.r.Context(), gone)
	return func() { cancel() }
}

func (a *h2) interim(code int, h http.Header) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.final {
		return nil
	}
	to := a.w.Header()
	clear(to)
	for name, values := range h {
		to[name] = values
	}
	a.w.WriteHeader(code)
	clear(to)
	return nil
}

func (a *h2) begin(x *answer) error {
	a.finalize()
	to := a.w.Header()
	for name, values := range x.header {
		to[name] = values
	}
	if x.none && x.code == http.StatusNotModified {
		delete(to, "Content-Length") // Go's client would wait for the body
	}
	for _, name := range []string{"Content-Type", "Date"} {
		if to[name] == nil {
			to[name] = nil // is there and empty, so that none is made up
		}
	}
	if len(x.trailer) > 0 {
		to["Trailer"] = keys(x.trailer)
	}
	a.w.WriteHeader(x.code)
	return nil
}

func (a *h2) Write(p []byte) (int, error) { return a.w.Write(p) }

func (a *h2) Flush() error { return http.NewResponseController(a.w).Flush() }

func (a *h2) finish(trailer http.Header) error {
	to := a.w.Header()
	for name, values := range trailer {
		to[http.TrailerPrefix+name] = values
	}
	return nil
}

var errNoUpgrade = errors.New("HTTP/2 has no upgrade")

func (a *h2) upgrade(http.Header) (stream, error) { return nil, errNoUpgrade }

func (a *h2) say(code int, reason, text string) (again bool) {
	a.finalize()
	h := a.w.Header()
	h["Content-Type"], h["Content-Length"] = []string{"text/plain; charset=utf-8"}, []string{strconv.Itoa(len(text))}
	if reason != "" {
		h["X-Fleet-Deny"], h["X-Content-Type-Options"] = []string{reason}, []string{"nosniff"}
	}
	a.w.WriteHeader(code)
	_, err := io.WriteString(a.w, text)
	return err == nil
}

// What is left of a body when the handler ends is told to the agent by the library.
func (a *h2) leave() {}
func (a *h2) left()  {}

// cut resets the stream, also while it waits for the agent to read.
func (a *h2) cut() {
	a.life.Lock()
	defer a.life.Unlock()
	if !a.ended {
		_ = http.NewResponseController(a.w).SetWriteDeadline(time.Unix(1, 0))
	}
}

func (a *h2) over() {
	a.finalize()
	a.life.Lock()
	defer a.life.Unlock()
	a.ended = true
}

func (a *h2) finalize() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.final = true
}
