package discord

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// way is how Discord is reached: requests and the gateway go through the same proxy and trust the same certificates.
type way struct {
	transport *http.Transport
	base      *url.URL // of another server with Discord's interface, nil is Discord
}

func newWay(api string, t *http.Transport) (*way, error) {
	if t == nil {
		usual, ok := http.DefaultTransport.(*http.Transport)
		if !ok {
			return nil, errors.New("http.DefaultTransport is not Go's own")
		}
		t = usual
	}
	w := &way{transport: t.Clone()}
	if api == "" {
		return w, nil
	}
	base, err := url.Parse(api)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("coordination.api %q must be an address", api)
	}
	w.base = base
	return w, nil
}

// RoundTrip sends a request. discordgo has its addresses as variables of the package, one for all sessions, so another
// server is put into each request.
func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.base == nil {
		return w.transport.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = w.base.Scheme, w.base.Host, ""
	prefix := strings.TrimSuffix(w.base.Path, "/")
	if r.URL.RawPath != "" {
		r.URL.RawPath = prefix + r.URL.RawPath
	}
	r.URL.Path = prefix + r.URL.Path
	return w.transport.RoundTrip(r)
}

// dialer returns what connects to the gateway. opened hears of each connection.
func (w *way) dialer(silence time.Duration, opened func(net.Conn)) *websocket.Dialer {
	dial := w.transport.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	d := &websocket.Dialer{Proxy: w.transport.Proxy, HandshakeTimeout: requestLimit}
	if c := w.transport.TLSClientConfig; c != nil {
		d.TLSClientConfig = c.Clone()
		d.TLSClientConfig.NextProtos = nil // Go's transport wants HTTP/2, a WebSocket is none
	}
	d.NetDialContext = watching(dial, silence, opened)
	return d
}
