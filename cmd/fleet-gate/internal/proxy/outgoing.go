package proxy

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fleet/cmd/fleet-gate/internal/head"
)

var errTarget = errors.New("the target would change")

// outgoing makes the request that goes out: with the host and the path that were decided on.
func (x *exchange) outgoing() (*http.Request, error) {
	u, err := target(x.path)
	if err != nil {
		return nil, err
	}
	host, usual := x.q.Host, uint16(80)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	u.Scheme, u.Host = "http", net.JoinHostPort(x.q.Host, strconv.Itoa(int(x.q.Port)))
	if x.s.secure {
		u.Scheme, usual = "https", 443
	}
	if x.q.Port != usual {
		host = u.Host
	}
	out := &http.Request{
		Method: x.req.Method, URL: u, Host: host, Header: x.req.Header, ContentLength: x.req.Length,
		ProtoMajor: 1, ProtoMinor: 1, // else the transport does not wait for 100 Continue
	}
	if x.req.Length != 0 {
		out.Body = x.body
		x.body.trailer = announced(head.Tokens(x.req.Header, "Trailer"))
		out.Trailer = x.body.trailer
	}
	x.fields()
	x.use.Ask(out)
	return out, nil
}

// target makes a URL that is written as path. Opaque is written as it is, but for two slashes at its begin, which
// would make it an absolute form.
func target(path string) (*url.URL, error) {
	if !strings.HasPrefix(path, "//") {
		return &url.URL{Opaque: path}, nil
	}
	u, err := url.ParseRequestURI(path)
	if err != nil || u.RequestURI() != path {
		return nil, errTarget
	}
	return u, nil
}

// fields leaves the fields that are passed on.
func (x *exchange) fields() {
	h := x.req.Header
	x.upgraded = x.req.Method == http.MethodGet && x.req.Minor == 1 && x.req.Length == 0 &&
		contains(head.Tokens(h, "Connection"), "upgrade") && contains(head.Tokens(h, "Upgrade"), "websocket")
	trailers, waits := contains(head.Tokens(h, "Te"), "trailers"), expects(x.req) && !x.body.begun
	head.Strip(h)
	if x.upgraded {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	}
	if trailers {
		h["Te"] = []string{"trailers"} // gRPC asks for it
	}
	if waits {
		h["Expect"] = []string{"100-continue"}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{""} // else the transport adds its own
	}
}
