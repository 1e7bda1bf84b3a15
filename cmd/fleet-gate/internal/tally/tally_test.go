package tally

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	record "fleet/schemas/audit"
	"fleet/schemas/egress"
	"fleet/schemas/policy"
)

type sink struct{ err error }

func (s *sink) Write(record.Record) error { return s.err }

func decided(verdict, reason, rule string) record.Record {
	return record.Record{Event: record.Decision, Kind: "connect", Verdict: verdict, Reason: reason, Rule: rule}
}

// at makes a Tally whose clock a test sets.
func at(now *time.Time) *Tally {
	t := New(func() {})
	t.now = func() time.Time { return *now }
	return t
}

func TestHours(t *testing.T) {
	now := time.Date(2026, 5, 1, 13, 59, 0, 0, time.UTC)
	c := at(&now)
	log := c.Over(new(sink))
	write := func(verdict, reason string) {
		t.Helper()
		if err := log.Write(decided(verdict, reason, "")); err != nil {
			t.Fatal(err)
		}
	}
	write(record.Allow, policy.ReasonAllowed)
	now = now.Add(2 * time.Minute)
	write(record.Deny, policy.ReasonHost)
	write(record.Would, policy.ReasonHost)
	write(record.Bypassed, policy.ReasonHost)
	write(record.Deny, policy.ReasonSelf)
	write(record.Allow, policy.ReasonSelf)
	day, total := c.Counts()
	want := egress.Tally{Allowed: 1, Denied: 1, Reported: 1, Bypassed: 1}
	if day != want || total != want || len(c.counts.Hours) != 2 {
		t.Errorf("got %+v, %+v, %+v", day, total, c.counts.Hours)
	}
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again := at(&now)
	if err := again.Parse(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c.counts, again.counts); d != "" {
		t.Error(d)
	}
	for hours := range 100 { // every hour of four days
		now = now.Add(time.Hour)
		write(record.Deny, policy.ReasonHost)
		if day, _ := c.Counts(); day.Denied > 25 || len(c.counts.Hours) > 26 {
			t.Fatalf("after %d hours %+v in %d", hours, day, len(c.counts.Hours))
		}
	}
	now = now.Add(-50 * time.Hour) // the clock was wrong
	write(record.Allow, policy.ReasonAllowed)
	if day, _ := c.Counts(); day.Allowed != 1 {
		t.Errorf("after the clock was set back: %+v", day)
	}
	b, _ = c.Encode()
	if err := again.Parse(b); err != nil {
		t.Error(err)
	}
}

// EGR-H8: what could not be recorded was refused, and is counted so.
func TestH8Unrecorded(t *testing.T) {
	now := time.Now()
	c := at(&now)
	if c.Over(&sink{errors.New("full")}).Write(decided(record.Allow, policy.ReasonAllowed, "r")) == nil {
		t.Error("no error")
	}
	if day, _ := c.Counts(); day != (egress.Tally{Denied: 1}) || c.unrecorded.Load() != 1 {
		t.Errorf("got %+v", day)
	}
}

// What goes in is counted by secret, a placeholder elsewhere once: in its decision, or in the end of a body.
func TestSecrets(t *testing.T) {
	now := time.Now()
	c := at(&now)
	log := c.Over(new(sink))
	for _, r := range []record.Record{
		{Event: record.Decision, Verdict: record.Allow, Reason: policy.ReasonAllowed, Secrets: "A B"},
		{Event: record.End, Verdict: record.Allow, Reason: policy.ReasonAllowed, Secrets: "A B", Result: "closed"},
		{Event: record.Decision, Verdict: record.Would, Reason: policy.ReasonHost, Secrets: "A"},
		{Event: record.Decision, Verdict: record.Deny, Reason: policy.ReasonPlaceholder, Secrets: "A"},
		{Event: record.End, Verdict: record.Allow, Reason: policy.ReasonAllowed, Secrets: "B", Result: policy.ReasonPlaceholder},
	} {
		log.Write(r)
	}
	want := egress.Tally{Allowed: 1, Denied: 1, Reported: 1, Injected: 3, Misplaced: 2}
	if day, total := c.Counts(); day != want || total != want {
		t.Errorf("got %+v, %+v", day, total)
	}
	text := metrics(t, c, Gauges{})
	for _, want := range []string{`secrets_total{project="",agent="",secret="A"} 2`, `secret="B"} 1`, `misplaced_total{project="",agent=""} 2`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func metrics(t testing.TB, c *Tally, g Gauges) string {
	t.Helper()
	var b strings.Builder
	if err := c.Metrics(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var line = regexp.MustCompile(`^(# (HELP|TYPE) fleet_gate_\w+ .+|fleet_gate_\w+\{(\w+="([^"\\]|\\["\\n])*",?)+\} [-+0-9.e]+)$`)

func TestMetrics(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := at(&now)
	log := c.Over(new(sink))
	log.Write(decided(record.Deny, policy.ReasonHost, ""))
	log.Write(decided(record.Allow, policy.ReasonAllowed, `a"b\c`))
	log.Write(decided(record.Allow, policy.ReasonSelf, ""))
	log.Write(record.Record{Event: record.End, Verdict: record.Allow, BytesUp: 5, BytesDown: 7})
	c.Answered("NXDOMAIN")
	c.Dialled(50*time.Millisecond, nil)
	c.Dialled(time.Minute, errors.New("x"))
	text := metrics(t, c, Gauges{Project: "demo", Agent: "lead", Open: 3, Started: now, Cut: true, Reloads: 2})
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if !line.MatchString(l) {
			t.Errorf("malformed: %q", l)
		}
	}
	for _, want := range []string{
		`fleet_gate_decisions_total{project="demo",agent="lead",verdict="deny",reason="host-not-listed"} 1`,
		`fleet_gate_allowed_total{project="demo",agent="lead",rule="a\"b\\c"} 1`,
		`fleet_gate_self_total{project="demo",agent="lead"} 1`, `fleet_gate_bytes_up_total{project="demo",agent="lead"} 5`,
		`fleet_gate_bytes_down_total{project="demo",agent="lead"} 7`, `fleet_gate_connections_open{project="demo",agent="lead"} 3`,
		`fleet_gate_dns_answers_total{project="demo",agent="lead",code="NXDOMAIN"} 1`,
		`fleet_gate_dial_seconds_bucket{project="demo",agent="lead",le="0.1"} 1`,
		`fleet_gate_dial_seconds_bucket{project="demo",agent="lead",le="+Inf"} 2`,
		`fleet_gate_dial_seconds_sum{project="demo",agent="lead"} 60.05`, `fleet_gate_dial_errors_total{project="demo",agent="lead"} 1`,
		`fleet_gate_cut{project="demo",agent="lead"} 1`, `fleet_gate_bypassed{project="demo",agent="lead"} 0`,
		`fleet_gate_start_time_seconds{project="demo",agent="lead"} 1700000000`, `fleet_gate_reloads_total{project="demo",agent="lead"} 2`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// However many rules and reasons there are, the page is bounded.
func TestMetricsBounded(t *testing.T) {
	now := time.Now()
	c := at(&now)
	log := c.Over(new(sink))
	for i := range 20_000 {
		log.Write(decided(record.Allow, fmt.Sprint("reason", i), fmt.Sprint("rule", i)))
	}
	text := metrics(t, c, Gauges{})
	if n := strings.Count(text, "\n"); n > 300 || !strings.Contains(text, `rule="other"} 19900`) {
		t.Errorf("%d lines", n)
	}
}
