package slackstub

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Net is a network of pipes within the process, which testing/synctest can wait for.
type Net struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newNet() *Net { return &Net{conns: make(chan net.Conn), done: make(chan struct{})} }

// Accept is net.Listener's.
func (n *Net) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener's.
func (n *Net) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}

// Addr is net.Listener's.
func (n *Net) Addr() net.Addr { return &net.UnixAddr{Name: "slack", Net: "unix"} }

// Host is one that calls the workspace. It has to keep to what it was told; what others were told it cannot know.
type Host struct {
	s     *Server
	until map[string]time.Time   // no calls before, by app and method
	calls map[string][]time.Time // in the last minute, by app and method
	posts map[string]time.Time   // the last, by app and channel
}

// Host makes another one.
func (s *Server) Host() *Host {
	return &Host{
		s: s, until: map[string]time.Time{}, calls: map[string][]time.Time{}, posts: map[string]time.Time{},
	}
}

// ServeHTTP answers the host's requests that come over another network than Dial's.
func (h *Host) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	h.s.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), hostKey{}, h)))
}

// hostConn is a connection of a host's.
type hostConn struct {
	net.Conn
	host *Host
}

// Dial connects to the workspace, whatever the address.
func (h *Host) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	h.s.mu.Lock()
	down := h.s.down
	h.s.mu.Unlock()
	if down {
		return nil, errors.New("no route to host")
	}
	ours, theirs := net.Pipe()
	select {
	case h.s.net.conns <- hostConn{theirs, h}:
		return ours, nil
	case <-h.s.net.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Transport reaches the workspace.
func (h *Host) Transport() *http.Transport { return &http.Transport{DialContext: h.Dial} }

type hostKey struct{}

func withHost(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, hostKey{}, c.(hostConn).host)
}

func hostOf(r *http.Request) *Host { return r.Context().Value(hostKey{}).(*Host) }
