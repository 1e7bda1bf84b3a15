package suggest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-jsonnet"

	"fleet/cmd/fleet/internal/suggest"
	"fleet/schemas/audit"
	"fleet/schemas/policy"
)

func would(kind, host string, port int, reason string) audit.Record {
	return audit.Record{Event: audit.Decision, Kind: kind, Host: host, Port: port, Verdict: audit.Would, Reason: reason}
}

func request(host string, port int, method, path string) audit.Record {
	r := would("https", host, port, policy.ReasonPath)
	r.Method, r.Path = method, path
	return r
}

func denied(r audit.Record) audit.Record {
	r.Verdict = audit.Deny
	return r
}

// EGR-E25: what is suggested is what was used, no more.
func TestE25Suggest(t *testing.T) {
	p := &policy.Policy{Version: 1, Project: "demo", Agent: "lead", Mode: policy.Report, Allow: []policy.Rule{
		{Name: "r", Host: "known.test", Ports: []int{443}, Protocol: policy.TLS},
	}}
	now, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	m := suggest.New(now, false)
	for _, r := range []audit.Record{
		would("dns", "web.test", 0, policy.ReasonHost), would("tcp", "web.test", 443, policy.ReasonHost),
		would("tls", "web.test", 443, policy.ReasonHost), would("http", "web.test", 80, policy.ReasonHost),
		would("connect", "one.test", 443, policy.ReasonHost), would("tcp", "ssh.test", 22, policy.ReasonHost),
		would("tls", "ssh.test", 8443, policy.ReasonPort), would("dns", "only.test", 0, policy.ReasonHost),
		would("tls", "known.test", 443, policy.ReasonHost), would("tcp", "192.0.2.1", 443, policy.ReasonAddress),
		request("api.test", 443, "GET", "/v1/a"), request("api.test", 443, "GET", "/v1/b"), request("api.test", 443, "PUT", "/v1/b"),
		denied(would("tls", "denied.test", 443, policy.ReasonHost)), denied(would("dial", "priv.test", 443, policy.ReasonPrivate)),
		{Event: audit.End, Kind: "tls", Host: "ended.test", Port: 443, Verdict: audit.Would},
		{Event: audit.Decision, Kind: "tls", Host: "fine.test", Port: 443, Verdict: audit.Allow, Reason: "allowed"},
	} {
		m.Add(r)
	}
	got := suggest.Jsonnet([]suggest.Agent{{Key: "lead", Allow: m.Rules(), LeftOut: m.LeftOut()}, {Key: "idle"}, {Key: "deploy", Sidecar: true, Allow: m.Rules()[:1]}})
	const want = `{
  agents+: {
    // left out of lead: 192.0.2.1:443 is an address: a program that uses the name is better off (1 times)
    // left out of lead: only.test was looked up only
    'lead'+: { egress+: { allow+: [
      { host: 'api.test', ports: [443], methods: ['GET'], paths: ['/v1/a'] },
      { host: 'api.test', ports: [443], methods: ['GET', 'PUT'], paths: ['/v1/b'] },
      'one.test:443',
      { host: 'ssh.test', ports: [8443] },
      { host: 'ssh.test', ports: [22], protocol: 'raw' },
      'web.test',
    ] } },
    // idle: nothing to add
  },
  sidecars+: {
    'deploy'+: { egress+: { allow+: [
      { host: 'api.test', ports: [443], methods: ['GET'], paths: ['/v1/a'] },
    ] } },
  },
}
`
	if d := cmp.Diff(strings.Replace(want, "{ host: 'ssh.test', ports: [8443] }", "'ssh.test:8443'", 1), got); d != "" {
		t.Error(d)
	}
	if _, err := jsonnet.MakeVM().EvaluateAnonymousSnippet("x", "{ agents: { lead: { egress: { allow: [] } } }, sidecars: { deploy: { egress: { allow: [] } } } } + "+got); err != nil {
		t.Error(err)
	}
}

// With denials, a name that was asked for in vain is one to list.
func TestDenied(t *testing.T) {
	m := suggest.New(nil, true)
	for _, r := range []audit.Record{
		denied(would("dns", "a.test", 0, policy.ReasonHost)), denied(would("connect", "b.test", 8080, policy.ReasonHost)),
		denied(would("dial", "p.test", 443, policy.ReasonPrivate)), denied(would("connect", "*.x.test", 443, policy.ReasonHost)),
		{Event: audit.Repeated, Kind: "dns", Verdict: audit.Deny, Reason: "many", Count: 40},
	} {
		m.Add(r)
	}
	got := suggest.Jsonnet([]suggest.Agent{{Key: "a", Allow: m.Rules(), LeftOut: m.LeftOut()}})
	for _, want := range []string{
		"      'a.test',\n      { host: 'b.test', ports: [8080], protocol: 'raw' },\n    ]", "p.test:443 lies at a private address",
		"*.x.test:443 is no plain name", "dns are different ones, too many to have a record each (40 times)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// Whatever stands in records, the text evaluates, and to an object of agents alone.
func FuzzJsonnet(f *testing.F) {
	f.Add("a.test", "GET", "/x'\n}", "path-not-listed", 443)
	f.Fuzz(func(t *testing.T, host, method, path, reason string, port int) {
		m := suggest.New(nil, true)
		r := denied(would("https", host, port&0xffff, reason))
		r.Method, r.Path = method, path
		m.Add(r)
		m.Add(request("b.test", 443, method, path))
		got := suggest.Jsonnet([]suggest.Agent{{Key: "a", Allow: m.Rules(), LeftOut: m.LeftOut()}})
		if _, err := jsonnet.MakeVM().EvaluateAnonymousSnippet("x", got); err != nil {
			t.Errorf("%v\n%s", err, got)
		}
	})
}
