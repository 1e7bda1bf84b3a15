//go:build machine

package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet/internal/e2e/origins"
)

// agent is one of the agents as a test sees it.
type agent struct {
	*lab
	key   string
	proxy string // HOST:PORT of its gate for proxy requests
	dns   string // and for questions
}

// usually is what an attempt may take. A refusal comes at once, but the host is busy.
const usually = 20 * time.Second

// give gives an order and returns the connection that is left of it.
func (a *agent) give(o order) (net.Conn, done, error) {
	if o.Time == 0 {
		o.Time = usually
	}
	c, err := net.DialTimeout("unix", a.Path("/home/demo-"+a.key+"/"+ordersName), usually)
	if err != nil {
		return nil, done{}, fmt.Errorf("agent %s: %w", a.key, err)
	}
	_ = c.SetDeadline(time.Now().Add(o.Time + 10*time.Second))
	if err := json.NewEncoder(c).Encode(o); err != nil {
		c.Close()
		return nil, done{}, err
	}
	line, err := readLine(c)
	var d done
	if err == nil {
		err = json.Unmarshal(line, &d)
	}
	if err != nil {
		c.Close()
		return nil, d, fmt.Errorf("agent %s: %w", a.key, err)
	}
	_ = c.SetDeadline(time.Time{})
	return c, d, nil
}

// readLine reads a line and not a byte more.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := r.Read(b); err != nil {
			return nil, err
		}
		if b[0] == '\n' {
			return line, nil
		}
		line = append(line, b[0])
	}
}

// dial has the agent connect; the connection is its.
func (a *agent) dial(network, address string) (net.Conn, error) {
	c, d, err := a.give(order{Op: "dial", Network: network, Address: address})
	if err != nil {
		a.t.Fatal(err)
	}
	if d.Error != "" {
		c.Close()
		return nil, errors.New(d.Error)
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute)) // longer than any test waits
	return c, nil
}

// sh runs a script in the agent's unit.
func (a *agent) sh(o order) (string, int) {
	a.t.Helper()
	o.Op = "sh"
	c, d, err := a.give(o)
	if err != nil {
		a.t.Fatal(err)
	}
	c.Close()
	if d.Error != "" {
		return string(d.Payload) + d.Error, -1
	}
	return string(d.Payload), d.Exit
}

// must runs a script that must succeed, and with what must print a text.
func (a *agent) must(o order, want string) {
	a.t.Helper()
	out, exit := a.sh(o)
	if exit != 0 || !strings.Contains(out, want) {
		a.t.Errorf("%s: %s\nexit status %d, want %q in\n%s", a.key, o.Script, exit, want, out)
	}
}

// tls has the agent connect and speaks TLS on the connection.
func (a *agent) tls(address string, config *tls.Config) (*tls.Conn, error) {
	c, err := a.dial("tcp", address)
	if err != nil {
		return nil, err
	}
	t := tls.Client(c, config)
	if err := t.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	return t, nil
}

// trusting trusts the origins' authority, and the agent's gate.
func (a *agent) trusting(name string, protocols ...string) *tls.Config {
	pool := x509.NewCertPool()
	for _, path := range []string{origins.RootFile, "/var/lib/fleet/demo/egress/ca/" + a.key + "/bundle.pem"} {
		b, err := os.ReadFile(a.Path(path))
		if err != nil {
			a.t.Fatal(err)
		}
		pool.AppendCertsFromPEM(b)
	}
	return &tls.Config{ServerName: name, RootCAs: pool, NextProtos: protocols}
}

// connect asks the proxy for a tunnel. An answer other than 200 is a *refused.
func (a *agent) connect(target string) (net.Conn, error) {
	c, err := a.dial("tcp", a.proxy)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target); err != nil {
		return nil, err
	}
	head, err := readHead(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head)), &http.Request{Method: "CONNECT"})
	if err != nil || r.StatusCode != http.StatusOK {
		c.Close()
		return nil, refusalOf(r, err)
	}
	return c, nil
}

func readHead(r io.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := readLine(r)
		if err != nil {
			return b.String(), err
		}
		b.Write(append(line, '\n'))
		if len(bytes.TrimSpace(line)) == 0 {
			return b.String(), nil
		}
	}
}

// refused is an answer of the gate's own.
type refused struct {
	status int
	reason string // of the header X-Fleet-Deny
}

func (r *refused) Error() string { return fmt.Sprintf("%d %s", r.status, r.reason) }

func refusalOf(r *http.Response, err error) error {
	if err != nil {
		return err
	}
	if reason := r.Header.Get("X-Fleet-Deny"); reason != "" || r.StatusCode >= 400 {
		return &refused{r.StatusCode, reason}
	}
	return nil
}

// say has the agent connect, sends some bytes in parts, and reads an HTTP answer. An answer of the gate's own is an error.
func (a *agent) say(address string, parts ...string) error {
	c, err := a.dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	return talk(c, parts...)
}

// talk sends in parts and reads an HTTP answer.
func talk(c net.Conn, parts ...string) error {
	_ = c.SetDeadline(time.Now().Add(usually))
	for i, p := range parts {
		if i > 0 {
			time.Sleep(20 * time.Millisecond)
		}
		if _, err := io.WriteString(c, p); err != nil {
			break // the answer may be there
		}
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20))
	return refusalOf(r, nil)
}

// udp sends a datagram and returns the answer.
func (a *agent) udp(address string, payload []byte) ([]byte, error) {
	c, d, err := a.give(order{Op: "udp", Address: address, Payload: payload, Time: 2 * time.Second})
	if err != nil {
		a.t.Fatal(err)
	}
	c.Close()
	if d.Error != "" {
		return nil, errors.New(d.Error)
	}
	return d.Payload, nil
}

// on returns the agent for a subtest.
func (a *agent) on(t testing.TB) *agent {
	return &agent{lab: a.lab.on(t), key: a.key, proxy: a.proxy, dns: a.dns}
}

func ctx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), usually)
}
