package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

// exchange is a request that goes out, and its answer.
type exchange struct {
	s     *session
	req   *head.Request
	q     policy.Request
	c     *judge.Case
	path  string // to pass on
	again bool

	body     *body
	down     int64
	upgraded bool
}

// run does the exchange and reports whether the connection can have another request.
func (x *exchange) run() bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	x.body = newBody(x.s, x.req)
	// A cut ends also a client that does not read or write.
	w, ok := x.s.p.Judge.Watch(func() { cancel(); x.s.c.Close() }, x.q)
	if !ok {
		x.c.End(0, 0, "cut")
		x.again = false
		return x.fail(errReplaced)
	}
	defer w.Done()
	out, err := x.outgoing(ctx)
	if err != nil {
		x.c.End(0, 0, judge.Malformed)
		return x.fail(&judge.Refusal{Reason: judge.Malformed, Text: "the target cannot be passed on"})
	}
	stop := x.watchAgent(cancel)
	resp, err := x.s.p.transport.RoundTrip(out)
	if err != nil {
		stop()
		x.body.stop()
		x.body.wait()
		x.c.End(x.body.n, 0, refusal(err).Reason)
		return x.fail(refusal(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		stop() // the agent's bytes are read from now on
	}
	result := "closed"
	if err := x.pass(resp); err != nil {
		result, x.again = "failed", false
	}
	stop()
	if !x.body.ended() {
		_ = x.s.c.CloseWrite()
		x.body.stop()
		cancel()
		x.body.wait()
		x.s.linger()
	}
	x.body.wait()
	x.c.End(x.body.n, x.down, result)
	return x.again
}

// fail answers instead of the host. A body that was not read to its end ends the connection.
func (x *exchange) fail(r *judge.Refusal) bool {
	again := x.again && x.body.ended()
	err := x.s.answer(status(r), r, !again, x.req.Method != http.MethodHead)
	if err == nil && !again {
		x.s.linger()
	}
	return again && err == nil
}

// outgoing makes the request that goes out: with the host and the path that were decided on.
func (x *exchange) outgoing(ctx context.Context) (*http.Request, error) {
	host := x.q.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	// Opaque is written as it is, but for two slashes at its begin, which would make it an absolute form.
	u := &url.URL{Opaque: x.path}
	if strings.HasPrefix(x.path, "//") {
		var err error
		if u, err = url.ParseRequestURI(x.path); err != nil {
			return nil, err
		}
	}
	u.Scheme, u.Host = "http", net.JoinHostPort(x.q.Host, strconv.Itoa(int(x.q.Port)))
	if x.q.Port != 80 {
		host = u.Host
	}
	h := x.req.Header
	upgrade := x.req.Method == http.MethodGet && x.req.Length == 0 &&
		contains(head.Tokens(h, "Connection"), "upgrade") && contains(head.Tokens(h, "Upgrade"), "websocket")
	head.Strip(h)
	if upgrade {
		x.upgraded = true
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{""} // else the transport adds its own
	}
	out := &http.Request{Method: x.req.Method, URL: u, Host: host, Header: h, ContentLength: x.req.Length}
	if x.req.Length != 0 {
		out.Body = x.body
	}
	return out.WithContext(ctx), nil
}

// pass sends the answer on.
func (x *exchange) pass(resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return x.upgrade(resp)
	}
	if resp.StatusCode < 200 {
		return errors.New("an interim answer in place of a final one")
	}
	x.again = x.again && x.body.ended()
	h := resp.Header
	length := resp.ContentLength
	none := x.req.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified
	declared := h["Content-Length"]
	strip(h)
	chunked := false
	switch {
	case none:
		if len(declared) == 1 && resp.StatusCode != http.StatusNoContent {
			h["Content-Length"] = declared
		}
	case length >= 0:
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	case x.req.Minor == 1:
		chunked = true
		h["Transfer-Encoding"] = []string{"chunked"}
	default:
		x.again = false
	}
	if !x.again {
		h["Connection"] = []string{"close"}
	}
	w := writers.Get().(*bufio.Writer)
	w.Reset(x.s.c)
	defer func() {
		w.Reset(nil)
		writers.Put(w)
	}()
	if err := writeHead(w, resp.StatusCode, h); err != nil {
		return err
	}
	if none {
		return x.s.flush(w)
	}
	return x.copyBody(w, resp, chunked)
}

// strip takes away what was for the gate alone.
func strip(h http.Header) {
	for _, name := range head.Tokens(h, "Connection") {
		h.Del(name)
	}
	for _, name := range []string{
		"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Transfer-Encoding", "Upgrade", "Content-Length",
		"Proxy-Authenticate", "Proxy-Authentication-Info", "X-Fleet-Deny",
	} {
		delete(h, name)
	}
}

func writeHead(w *bufio.Writer, code int, h http.Header) error {
	text := http.StatusText(code)
	if _, err := w.WriteString("HTTP/1.1 " + strconv.Itoa(code) + " " + text + "\r\n"); err != nil {
		return err
	}
	if err := h.Write(w); err != nil {
		return err
	}
	_, err := w.WriteString("\r\n")
	return err
}

func (s *session) flush(w *bufio.Writer) error {
	_ = s.c.SetWriteDeadline(time.Now().Add(bodyTime))
	return w.Flush()
}

// upgrade joins both connections. What the two sides then say is not looked at.
func (x *exchange) upgrade(resp *http.Response) error {
	x.again = false
	server, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || !x.upgraded {
		return errors.New("the host changes the protocol unasked")
	}
	h := resp.Header
	strip(h)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	w := bufio.NewWriter(x.s.c)
	if err := writeHead(w, resp.StatusCode, h); err != nil {
		return err
	}
	if err := x.s.flush(w); err != nil {
		return err
	}
	_ = x.s.c.SetDeadline(time.Time{})
	up := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(server, x.s.r)
		server.Close()
		up <- n
	}()
	x.down, _ = io.Copy(x.s.c, server)
	x.s.c.Close()
	x.body.n = <-up
	return nil
}
