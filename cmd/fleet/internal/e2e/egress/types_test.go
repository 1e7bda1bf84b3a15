//go:build machine

package egress

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
)

type (
	entry   = audit.Entry
	request = origins.Request
	conn    = net.Conn
)

// transport makes requests by HTTP on connections that the agent makes to one address.
func (a *agent) transport(address string, config *tls.Config) *http.Transport {
	return &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: config,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return a.tls(address, config) },
		DialContext:    func(context.Context, string, string) (net.Conn, error) { return a.dial("tcp", address) },
	}
}
