package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"fleet/schemas/policy"
)

// ca runs fleet-gate ca and returns its exit status.
func (h *host) ca(args ...string) int {
	h.T.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"ca", "--policy", h.Dir + "/egress.json", "--state", h.Dir}, args...)...)
	cmd.Env = []string{variable + "=1"}
	cmd.Stderr = h.T.Output()
	err := cmd.Run()
	if cmd.ProcessState == nil {
		h.T.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// The oneshot before an agent makes what the agent trusts, and the gate answers with it.
func TestInspectedThroughTheBundle(t *testing.T) {
	h := newHost(t)
	origin := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, " ", r.URL.Path)
	}))
	defer origin.Close()
	roots, bundle := h.Dir+"/roots.pem", h.Dir+"/bundle.pem"
	check(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: origin.Certificate().Raw}), 0o644))
	u, _ := url.Parse(origin.URL)
	port, _ := strconv.Atoi(u.Port())
	h.policy.Allow[0] = policy.Rule{
		Name: "one", Host: "127.0.0.1", Ports: []int{port}, Protocol: policy.TLS, Private: true, Paths: []string{"/v1/*"},
	}
	h.write()
	if code := h.ca("--bundle", bundle, "--roots", roots); code != 0 {
		t.Fatal("exit ", code)
	}
	first, err := os.Stat(bundle)
	check(t, err)
	h.start("--roots", roots)
	if code := h.ca("--bundle", bundle, "--roots", roots); code != 0 {
		t.Fatal("exit ", code)
	}
	if again, err := os.Stat(bundle); err != nil || !os.SameFile(first, again) || again.Mode() != 0o444 {
		t.Errorf("the bundle is made again: %v %v", again, err)
	}
	text, err := os.ReadFile(bundle)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", h.ports[1])}),
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool},
	}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{"/v1/x": "200 GET /v1/x", "/v2": "403 path-not-listed"} {
		req, _ := http.NewRequest("GET", origin.URL+path, nil)
		resp, err := client.Do(req)
		check(t, err)
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		got := fmt.Sprint(resp.StatusCode, " ", string(b))
		if reason := resp.Header.Get("X-Fleet-Deny"); reason != "" {
			got = fmt.Sprint(resp.StatusCode, " ", reason)
		}
		if got != want || resp.TLS.PeerCertificates[0].Equal(origin.Certificate()) {
			t.Errorf("%s: got %q, want %q, from %v", path, got, want, resp.TLS.PeerCertificates[0].Subject)
		}
	}
}

func TestCARefuses(t *testing.T) {
	h := newHost(t)
	origin := httptest.NewTLSServer(nil)
	defer origin.Close()
	roots := h.Dir + "/roots.pem"
	check(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: origin.Certificate().Raw}), 0o644))
	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"no bundle":       {nil, 2},
		"argument":        {[]string{"--bundle", "x", "y"}, 2},
		"no roots":        {[]string{"--bundle", h.Dir + "/b", "--roots", h.Dir + "/none"}, 1},
		"roots are none":  {[]string{"--bundle", h.Dir + "/b", "--roots", h.Dir + "/egress.json"}, 1},
		"no such policy":  {[]string{"--bundle", h.Dir + "/b", "--policy", h.Dir + "/none"}, 1},
		"folder is gone":  {[]string{"--bundle", h.Dir + "/none/b"}, 1},
		"state is a file": {[]string{"--bundle", h.Dir + "/b", "--state", h.Dir + "/egress.json"}, 0}, // nothing to inspect
	} {
		if code := h.ca(append([]string{"--roots", roots}, c.args...)...); code != c.code {
			t.Errorf("%s: exit %d, want %d", name, code, c.code)
		}
	}
}
