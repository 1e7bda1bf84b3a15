package judge_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-gate/internal/judge"
	record "fleet/schemas/audit"
	"fleet/schemas/policy"
)

func matcher(t *testing.T, hosts ...string) *policy.Matcher {
	t.Helper()
	p := policy.Policy{Version: policy.Version, Project: "demo", Agent: "lead", Mode: policy.Enforce}
	for _, h := range hosts {
		p.Allow = append(p.Allow, policy.Rule{Name: "rule " + h, Host: h, Ports: []int{443}, Protocol: policy.TLS})
	}
	m, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type log struct {
	all []record.Record
	err error
}

func (l *log) Write(r record.Record) error {
	if l.err == nil {
		r.Micros = 0
		l.all = append(l.all, r)
	}
	return l.err
}

func connect(host string) policy.Request {
	return policy.Request{Kind: policy.KindConnect, Host: host, Port: 443}
}

// EGR-E26, EGR-H4: a new policy cuts what it does not allow, and nothing else.
func TestE26Replace(t *testing.T) {
	j := judge.New(matcher(t, "a.test", "b.test"), &log{})
	cut := map[string]int{}
	var watches []*judge.Watch
	for _, host := range []string{"a.test", "b.test"} {
		w, ok := j.Watch(func() { cut[host]++ }, connect(host))
		if !ok {
			t.Fatal("not allowed")
		}
		watches = append(watches, w)
	}
	if n := j.Replace(matcher(t, "b.test")); n != 1 {
		t.Errorf("cut %d", n)
	}
	if d := cmp.Diff(map[string]int{"a.test": 1}, cut); d != "" {
		t.Error(d)
	}
	if _, ok := j.Watch(func() {}, connect("a.test")); ok {
		t.Error("what was asked before the new policy is still allowed")
	}
	watches[1].Done()
	if n := j.Replace(matcher(t)); n != 1 { // the first one is still there, since nobody said it was done
		t.Errorf("cut %d", n)
	}
}

func TestCase(t *testing.T) {
	l := new(log)
	j := judge.New(matcher(t, "a.test"), l)
	q := policy.Request{Kind: policy.KindHTTP, Host: "a.test", Port: 443, Method: "GET", Path: "/x?secret=1"}
	c := j.Case(j.Number(), q)
	if r := c.Allow(policy.Decision{Allow: true, Rule: "r", Reason: "allowed"}, "192.0.2.1"); r != nil {
		t.Fatal(r)
	}
	c.End(1, 2, "closed")
	denied := policy.Request{Kind: policy.KindDial, Host: "a.test", Addr: netip.MustParseAddr("10.0.0.1"), Port: 443}
	d := j.Decide(denied)
	j.Case(2, q).Deny(judge.Refuse(d, denied))
	base := record.Record{Event: record.Decision, Connection: 1, Kind: "http", Host: "a.test", Port: 443, Method: "GET", Path: "/x", Serial: 1}
	allow, deny := base, base
	allow.Verdict, allow.Rule, allow.Reason, allow.Address = record.Allow, "r", "allowed", "192.0.2.1"
	end := allow
	end.Event, end.BytesUp, end.BytesDown, end.Result = record.End, 1, 2, "closed"
	deny.Serial = 2
	deny.Connection, deny.Verdict, deny.Rule, deny.Reason, deny.Address = 2, record.Deny, "rule a.test", policy.ReasonPrivate, "10.0.0.1"
	if d := cmp.Diff([]record.Record{allow, end, deny}, l.all); d != "" {
		t.Error(d)
	}
}

// EGR-H8: what cannot be recorded is not allowed.
func TestH8Unrecorded(t *testing.T) {
	j := judge.New(matcher(t, "a.test"), &log{err: errors.New("full")})
	r := j.Case(1, connect("a.test")).Allow(policy.Decision{Allow: true}, "")
	if r == nil || r.Reason != judge.Unrecorded {
		t.Errorf("got %v", r)
	}
}

func TestReported(t *testing.T) {
	l := new(log)
	j := judge.New(matcher(t, "a.test").In(policy.Report), l)
	d := j.Decide(connect("b.test"))
	if r := j.Case(1, connect("b.test")).Allow(d, ""); r != nil || l.all[0].Verdict != record.Would || l.all[0].Reason != policy.ReasonHost {
		t.Errorf("got %v, %+v", r, l.all)
	}
}
