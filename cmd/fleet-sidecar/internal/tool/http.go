package tool

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// headers puts the tool's secrets into each request, and bounds each answer.
type headers struct {
	next    http.RoundTripper
	fixed   http.Header
	version atomic.Pointer[string]
	max     int64
}

// dial connects to a server over streamable HTTP. No redirect is followed: it could lead the secrets elsewhere.
func dial(ctx context.Context, o *Options) (mcp.Connection, *headers, error) {
	h := &headers{fixed: http.Header{}, max: int64(o.Config.MaxMessage), next: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 8,
	}}
	for _, s := range o.Config.Tool.Secrets {
		switch {
		case s.Bearer:
			h.fixed.Set("Authorization", "Bearer "+o.Secrets.Text(s.Name))
		case s.Header != "":
			h.fixed.Set(s.Header, o.Secrets.Text(s.Name))
		}
	}
	conn, err := (&mcp.StreamableClientTransport{
		Endpoint: o.Config.Tool.URL,
		HTTPClient: &http.Client{
			Transport:     h,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		MaxRetries:   -1,
		MaxEventSize: o.Config.MaxMessage,
	}).Connect(ctx)
	return conn, h, err
}

// settle notes the version that both speak, which each further request names.
func (h *headers) settle(version string) { h.version.Store(&version) }

// RoundTrip sends a request.
func (h *headers) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range h.fixed {
		r.Header[name] = values
	}
	if v := h.version.Load(); v != nil {
		r.Header.Set("Mcp-Protocol-Version", *v)
	}
	resp, err := h.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media != "text/event-stream" {
		resp.Body = &bounded{resp.Body, h.max, h.max}
	}
	return resp, nil
}

// bounded is a body of which no more is read than a message may have. Events are bounded each by the SDK.
type bounded struct {
	io.ReadCloser
	left, max int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("a message has more than %d bytes", b.max)
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
