package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet-gate/internal/ca"
	"fleet/schemas/policy"
)

// authority plays the one that hosts have their certificates from.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key, pool: x509.NewCertPool()}
	a.cert = &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.cert, _ = x509.ParseCertificate(a.sign(a.cert, key))
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(t *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	t.SerialNumber = big.NewInt(time.Now().UnixNano())
	if t.NotAfter.IsZero() {
		t.NotBefore, t.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// leaf makes a certificate for a name.
func (a *authority) leaf(t *x509.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{a.sign(t, key)}, PrivateKey: key}
}

// inspected is a gate with hosts whose requests are read inside TLS: old.test has HTTP/1 only, new.test HTTP/2 too. Of
// both, /v1/* may be asked for.
type inspected struct {
	*gate
	dir     string
	roots   *x509.CertPool // what agents trust
	hosts   *authority     // that hosts have certificates from
	origins map[string]*httptest.Server
	handler http.HandlerFunc
}

func inspect(t testing.TB) *inspected {
	t.Helper()
	g := &inspected{gate: start(t), hosts: newAuthority(t), roots: x509.NewCertPool(), origins: map[string]*httptest.Server{}}
	g.px.Roots = g.hosts.pool
	g.px.renew()
	dir := t.TempDir()
	var err error
	if g.px.CA, err = ca.NewMinter(dir); err != nil {
		t.Fatal(err)
	}
	g.origin("old.test", &x509.Certificate{DNSNames: []string{"old.test"}}, nil)
	g.origin("new.test", &x509.Certificate{DNSNames: []string{"new.test"}}, func(s *httptest.Server) { s.EnableHTTP2 = true })
	g.apply()
	g.dir = dir
	g.trust()
	return g
}

// trust gives agents the bundle that an agent has that starts now.
func (g *inspected) trust() {
	g.t.Helper()
	c, err := ca.Ensure(g.dir, ca.Hosts(&g.policy))
	if err != nil {
		g.t.Fatal(err)
	}
	g.roots.AddCert(c.Cert)
}

// origin adds a host; apply follows.
func (g *inspected) origin(host string, cert *x509.Certificate, change func(*httptest.Server)) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.handler(w, r) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{g.hosts.leaf(cert)}}
	s.Config.ErrorLog = quiet
	if change != nil {
		change(s)
	}
	s.StartTLS()
	s.TLS.Certificates = s.TLS.Certificates[:1]
	g.t.Cleanup(s.Close)
	g.origins[host] = s
	g.policy.Allow = append(g.policy.Allow, policy.Rule{
		Name: "rule " + host, Host: host, Ports: []int{portOf(s.Listener.Addr())}, Protocol: policy.TLS, Private: true,
		Paths: []string{"/v1/*"},
	})
}

// apply puts the policy in force.
func (g *inspected) apply() {
	g.t.Helper()
	if err := g.px.CA.Configure(ca.Hosts(&g.policy)); err != nil {
		g.t.Fatal(err)
	}
	g.judge.Replace(g.compile())
	g.px.Replaced()
}

func (g *inspected) at(host string) string {
	if s := g.origins[host]; s != nil {
		_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
		return host + ":" + port
	}
	return g.gate.at(host)
}

// open makes a tunnel and TLS inside it.
func (g *inspected) open(host string, protocols ...string) (*tls.Conn, error) {
	g.t.Helper()
	c, _, _ := g.tunnel(g.at(host))
	name := strings.TrimSuffix(host, ".")
	conn := tls.Client(c, &tls.Config{ServerName: name, RootCAs: g.roots, NextProtos: protocols})
	return conn, conn.Handshake()
}

func (g *inspected) mustOpen(host string, protocols ...string) *tls.Conn {
	g.t.Helper()
	c, err := g.open(host, protocols...)
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// way is one of those in which a request reaches a host.
type way struct {
	name   string
	client *http.Client
	url    string // of the host
	host   string
	h2     bool // the agent's side
}

// ways are all of them: without TLS, and inside it with each version on either side.
func (g *inspected) ways() []way {
	g.gate.handler = func(w http.ResponseWriter, r *http.Request) { g.handler(w, r) }
	out := []way{{name: "plain", client: g.client(), url: "http://" + g.at("web.test"), host: "web.test"}}
	for _, host := range []string{"old.test", "new.test"} {
		for _, h2 := range []bool{false, true} {
			name := host + " by h1"
			if h2 {
				name = host + " by h2"
			}
			out = append(out, way{name, g.inside(h2), "https://" + g.at(host), host, h2})
		}
	}
	return out
}

// inside is a client of Go's that asks by CONNECT.
func (g *inspected) inside(h2 bool) *http.Client {
	tr := &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: g.proxy}),
		TLSClientConfig: &tls.Config{RootCAs: g.roots}, ForceAttemptHTTP2: h2, ExpectContinueTimeout: 5 * time.Second,
	}
	if !h2 {
		tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	g.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// each runs a test for each way.
func (g *inspected) each(t *testing.T, f func(t *testing.T, w way)) {
	t.Helper()
	for _, w := range g.ways() {
		t.Run(w.name, func(t *testing.T) {
			g.said(0)
			f(t, w)
		})
	}
}

func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shared is a client that sends all requests by one connection of HTTP/2 to a host, whatever host they name.
func (g *inspected) shared(host string) http.RoundTripper {
	conn := g.mustOpen(host, "h2")
	tr := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		return conn, nil
	}}
	g.t.Cleanup(tr.CloseIdleConnections)
	return tr
}
