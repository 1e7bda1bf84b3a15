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

// serveHTTP serves one request after the other, and decides on each.
func (s *session) serveHTTP() {
	wait := headTime
	for {
		_ = s.c.SetReadDeadline(time.Now().Add(wait))
		if _, err := s.r.Peek(1); err != nil {
			s.end()
			return
		}
		// From the first byte on: a head that comes byte by byte has no more time than another.
		_ = s.c.SetReadDeadline(time.Now().Add(headTime))
		req, err := head.Read(s.r)
		if err != nil {
			s.malformed(err)
			return
		}
		if req.Method == http.MethodConnect && s.host == "" {
			s.connect(req)
			return
		}
		if again := s.serveOne(req); !again {
			return
		}
		wait = keepAlive
	}
}

// malformed ends a connection after a head that cannot be read.
func (s *session) malformed(err error) {
	var e *head.Error
	if !errors.As(err, &e) {
		s.end()
		return
	}
	r := &judge.Refusal{Reason: judge.Malformed, Text: e.Text}
	s.p.Judge.Case(s.n, policy.Request{Kind: policy.KindHTTP, Host: s.host, Port: s.port}).Deny(r)
	s.last(e.Status, r)
}

// serveOne serves a request and reports whether the connection can have another one; if not, it has ended.
func (s *session) serveOne(req *head.Request) (again bool) {
	again = req.Minor == 1 && !contains(head.Tokens(req.Header, "Connection"), "close") &&
		!contains(head.Tokens(req.Header, "Proxy-Connection"), "close")
	q, r := s.question(req)
	var d policy.Decision
	if r == nil {
		d = s.p.Judge.Decide(q)
		r = usable(d, q)
	}
	if r == nil {
		r = s.admit(q.Host, d)
	}
	c := s.p.Judge.Case(s.n, q)
	if r == nil {
		r = s.allow(c, d, q)
	} else {
		c.Deny(r)
	}
	if r != nil {
		return s.refuse(req, r, again)
	}
	x := &exchange{s: s, req: req, q: q, c: c, path: d.Path, again: again}
	if x.run() {
		return true
	}
	s.end()
	return false
}

// allow looks the host up, so that a refused address is known before anything is recorded as allowed.
func (s *session) allow(c *judge.Case, d policy.Decision, q policy.Request) *judge.Refusal {
	t, err := s.p.Dialer.Resolve(context.Background(), q.Host, q.Port)
	if err != nil {
		r := refusal(err)
		c.Deny(r)
		return r
	}
	return c.Allow(d, t.String())
}

// refuse answers a refusal. The connection goes on where no body is to come.
func (s *session) refuse(req *head.Request, r *judge.Refusal, again bool) bool {
	if !again || req.Length != 0 {
		s.last(status(r), r)
		return false
	}
	if s.answer(status(r), r, false, req.Method != http.MethodHead) != nil {
		s.end()
		return false
	}
	return true
}

func contains(tokens []string, want string) bool {
	for _, t := range tokens {
		if t == want {
			return true
		}
	}
	return false
}

// question is what a request asks for: the host of its target, which is also the Host that is passed on.
func (s *session) question(req *head.Request) (policy.Request, *judge.Refusal) {
	q := policy.Request{Kind: policy.KindHTTP, Host: s.host, Port: s.port, Method: req.Method, Path: req.Target}
	authority, path, absolute := cutAbsolute(req.Target)
	if absolute {
		h, port, err := withPort(authority)
		q.Path = path
		if err != nil {
			q.Host = authority
			return q, &judge.Refusal{Reason: reasonOf(err), Text: "the target must be http://HOST/PATH"}
		}
		if s.host == "" {
			q.Host, q.Port = h.String(), port
			return q, nil
		}
		if h.String() != s.host || port != s.port {
			return q, otherHost(s.host)
		}
	}
	if s.host == "" {
		return q, &judge.Refusal{
			Reason: judge.Malformed, Text: "this is a proxy: the target must be http://HOST/PATH, or CONNECT HOST:PORT for https",
		}
	}
	// A redirected connection goes where the Host field says, or nowhere.
	h, port, err := withPort(req.Host)
	if err != nil || h.String() != s.host || port != s.port && strings.Contains(req.Host, ":") {
		return q, otherHost(s.host)
	}
	return q, nil
}

func otherHost(host string) *judge.Refusal {
	return &judge.Refusal{Reason: judge.OtherName, Text: "the request names another host than " + host}
}

// cutAbsolute takes http://AUTHORITY off a target; other schemes are no absolute form for us.
func cutAbsolute(target string) (authority, path string, ok bool) {
	const scheme = "http://"
	if len(target) < len(scheme) || !strings.EqualFold(target[:len(scheme)], scheme) {
		return "", target, false
	}
	rest := target[len(scheme):]
	at := strings.IndexAny(rest, "/?")
	switch {
	case at < 0:
		return rest, "/", true
	case rest[at] == '?':
		return rest[:at], "/" + rest[at:], true
	}
	return rest[:at], rest[at:], true
}

// withPort reads HOST or HOST:PORT, without which it is port 80.
func withPort(s string) (policy.Host, uint16, error) {
	if at := strings.LastIndexByte(s, ':'); at >= 0 && !strings.HasSuffix(s, "]") {
		return policy.ParseTarget(s)
	}
	h, err := policy.ParseHost(s)
	return h, 80, err
}

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
	resp, err := x.s.p.transport.RoundTrip(out)
	if err != nil {
		x.body.stop()
		x.body.wait()
		x.c.End(x.body.n, 0, refusal(err).Reason)
		return x.fail(refusal(err))
	}
	defer resp.Body.Close()
	result := "closed"
	if err := x.pass(resp); err != nil {
		result, x.again = "failed", false
	}
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
