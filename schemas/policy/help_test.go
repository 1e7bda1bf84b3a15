package policy_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/policy"
)

// Every answer can be explained, and shows nothing raw that an agent wrote (E27).
func TestHelp(t *testing.T) {
	m := compile(t, team())
	for _, s := range []string{
		"dns other.test", "connect other.test:443", "connect \x1b[2J\n:443", "connect origin.test:443",
		"https api.wild.test:443 GET /x", "https api.wild.test:443 POST /user", "tcp :443 1.2.3.4",
		"connect " + strings.Repeat("\xff", 1<<20) + ":443",
	} {
		q := ask(t, s)
		for _, mode := range []string{policy.Enforce, policy.Report, policy.Off} {
			h := m.In(mode).Decide(q).Help(q)
			if len(h) > 1000 || !utf8.ValidString(h) || strings.ContainsAny(h, "\x1b\n") || h == "" {
				t.Errorf("%.60q: %q", s, h)
			}
		}
	}
	for reason, what := range map[string]string{
		policy.ReasonHost: "allow list", policy.ReasonAddress: "the host's name", policy.ReasonPort: "other ports",
		policy.ReasonProtocol: "another protocol", policy.ReasonMethod: "method GET", policy.ReasonPath: "path /a",
		policy.ReasonDenied: "by deny[0]", policy.ReasonLongName: "63 characters", policy.ReasonUnreadable: "is raw",
		policy.ReasonBadRequest: "cannot be", policy.ReasonBadHost: "DNS name", policy.ReasonBadPort: "65535",
		policy.ReasonBadMethod: "upper case", policy.ReasonBadPath: "dot segments", policy.ReasonPrivate: "private true",
		policy.ReasonForbidden: "no agent", policy.ReasonPlaceholder: "placeholder",
	} {
		q := policy.Request{Kind: policy.KindHTTPS, Host: "a.test", Port: 443, Method: "GET", Path: "/a"}
		h := policy.Decision{Reason: reason, Rule: "deny[0]"}.Help(q)
		if !strings.HasPrefix(h, "a.test:443 is ") || !strings.Contains(h, what) {
			t.Errorf("%s: %q", reason, h)
		}
	}
	q := ask(t, "connect other.test:443")
	want := "other.test:443 is not in the allow list; to allow it, the operator adds it to egress.allow, then builds and switches"
	if d := cmp.Diff(want, m.Decide(q).Help(q)); d != "" {
		t.Error(d)
	}
}
