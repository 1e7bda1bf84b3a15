package egress_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/egress"
	"fleet/schemas/schematest"
)

var hour = time.Date(2026, 5, 1, 13, 0, 0, 0, time.UTC)

func counts() egress.Counts {
	return egress.Counts{
		Version: 1, Since: hour.Add(-time.Minute), Total: egress.Tally{Allowed: 9, Denied: 8, Reported: 7, Bypassed: 6},
		Hours: []egress.Hour{
			{Start: hour.Add(-24 * time.Hour), Tally: egress.Tally{Allowed: 100}},
			{Start: hour.Add(-23 * time.Hour), Tally: egress.Tally{Allowed: 1, Denied: 2}},
			{Start: hour, Tally: egress.Tally{Allowed: 10, Bypassed: 1}},
		},
	}
}

func status() egress.Status {
	return egress.Status{
		Version: 1, Project: "demo", Agent: "lead", Mode: "enforce", Policy: strings.Repeat("0a", 32), Cut: true,
		Bypass: &egress.Bypass{Until: 9, Seconds: 3, Reason: "why", By: "ann"}, Open: 3, Started: hour, Error: "gone",
	}
}

func TestRoundTrip(t *testing.T) {
	schematest.Equal(t, "counts.schema.json", reflect.TypeFor[egress.Counts]())
	schematest.Equal(t, "status.schema.json", reflect.TypeFor[egress.Status]())
	c, s := counts(), status()
	b, err := egress.Encode(&c)
	must(t, err)
	schematest.Accepts(t, "counts.schema.json", b)
	gotCounts, err := egress.ParseCounts(b)
	must(t, err)
	if d := cmp.Diff(&c, gotCounts); d != "" {
		t.Error(d)
	}
	if b, err = egress.Encode(&s); err != nil {
		t.Fatal(err)
	}
	schematest.Accepts(t, "status.schema.json", b)
	gotStatus, err := egress.ParseStatus(b)
	must(t, err)
	if d := cmp.Diff(&s, gotStatus); d != "" {
		t.Error(d)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLast(t *testing.T) {
	c := counts()
	if got, want := c.Last(hour.Add(10*time.Minute)), (egress.Tally{Allowed: 11, Denied: 2, Bypassed: 1}); got != want {
		t.Errorf("got %+v", got)
	}
	if got, want := c.Last(hour.Add(-time.Minute)), (egress.Tally{Allowed: 101, Denied: 2}); got != want {
		t.Errorf("before the last hour: %+v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	c, s := counts(), status()
	b, err := egress.Encode(&c)
	must(t, err)
	good := string(b)
	for want, text := range map[string]string{
		"is empty":        "",
		"must hold one":   good + "{}",
		"stands twice":    strings.Replace(good, `"since"`, `"total": {}, "since"`, 1),
		"version 2":       strings.Replace(good, `"version": 1`, `"version": 2`, 1),
		"its schema":      strings.Replace(good, `"since"`, `"from"`, 1),
		"whole hours":     strings.Replace(good, "13:00:00", "13:00:01", 1),
		"rising":          strings.Replace(good, "2026-05-01T13", "2026-04-01T13", 1),
		"below 0":         strings.Replace(good, `"allowed": 9`, `"allowed": -9`, 1),
		"at most 65536":   good + strings.Repeat(" ", egress.MaxCounts),
		"must be a JSON ": "[]",
	} {
		if c, err := egress.ParseCounts([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v", want, c, err)
		}
	}
	for want, change := range map[string]func(*egress.Status){
		"printable texts": func(s *egress.Status) { s.Error = "\x1b[2J" },
		"of at most 4096": func(s *egress.Status) { s.Mode = strings.Repeat("x", 5000) },
		"by its SHA-256":  func(s *egress.Status) { s.Policy = "x" },
		"below 0":         func(s *egress.Status) { s.Open = -1 },
	} {
		bad := s
		change(&bad)
		b, err := egress.Encode(&bad)
		must(t, err)
		if s, err := egress.ParseStatus(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v", want, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	c, s := counts(), status()
	for _, v := range []any{&c, &s} {
		b, err := egress.Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := egress.ParseCounts(b); err == nil && c.Last(hour).Allowed < 0 {
			t.Errorf("%q counts below 0", b)
		}
		if s, err := egress.ParseStatus(b); err == nil && strings.ContainsAny(s.Error+s.Agent, "\x1b\n") {
			t.Errorf("%q shows raw text", b)
		}
	})
}
