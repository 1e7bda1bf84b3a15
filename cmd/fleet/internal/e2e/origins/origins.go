//go:build machine

package origins

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
)

// Net is the origins of one machine.
type Net struct {
	t testing.TB
	m *machinetest.M
}

// File is the program of the origins, for Options.Files of the machine.
func File() machine.File {
	return machine.File{Outside: "/proc/self/exe", Inside: "/usr/local/bin/" + program}
}

const unit = `[Unit]
Description=origins of a test
DefaultDependencies=no
After=local-fs.target
[Service]
ExecStart=/usr/local/bin/` + program + `
[Install]
WantedBy=multi-user.target
`

// Start gives a machine, which must have File, its only way out. It comes back with each boot; call Wait then.
func Start(t testing.TB, m *machinetest.M) *Net {
	t.Helper()
	n := &Net{t, m}
	m.WriteFile("/etc/systemd/system/origins.service", unit, 0o644)
	m.Sh("systemctl daemon-reload; systemctl enable -q --now origins.service")
	n.Wait()
	return n
}

// On returns the origins for a subtest.
func (n *Net) On(t testing.TB) *Net { return &Net{t, n.m} }

// Wait waits until all is served.
func (n *Net) Wait() {
	n.t.Helper()
	n.m.Eventually("origins", 30*time.Second, func() error {
		_, err := n.ask(http.MethodGet, "/seen", nil)
		return err
	})
}

// Names sets what the name server says of some names.
func (n *Net) Names(all map[string]Answer) {
	n.t.Helper()
	n.must(http.MethodPost, "/names", all)
}

// Public gives names the public address.
func (n *Net) Public(names ...string) {
	n.t.Helper()
	all := map[string]Answer{}
	for _, name := range names {
		all[name] = Answer{Addresses: []string{Address}, TTL: 60}
	}
	n.Names(all)
}

// Seen returns what has arrived since Forget.
func (n *Net) Seen() *Seen {
	n.t.Helper()
	s := new(Seen)
	if err := json.Unmarshal(n.must(http.MethodGet, "/seen", nil), s); err != nil {
		n.t.Fatal(err)
	}
	return s
}

// Forget forgets what has arrived.
func (n *Net) Forget() {
	n.t.Helper()
	n.must(http.MethodPost, "/forget", nil)
}

func (n *Net) must(method, path string, body any) []byte {
	n.t.Helper()
	b, err := n.ask(method, path, body)
	if err != nil {
		n.t.Fatalf("origins: %v", err)
	}
	return b
}

func (n *Net) ask(method, path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", n.m.Path(socket))
		},
	}}
	req, err := http.NewRequestWithContext(n.t.Context(), method, "http://origins"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, r.Status, b)
	}
	return b, err
}
