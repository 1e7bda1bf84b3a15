//go:build machine

package egress

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/e2e/origins"
)

// E17, J1: paths and methods are compared after one canonical form, which is what goes on.
func TestEGRE17Paths(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		request := func(method, path string) func(*agent) error {
			return insideTLS(method + " " + path + " HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\n\r\n")
		}
		const no = "path-not-listed|bad-path|denied|malformed|other-name"
		group := together(
			named(no, "path", []string{
				"/", "/v1", "/v2/x", "/V1/x", "/v1x", "//v1/x", "/v1/../v2/x", "/v1/./x", "/v1/..", "/v1//x", "/v1/%2e%2e/v2", "/v1/%2E%2E/v2/x", "/v1/.%2e/v2", "/v1%2f..%2fv2", "/v1/%2fx",
				"/v1/x%2f..%2f..%2fv2", "/v1/%5c..%5cv2", `/v1\..\v2`, "/v1/%252e%252e/v2", "/v1/x;y", "/v1/..;/v2", "/v1/%00", "/v1/x%0d%0aHost:%20evil", "/v1/%c0%ae%c0%ae/v2", "/v1/%zz", "/v1/x#y",
				"/v1/%", "https://evil.test/v1/x", "http://api.test/v1/x", "*", "v1/x", "/%76%31", "/v1/\xff",
				"/v1/secret", "/v1/secret/", "/v1/secret/x", "/v1/Secret", "/v1/SECRET/x", "/v1/%73ecret", "/v1/secre%74/y", "/v1/secret?x", "/v1/x/../secret", "/v1/./secret", "/v1//secret",
			}, func(a *agent, in string) error { return request("GET", in)(a) }),
			named("method-not-listed|bad-method", "method", []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "FOO"},
				func(a *agent, in string) error { return request(in, "/v1/x")(a) }),
			named(no, "query", []string{"/v2?/v1/x", "/?x=/v1/x", "/v2%3f/v1/x", "/v1/x%3f/../../v2", "/v1/x%23"}, func(a *agent, in string) error { return request("GET", in)(a) }),
		)
		a.blocked(group)
		for given, forwarded := range map[string]string{
			"/v1/x": "/v1/x", "/v1/%78": "/v1/x", "/v1/a%7eb": "/v1/a~b", "/v1/%c3%bc": "/v1/%C3%BC", "/v1/x?q=../../v2&r=%2e%2e": "/v1/x?q=../../v2&r=%2e%2e",
			"/v1/x/": "/v1/x/", "https://api.test/v1/abs": "/v1/abs", "/v1/secrets": "/v1/secrets", "/v1/...": "/v1/...", "/v1/a+b": "/v1/a+b",
		} {
			a.net.Forget()
			if err := request("GET", given)(a); err != nil {
				t.Errorf("%s: %v", given, err)
				continue
			}
			if r := a.net.Seen().Requested("api.test"); len(r) != 1 || r[0].Path != forwarded {
				t.Errorf("%s: the origin saw %+v, want %s", given, r, forwarded)
			}
		}
		a.audited("a refused path", func(e entry) bool {
			return e.Kind == "https" && strings.HasPrefix(e.Path, "/") && e.Reason == "path-not-listed" && e.Method == "GET"
		})
		// What the agent is told names the host and what its operator can do.
		a.must(order{Script: "curl -sS https://api.test/v2/x"}, "api.test")
	})
}

// E18: a redirect to a host that is not listed ends there.
func TestEGRE18Redirect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for _, plain := range []bool{true, false} {
			a.net.Forget()
			before := a.denials()["host-not-listed"]
			for _, to := range []string{"https://evil.test/", "http://evil.test/x", "http://sub.web.test/"} {
				out, exit := a.sh(order{Script: "curl -sS -f -L 'https://web.test/to?url=" + to + "'", Plain: plain})
				if exit == 0 {
					t.Errorf("%s: %s", to, out)
				}
			}
			s := a.net.Seen()
			if len(s.Requested("web.test")) != 3 || len(s.Requests) != 3 || s.Asked("evil.test")+s.Asked("sub.web.test") > 0 {
				t.Errorf("the origins saw %+v, %+v", s.Requests, s.Queries)
			}
			if after := a.denials()["host-not-listed"]; after < before+3 {
				t.Errorf("%d denials before and %d after", before, after)
			}
		}
		a.must(order{Script: "curl -sS -f -L 'https://web.test/to?url=https://x.wild.test/there'"}, "origin x.wild.test GET /there")
		// An address of metadata, in all the ways that a redirect can name it.
		a.net.Forget()
		for _, to := range []string{"http://169.254.169.254/latest", "http://[::ffff:a9fe:a9fe]/", "http://2852039166/"} {
			if out, exit := a.sh(order{Script: "curl -sS -g -f -L 'http://web.test/to?url=" + to + "'"}); exit == 0 {
				t.Errorf("%s: %s", to, out)
			}
		}
		if s := a.net.Seen(); s.To("169.254.169.254", 0) > 0 {
			t.Errorf("the metadata address got packets: %+v", s.Packets)
		}
	})
}

// E21, D9: an origin with a bad certificate gets no request from the gate; where the gate does not inspect, the client
// itself sees the certificate.
func TestEGRE21Certificates(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		for _, name := range []string{"expired.api.test", "selfsigned.api.test", "wrongname.api.test"} {
			for _, plain := range []bool{true, false} {
				a.net.Forget()
				a.must(order{Script: "curl -sS -k -o /dev/null -w '%{http_code}' https://" + name + "/", Plain: plain}, "502")
				if r := a.net.Seen().Requests; len(r) > 0 {
					t.Errorf("%s: the origin saw %+v", name, r)
				}
			}
			a.audited(name, func(e entry) bool {
				return e.Host == name && (e.Result == "bad-certificate" || e.Reason == "bad-certificate")
			})
		}
		a.net.Names(map[string]origins.Answer{"expired.wild.test": {Addresses: []string{origins.Address}}})
		if out, exit := a.sh(order{Script: "curl -sS https://expired.wild.test/"}); exit != 60 || !strings.Contains(out, "expired") {
			t.Errorf("a client that sees the certificate: exit status %d, %s", exit, out)
		}
		// The gate's own key: nobody but its user can read it, and it is good for nothing but these hosts.
		if out, exit := a.sh(order{Script: "cat /var/lib/fleet/demo/egress/gate/" + a.key + "/ca/* /var/lib/fleet/demo/egress/gate/*/*"}); exit == 0 {
			t.Errorf("the agent reads %.100s", out)
		}
		mode := a.Sh("find /var/lib/fleet/demo/egress/gate/" + a.key + " -type f -printf '%m %u\\n' | sort -u")
		if slices.ContainsFunc(strings.Split(mode, "\n"), func(l string) bool { return !strings.HasSuffix(l, "00 demo-"+a.key+"-gate") }) {
			t.Errorf("files of the gate are %s", mode)
		}
		bound := a.permitted()
		if !slices.Contains(bound, "api.test") || slices.Contains(bound, "web.test") {
			t.Errorf("the authority of the gate is bound to %q", bound)
		}
	})
}

// permitted are the names that the authority of the agent's gate is good for.
func (a *agent) permitted() []string {
	rest, err := os.ReadFile(a.Path("/var/lib/fleet/demo/egress/ca/" + a.key + "/bundle.pem"))
	if err != nil {
		a.t.Fatal(err)
	}
	var b *pem.Block
	for b, rest = pem.Decode(rest); b != nil; b, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(b.Bytes); err == nil && c.PermittedDNSDomainsCritical {
			return c.PermittedDNSDomains
		}
	}
	return nil
}

// D12: one connection for each of many names below an inspected wildcard. As many certificates are made as the limit of
// new names lets through, none for a name outside, and the gate keeps what memory it has.
func TestCATD12ManyLeaves(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		gate, before := a.gate(), a.resident("VmRSS")
		config := a.trusting("")
		made := 0
		for i := range 400 {
			name := fmt.Sprintf("d%d.leaf.test", i)
			c, err := a.connect(name + ":443")
			var r *refused
			if errors.As(err, &r) && r.reason == "too-many" {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			config.ServerName = name
			if err := tls.Client(c, config).Handshake(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			made++
			c.Close()
		}
		if made < 50 || made > 250 {
			t.Errorf("%d certificates for 400 names, want about 100", made)
		}
		a.blocked([]attempt{{"a name outside", connect("d1.leaf.test.evil.test:443"), "host-not-listed", ""}})
		if after := a.resident("VmRSS"); after > before+16<<10 || a.gate() != gate {
			t.Errorf("the gate has %d KiB, had %d; process %s, was %s", after, before, a.gate(), gate)
		}
		a.must(order{Script: "curl -sS https://any.api.test/after"}, "origin any.api.test GET /after")
	})
}
