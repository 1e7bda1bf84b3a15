// Package web serves the streamable HTTP of MCP to one agent, on sockets that only this agent reaches. Against web pages in
// a browser of the agent's, whose requests come from there too, it takes requests by loopback names only and none that a
// page of another origin sends.
package web

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Path is where MCP is.
const Path = "/mcp"

const (
	headerTime, bodyTime = 10 * time.Second, 30 * time.Second
	keepAlive            = 30 * time.Second // then it may end when it is idle
	maxHeader            = 32 << 10

	// heldMessages are the messages whose bytes all requests of the agent may have together.
	heldMessages = 4
)

// Server serves an agent.
type Server struct {
	handler  http.Handler
	sessions *sessions
	max      int64 // bytes of a message
	held     atomic.Int64
}

// New makes a server of messages of at most max bytes.
func New(of *mcp.Server, max int) *Server {
	s := &Server{sessions: newSessions(func(id string) { end(of, id) }), max: int64(max)}
	server := func(*http.Request) *mcp.Server { return of }
	s.handler = mcp.NewStreamableHTTPHandler(server, &mcp.StreamableHTTPOptions{MaxRequestBodyBytes: s.max})
	return s
}

// end ends the session with an identifier, if there is one.
func end(of *mcp.Server, id string) {
	for ss := range of.Sessions() {
		if ss.ID() == id {
			go ss.Close() //nolint:errcheck // it waits for what is open
		}
	}
}

// Sessions is how many sessions are kept for the agent.
func (s *Server) Sessions() int { return s.sessions.count() }

// Serve serves what a listener takes, until it is closed.
func (s *Server) Serve(l net.Listener) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTime, IdleTimeout: keepAlive, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0), // it tells of clients that break off, in their words
	}
	if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// ServeHTTP serves a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status, text := judge(r); status != 0 {
		http.Error(w, text, status)
		return
	}
	if r.Method == http.MethodPost {
		size := s.hold(r)
		if size < 0 {
			http.Error(w, "too much is open; wait for answers", http.StatusServiceUnavailable)
			return
		}
		defer s.held.Add(-size)
		if !s.read(w, r) {
			return
		}
	}
	s.sessions.serve(w, r, s.handler)
}

// judge tells with which status and words a request is refused; 0 is none.
func judge(r *http.Request) (status int, text string) {
	switch {
	case r.URL.Path != Path:
		return http.StatusNotFound, "MCP is at " + Path
	case !loopback(r.Host):
		return http.StatusForbidden, "the host must be localhost or a loopback address"
	case !sameOrigin(r):
		return http.StatusForbidden, "requests of web pages from elsewhere are not taken"
	}
	return 0, ""
}

// loopback tells whether a host, with or without port, is this machine under a name that no name server decides on.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() && a.Zone() == ""
}

// sameOrigin tells whether a request is of no web page, or of one that came from here.
func sameOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		site := r.Header.Get("Sec-Fetch-Site")
		return site == "" || site == "same-origin" || site == "none"
	}
	u, err := url.Parse(origins[0])
	return len(origins) == 1 && err == nil && u.Scheme == "http" && u.Host == r.Host
}

// hold takes the room for a request's body; less than 0 where there is none.
func (s *Server) hold(r *http.Request) int64 {
	size := r.ContentLength
	if size < 0 || size > s.max {
		size = s.max
	}
	if s.held.Add(size) > heldMessages*s.max {
		s.held.Add(-size)
		return -1
	}
	return size
}

// read reads a request's body, in time, and refuses batches: they are of a version of the protocol that has passed.
func (s *Server) read(w http.ResponseWriter, r *http.Request) bool {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
		http.Error(w, "the body cannot be read", http.StatusInternalServerError)
		return false
	}
	body := bufio.NewReader(http.MaxBytesReader(w, r.Body, s.max))
	for {
		b, err := body.ReadByte()
		if err != nil {
			break // the SDK says what is wrong with an empty one
		}
		if b == '[' {
			http.Error(w, "batches are not taken: send each message in its own request", http.StatusBadRequest)
			return false
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			_ = body.UnreadByte() // one was read
			break
		}
	}
	text, err := io.ReadAll(body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, "a message has too many bytes", http.StatusRequestEntityTooLarge)
		return false
	case err != nil:
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return control.SetReadDeadline(time.Time{}) == nil // what follows may take long
}
