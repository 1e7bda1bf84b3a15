package egress

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// MaxMetrics bounds the answer to GET /metrics.
const MaxMetrics = 1 << 20

// Ask asks the control socket of a gate for its status. Nobody listens there where the gate is not running.
func Ask(ctx context.Context, socket string) (*Status, error) {
	b, err := get(ctx, socket, StatusPath, MaxStatus)
	if err != nil {
		return nil, err
	}
	return ParseStatus(b)
}

// Metrics asks the control socket of a gate for its metrics, in the text format of Prometheus.
func Metrics(ctx context.Context, socket string) ([]byte, error) {
	return get(ctx, socket, MetricsPath, MaxMetrics)
}

func get(ctx context.Context, socket, path string, limit int64) ([]byte, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gate"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	r, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		return nil, err
	case r.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the gate answers %s", r.Status)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("the gate's answer must have at most %d bytes", limit)
	}
	return b, nil
}
