package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"fleet/schemas/policy"
)

// team is the policy that most tests ask.
func team() policy.Policy {
	web := []int{443}
	return policy.Policy{
		Version: 1, Project: "demo", Agent: "lead", Mode: policy.Enforce,
		Allow: []policy.Rule{
			{Name: "allow[0]", Host: "origin.test", Ports: web, Protocol: policy.TLS},
			{Name: "allow[0]", Host: "origin.test", Ports: []int{80}, Protocol: policy.HTTP},
			{Name: "allow[1]", Host: "*.wild.test", Ports: web, Protocol: policy.TLS},
			{Name: "allow[2]", Host: "git.wild.test", Ports: []int{22}, Protocol: policy.Raw},
			{
				Name: "allow[3]", Host: "api.wild.test", Ports: web, Protocol: policy.TLS,
				Methods: []string{"GET", "HEAD"}, Paths: []string{"/repos/me/*", "/user"},
			},
			{Name: "allow[4]", Host: "*.deep.wild.test", Ports: []int{8443}, Protocol: policy.TLS},
			{
				Name: "allow[5]", Host: "10.0.0.5", Ports: []int{5432}, Protocol: policy.Raw, Private: true,
			},
			{Name: "allow[6]", Host: "db.test", Ports: []int{5432}, Protocol: policy.Raw, Private: true},
			{
				Name: "allow[7]", Host: "hub.test", Ports: web, Protocol: policy.TLS,
				Limits: &policy.Limits{RequestsPerDay: 100, BytesUpPerDay: 1 << 20},
			},
			{Name: "allow[8]", Host: "xn--bcher-kva.test", Ports: web, Protocol: policy.TLS},
			{Name: "allow[9]", Host: "both.test", Ports: web, Protocol: policy.TLS},
			{Name: "allow[11]", Host: "cap.test", Ports: web, Protocol: policy.TLS, Limits: &policy.Limits{BytesUpPerDay: 9}},
			{Name: "allow[10]", Host: "fd00::5", Ports: []int{22}, Protocol: policy.Raw, Private: true},
		},
		Deny: []policy.Denial{
			{Name: "deny[0]", Host: "evil.wild.test"},
			{Name: "deny[1]", Host: "both.test", Ports: web},
			{Name: "deny[2]", Host: "hub.test", Ports: web, Paths: []string{"/evil/*", "/admin", "/tail/"}},
			{Name: "deny[3]", Host: "hub.test", Ports: web, Methods: []string{"DELETE"}},
			{Name: "deny[5]", Host: "only.test", Ports: []int{22}, Paths: []string{"/a"}},
			{Name: "deny[4]", Host: "*.closed.wild.test", Ports: []int{25}},
		},
	}
}

// ask makes a request of "KIND HOST:PORT [METHOD PATH | ADDRESS]", "dns HOST", or "tcp :PORT ADDRESS".
func ask(t testing.TB, s string) policy.Request {
	t.Helper()
	kinds := map[string]policy.Kind{
		"dns": policy.KindDNS, "connect": policy.KindConnect, "tcp": policy.KindTCP, "tls": policy.KindTLS,
		"http": policy.KindHTTP, "https": policy.KindHTTPS, "dial": policy.KindDial,
	}
	f := strings.SplitN(s, " ", 4)
	q := policy.Request{Kind: kinds[f[0]], Host: f[1]}
	if q.Kind != policy.KindDNS {
		at := strings.LastIndex(f[1], ":")
		q.Host = f[1][:at]
		if _, err := fmt.Sscan(f[1][at+1:], &q.Port); err != nil {
			t.Fatal(err)
		}
	}
	switch len(f) {
	case 3:
		q.Addr = netip.MustParseAddr(f[2])
	case 4:
		q.Method, q.Path = f[2], f[3]
	}
	return q
}

// answer is a decision in short: "allow RULE PROTOCOL [inspect]" or "REASON [RULE]".
func answer(d policy.Decision) string {
	var words []string
	switch {
	case d.Reported:
		words = []string{"reported", d.Reason, d.Rule}
	case d.Allow:
		words = []string{"allow", d.Rule, d.Protocol}
		if d.Inspect {
			words = append(words, "inspect")
		}
	default:
		words = []string{d.Reason, d.Rule}
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

func TestDecide(t *testing.T) {
	for _, c := range []struct{ row, ask, want string }{
		{"A1 listed", "connect origin.test:443", "allow allow[0] tls"},
		{"A1 not listed", "connect other.test:443", "host-not-listed"},
		{"A1 dns", "dns other.test", "host-not-listed"},
		{"A2 mixed case", "tls ORIGIN.Test:443", "allow allow[0] tls"},
		{"A3 dot at the end", "connect origin.test.:443", "allow allow[0] tls"},
		{"A3 two dots", "connect origin.test..:443", "bad-host"},
		{"A3 leading dot", "connect .origin.test:443", "bad-host"},
		{"A4 longer name", "connect notorigin.test:443", "host-not-listed"},
		{"A4 longer wildcard", "connect notwild.test:443", "host-not-listed"},
		{"A4 below an exact rule", "connect a.origin.test:443", "host-not-listed"},
		{"A5 apex", "connect wild.test:443", "host-not-listed"},
		{"A6 one below", "connect a.wild.test:443", "allow allow[1] tls"},
		{"A6 two below", "connect a.b.wild.test:443", "allow allow[1] tls"},
		{"A9 Unicode", "connect BÜCHER.test:443", "allow allow[8] tls"},
		{"A9 ASCII", "connect xn--bcher-kva.test:443", "allow allow[8] tls"},
		{"A9 homograph", "connect \u043erigin.test:443", "host-not-listed"},
		{"A10 fullwidth dot", "connect origin\u3002test:443", "bad-host"},
		{"A10 soft hyphen", "connect ori\u00adgin.test:443", "bad-host"},
		{"A10 joiner", "connect ori\u200dgin.test:443", "bad-host"},
		{"A11 underscore", "connect _x.wild.test:443", "allow allow[1] tls"},
		{"A11 digits", "connect 123.wild.test:443", "allow allow[1] tls"},
		{"A11 digits at the end", "connect wild.123:443", "bad-host"},
		{"A11 long label", "connect " + strings.Repeat("a", 64) + ".wild.test:443", "bad-host"},
		{"A13 allow and deny", "connect both.test:443", "denied deny[1]"},
		{"A13 exception", "connect evil.wild.test:443", "denied deny[0]"},
		{"A13 exception dns", "dns evil.wild.test", "denied deny[0]"},
		{"A13 below it", "connect a.evil.wild.test:443", "allow allow[1] tls"},
		{"A13 dns of a denied port", "dns both.test", "denied deny[1]"},
		{"A13 denial of another port", "connect a.closed.wild.test:443", "allow allow[1] tls"},
		{"A13 denied port", "connect a.closed.wild.test:25", "denied deny[4]"},
		{"A14 other port", "connect origin.test:22", "port-not-listed"},
		{"A14 plain port", "connect origin.test:80", "allow allow[0] http"},
		{"A14 exact beside a wildcard", "tcp git.wild.test:22", "allow allow[2] raw"},
		{"A14 the wildcard's port", "connect git.wild.test:443", "allow allow[1] tls"},
		{"A14 the shorter wildcard's port", "connect a.deep.wild.test:443", "allow allow[1] tls"},
		{"A14 the longer wildcard's port", "connect a.deep.wild.test:8443", "allow allow[4] tls"},

		{"B1 loopback", "connect 127.0.0.1:443", "address-not-listed"},
		{"B1 loopback 6", "connect [::1]:443", "address-not-listed"},
		{"B1 unspecified", "connect 0.0.0.0:443", "forbidden-address"},
		{"B1 unspecified 6", "connect [::]:443", "forbidden-address"},
		{"B2 decimal", "connect 2130706433:443", "bad-host"},
		{"B2 hex", "connect 0x7f000001:443", "bad-host"},
		{"B2 octal", "connect 0177.0.0.1:443", "bad-host"},
		{"B2 short", "connect 127.1:443", "bad-host"},
		{"B2 hex short", "connect 0x7f.1:443", "bad-host"},
		{"B2 dns", "dns 127.0.0.1", "bad-host"},
		{"B2 dot", "connect 127.0.0.1.:443", "bad-host"},
		{"B3 mapped", "connect [::ffff:127.0.0.1]:443", "address-not-listed"},
		{"B3 mapped hex", "connect [::ffff:7f00:1]:443", "address-not-listed"},
		{"B3 mapped long", "connect [0:0:0:0:0:ffff:7f00:1]:443", "address-not-listed"},
		{"B3 listed mapped", "connect [::ffff:10.0.0.5]:5432", "allow allow[5] raw"},
		{"B3 zone", "connect [fe80::1%eth0]:443", "bad-host"},
		{"B3 listed", "tcp 10.0.0.5:5432", "allow allow[5] raw"},
		{"B3 listed 6", "tcp [FD00:0::5]:22", "allow allow[10] raw"},
		{"B3 by address", "tcp :5432 10.0.0.5", "allow allow[5] raw"},
		{"B3 by mapped address", "tcp :5432 ::ffff:10.0.0.5", "allow allow[5] raw"},
		{"B3 by other address", "tcp :5432 1.2.3.4", "address-not-listed"},
		{"B3 by metadata", "tcp :80 169.254.169.254", "forbidden-address"},
		{"B5 public", "dial origin.test:443 1.2.3.4", "allow allow[0] tls"},
		{"B5 private", "dial origin.test:443 10.0.0.1", "private-address allow[0]"},
		{"B5 shared", "dial origin.test:443 100.64.0.1", "private-address allow[0]"},
		{"B5 unique local", "dial origin.test:443 fc00::1", "private-address allow[0]"},
		{"B5 meant", "dial db.test:5432 10.0.0.1", "allow allow[6] raw"},
		{"B5 loopback meant", "dial db.test:5432 127.0.0.1", "allow allow[6] raw"},
		{"B5 not listed", "dial other.test:443 1.2.3.4", "host-not-listed"},
		{"B6 metadata", "dial origin.test:443 169.254.169.254", "forbidden-address allow[0]"},
		{"B6 meant", "dial db.test:5432 169.254.169.254", "forbidden-address allow[6]"},
		{"B8 NAT64 of metadata", "dial db.test:5432 64:ff9b::a9fe:a9fe", "forbidden-address allow[6]"},
		{"B8 NAT64", "dial origin.test:443 64:ff9b::102:304", "private-address allow[0]"},
		{"B8 mapped", "dial origin.test:443 ::ffff:1.2.3.4", "private-address allow[0]"},
		{"B12 another address", "dial 10.0.0.5:5432 10.0.0.6", "bad-request"},
		{"B12 no address", "dial origin.test:443", "bad-request"},

		{"C2 port 0", "connect origin.test:0", "bad-port"},
		{"C3 user", "connect user@origin.test:443", "bad-host"},
		{"C3 fragment", "connect origin.test#x:443", "bad-host"},
		{"C3 query", "connect origin.test?x:443", "bad-host"},
		{"C3 path", "connect origin.test/x:443", "bad-host"},
		{"C3 backslash", `connect origin.test\x:443`, "bad-host"},
		{"C3 tab", "connect origin.test\t:443", "bad-host"},
		{"C4 NUL", "connect origin.test\x00.evil.test:443", "bad-host"},
		{"C4 encoded NUL", "connect origin.test%00.evil.test:443", "bad-host"},
		{"C9 no kind", "gopher origin.test:70", "bad-request"},
		{"C13 asterisk", "http origin.test:80 OPTIONS *", "bad-path"},

		{"D3 plain request on TLS", "http origin.test:443 GET /", "protocol-not-listed allow[0]"},
		{"D3 TLS on plain", "tls origin.test:80", "protocol-not-listed allow[0]"},
		{"D3 TLS on raw", "tls git.wild.test:22", "allow allow[2] raw"},
		{"D4 plain", "http origin.test:80 POST /a//b;c", "allow allow[0] http"},
		{"D4 inspected on plain", "https origin.test:80 GET /", "protocol-not-listed allow[0]"},
		{"D4 inspected on raw", "https git.wild.test:22 GET /", "protocol-not-listed allow[2]"},

		{"E17 tunnel", "connect api.wild.test:443", "allow allow[3] tls inspect"},
		{"E17 path", "https api.wild.test:443 GET /repos/me/x?q=/../", "allow allow[3] tls inspect"},
		{"E17 exact path", "https api.wild.test:443 HEAD /user", "allow allow[3] tls inspect"},
		{"E17 slash after it", "https api.wild.test:443 GET /user/", "path-not-listed"},
		{"E17 apex of paths", "https api.wild.test:443 GET /repos/me", "path-not-listed"},
		{"E17 other path", "https api.wild.test:443 GET /repos/you/x", "path-not-listed"},
		{"E17 other case", "https api.wild.test:443 GET /repos/Me/x", "path-not-listed"},
		{"E17 other method", "https api.wild.test:443 POST /user", "method-not-listed"},
		{"E17 case of method", "https api.wild.test:443 get /user", "bad-method"},
		{"E17 tunnel in a tunnel", "https origin.test:443 CONNECT /", "bad-method"},
		{"E17 dots", "https api.wild.test:443 GET /repos/me/../you", "bad-path"},
		{"E17 encoded dots", "https api.wild.test:443 GET /repos/me/%2e%2E/you", "bad-path"},
		{"E17 encoded slash", "https api.wild.test:443 GET /repos/me%2fx", "bad-path"},
		{"E17 encoded letter", "https api.wild.test:443 GET /%75ser", "allow allow[3] tls inspect"},
		{"E17 double encoding", "https api.wild.test:443 GET /repos/me/%252e%252e/you", "bad-path"},
		{"E17 semicolon", "https api.wild.test:443 GET /repos/me/..;/you", "bad-path"},
		{"E17 empty segment", "https api.wild.test:443 GET /repos//me/x", "bad-path"},
		{"E17 absolute path", "https api.wild.test:443 GET https://api.wild.test/user", "bad-path"},
		{"J1 denied path", "https hub.test:443 POST /evil/x", "denied deny[2]"},
		{"J1 denied in other case", "https hub.test:443 POST /Evil/x", "denied deny[2]"},
		{"J1 denied encoded", "https hub.test:443 POST /%65vil/x", "denied deny[2]"},
		{"J1 denied with slash", "https hub.test:443 GET /ADMIN/", "denied deny[2]"},
		{"J1 denied without slash", "https hub.test:443 GET /tail", "denied deny[2]"},
		{"J1 denied as it stands", "https hub.test:443 GET /tail/", "denied deny[2]"},
		{"J1 denied method", "https hub.test:443 DELETE /x", "denied deny[3]"},
		{"J1 ambiguous", "https hub.test:443 GET /x/../evil/x", "bad-path"},
		{"J1 else", "https hub.test:443 GET /good", "allow allow[7] tls inspect"},
		{"J1 tunnel", "connect hub.test:443", "allow allow[7] tls inspect"},
		{"J4 bucket", "dns " + strings.Repeat("a", 63) + ".wild.test", "allow allow[1]"},
		{"J4 data", "dns " + strings.Repeat("a", 32) + "." + strings.Repeat("b", 31) + ".wild.test", "long-name allow[1]"},
	} {
		p := team()
		if got := answer(compile(t, p).Decide(ask(t, c.ask))); got != c.want {
			t.Errorf("%s: %q: got %q, want %q", c.row, c.ask, got, c.want)
		}
		for i, j := 0, len(p.Allow)-1; i < j; i, j = i+1, j-1 { // the order of rules means nothing
			p.Allow[i], p.Allow[j] = p.Allow[j], p.Allow[i]
		}
		if got := answer(compile(t, p).Decide(ask(t, c.ask))); got != c.want {
			t.Errorf("%s: %q in reverse order: got %q, want %q", c.row, c.ask, got, c.want)
		}
	}
}

// A15: without rules nothing is allowed.
func TestDecideWithoutRules(t *testing.T) {
	m := compile(t, policy.Policy{Version: 1, Project: "demo", Agent: "lead", Mode: policy.Enforce})
	for _, q := range []string{"dns origin.test", "connect origin.test:443", "dial origin.test:443 1.2.3.4", "tcp :443 1.2.3.4"} {
		if d := m.Decide(ask(t, q)); d.Allow {
			t.Errorf("%s: %+v", q, d)
		}
	}
}
