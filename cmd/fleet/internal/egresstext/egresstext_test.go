package egresstext_test

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet/internal/egresstext"
	"fleet/schemas/audit"
)

func entry(r audit.Record) audit.Entry {
	r.Agent, r.Project = "lead", "demo"
	return audit.Entry{Time: time.Date(2026, 5, 1, 13, 0, 0, 0, time.UTC), Record: r}
}

var records = []audit.Record{
	{Event: audit.Decision, Kind: "tls", Host: "api.test", Port: 443, Verdict: audit.Allow, Rule: "egress.allow[0]", Reason: "allowed"},
	{Event: audit.Decision, Kind: "https", Method: "POST", Host: "api.test", Port: 443, Path: "/v1", Verdict: audit.Deny, Reason: "path-not-listed"},
	{Event: audit.Repeated, Kind: "dns", Host: "x.test", Verdict: audit.Deny, Reason: "host-not-listed", Count: 7},
	{Event: audit.Decision, Kind: "tcp", Host: "2001:db8::1", Port: 22, Verdict: audit.Would, Reason: "address-not-listed"},
	{Event: audit.End, Kind: "connect", Host: "api.test", Port: 443, Verdict: audit.Allow, BytesUp: 10, BytesDown: 20, Micros: 1.5e6, Result: "closed"},
}

func TestLines(t *testing.T) {
	time.Local = time.UTC
	p := egresstext.New([]string{"lead", "worker"}, 0, false)
	var got strings.Builder
	for _, r := range records {
		got.WriteString(p.Line(entry(r)))
	}
	const want = `TIME                 AGENT   VERDICT   KIND     WHAT                                      WHY
2026-05-01 13:00:00  lead    allow     tls      api.test:443                              egress.allow[0]
2026-05-01 13:00:00  lead    deny      https    POST api.test:443/v1                      path-not-listed
2026-05-01 13:00:00  lead    deny      dns      x.test                                    host-not-listed, 7 more
2026-05-01 13:00:00  lead    would     tcp      [2001:db8::1]:22                          address-not-listed
2026-05-01 13:00:00  lead    end       connect  api.test:443                              closed, 10 bytes up, 20 down, 1.5 s
`
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Error(d)
	}
	for line := range strings.Lines(egresstext.New([]string{"lead"}, 60, false).Line(entry(records[1]))) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 60 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

// EGR-E27: whatever an agent put into a record, it stays one line without a control character.
func FuzzLine(f *testing.F) {
	f.Add("a\nb", "\x1b[2J", "\xff", 10)
	f.Fuzz(func(t *testing.T, host, path, reason string, width int) {
		e := entry(audit.Record{Event: audit.Decision, Kind: "tls", Host: host, Path: path, Reason: reason, Verdict: audit.Deny})
		p := egresstext.New(nil, width%200, false)
		p.Line(e)
		line := strings.TrimSuffix(p.Line(e), "\n")
		if strings.ContainsFunc(line, unicode.IsControl) {
			t.Errorf("%q", line)
		}
	})
}
