package discord

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"fleet/cmd/internal/discordstub"
	"fleet/schemas/chat"
)

// proxy is one that knows CONNECT alone, and where everything leads to one address.
type proxy struct {
	net.Listener
	to string

	mu    sync.Mutex
	asked []string
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, req.Host)
	p.mu.Unlock()
	up, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer up.Close()
	io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(up, r)
		up.Close()
	}()
	io.Copy(c, up)
}

// hosts are those that the proxy was asked for, each once.
func (p *proxy) hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(p.asked)))
}

// inTLS is a lab whose server speaks TLS and has the name example.com, which only a proxy leads to.
func inTLS(t *testing.T) (*lab, *proxy) {
	rules := discordstub.Usual
	rules.Login = 0
	l := newLab(t, discordstub.NewTLS(rules))
	l.config.Backend.API = "https://example.com"
	return l, newProxy(t, l.s.Address())
}

// TestProxy proves that requests and the gateway go through a transport's proxy, and trust its certificates.
func TestProxy(t *testing.T) {
	l, p := inTLS(t)
	defer l.end()
	address, err := url.Parse("http://" + p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(l.s.Certificate())
	b, err := New(l.config, Options{Tokens: l.tokens, Log: l.logger, Transport: &http.Transport{
		Proxy: http.ProxyURL(address), TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	l.ends = append(l.ends, b.fleet.way.transport.CloseIdleConnections)
	l.start(b, l.inbox)
	l.until("both bots", func() bool { return l.s.Connected() == 2 })
	l.do(b, post(chat.General, "bob", "hello"))
	if diff := cmp.Diff([]string{"example.com:443"}, p.hosts()); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

// childVariable has the configuration of TestProxyOfEnvironment's own process.
const childVariable = "FLEET_TEST_DISCORD"

type child struct {
	Config *chat.Config
	Tokens map[string]string
}

// TestProxyOfEnvironment proves that both go through the proxy that the environment names, where nothing else is said.
// Go reads that once in a process, so it is one of its own.
func TestProxyOfEnvironment(t *testing.T) {
	if text := os.Getenv(childVariable); text != "" {
		runChild(t, text)
		return
	}
	l, p := inTLS(t)
	defer l.end()
	certificate := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.s.Certificate().Raw})
	if err := os.WriteFile(certificate, block, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(child{l.config, l.tokens})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestProxyOfEnvironment$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"="+string(text),
		"HTTPS_PROXY=http://"+p.Addr().String(), "https_proxy=", "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE="+certificate)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if diff := cmp.Diff([]string{"example.com:443"}, p.hosts()); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

// runChild hears over the gateway what it wrote by a request.
func runChild(t *testing.T, text string) {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	b, err := New(c.Config, Options{Tokens: c.Tokens, Log: logrus.New()})
	if err != nil {
		t.Fatal(err)
	}
	in := newInbox()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go b.Run(ctx, in)
	l := &lab{t: t}
	l.until("a mark", func() bool { return in.Mark(chat.General) != "" })
	e := post(chat.General, "bob", "hello")
	l.do(b, e)
	l.until("the message", func() bool { return slices.Equal(in.echoes(), []string{e.ID}) })
}

// TestPath proves that the API's address may have a path.
func TestPath(t *testing.T) {
	w, err := newWay("https://example.com/discord/", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got *url.URL
	w.transport.Proxy = func(r *http.Request) (*url.URL, error) {
		got = r.URL
		return nil, io.ErrUnexpectedEOF
	}
	const place = "/api/v9/channels/1/messages/2/reactions/%E2%9C%85/@me"
	req, err := http.NewRequest(http.MethodPut, "https://discord.com"+place, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.RoundTrip(req); err == nil {
		t.Fatal("the request was sent")
	}
	if want := "https://example.com/discord" + place; got.String() != want {
		t.Errorf("the address is %s", got)
	}
}
