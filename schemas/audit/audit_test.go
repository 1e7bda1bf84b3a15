package audit_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/audit"
	"fleet/schemas/schematest"
)

var full = audit.Record{
	Event: audit.End, Project: "demo", Agent: "lead", UID: 990, Connection: 7, Kind: "connect", Host: "api.example.com", Port: 443,
	Address: "192.0.2.7", Method: "GET", Path: "/v1", Verdict: audit.Allow, Rule: "egress.allow[0]", Reason: "listed",
	Count: 3, BytesUp: 12, BytesDown: 34, Micros: 56, Result: "closed",
	Secrets: "GITHUB_TOKEN NPM_TOKEN", Dropped: "Cookie",
}

func TestSchema(t *testing.T) {
	schematest.Equal(t, "audit.schema.json", reflect.TypeFor[audit.Record]())
	for _, r := range []audit.Record{full, {Event: audit.Repeated, Project: "p", Agent: "a", Kind: "dns", Verdict: audit.Deny}} {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		schematest.Accepts(t, "audit.schema.json", b)
	}
}

// asMap reads the entry of a record, in which each line must be a field.
func asMap(t *testing.T, r audit.Record) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(string(r.Append(nil))) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if _, twice := out[name]; !ok || twice || !strings.HasSuffix(line, "\n") {
			t.Errorf("%q is no field, or there twice", line)
		}
		out[name] = value
	}
	return out
}

func TestFieldsRoundTrip(t *testing.T) {
	fields := asMap(t, full)
	got, err := audit.FromFields(fields)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(full, got); d != "" {
		t.Error(d)
	}
	for name, want := range map[string]string{
		"FLEET_BYTES_UP": "12", "FLEET_UID": "990", "FLEET_HOST": "api.example.com", "PRIORITY": "6", "MESSAGE_ID": audit.MessageID,
		"MESSAGE": "lead: end allow connect GET api.example.com:443/v1 at 192.0.2.7 by egress.allow[0]: listed with GITHUB_TOKEN NPM_TOKEN without Cookie (3 times) " +
			"(closed, 12 bytes up, 34 down)",
	} {
		if fields[name] != want {
			t.Errorf("%s is %q, want %q", name, fields[name], want)
		}
	}
	if _, err := audit.FromFields(map[string]string{"FLEET_PORT": "\x1b[2J"}); err == nil ||
		err.Error() != `FLEET_PORT: "\\u{1b}[2J" is no number` {
		t.Errorf("got %v", err)
	}
}

// EGR-E27: one intact record, whatever an agent puts into a text of it.
func TestE27Text(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                   "plain",
		"a\nPRIORITY=0":           `a\u{a}PRIORITY=0`,
		"\x1b]0;x\a":              `\u{1b}]0;x\u{7}`,
		"\xff\xfe":                `\xff\xfe`,
		"\u202egro":               `\u{202e}gro`,
		"\u0085":                  `\u{85}`,
		"münchen":                 "münchen",
		strings.Repeat("a", 1e6):  strings.Repeat("a", 512) + "[...]",
		strings.Repeat("\n", 1e6): strings.Repeat(`\u{a}`, 103) + "[...]",
	} {
		if got := audit.Text(in); got != want {
			t.Errorf("%.20q: got %.40q", in, got)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add("a\nb", "\x00", "\xff")
	f.Fuzz(func(t *testing.T, host, path, reason string) {
		r := full
		r.Host, r.Path, r.Reason = host, path, reason
		fields := asMap(t, r)
		for name, value := range fields {
			if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) ||
				!utf8.ValidString(value) || len(value) > 4*600 {
				t.Errorf("%s is %q", name, value)
			}
		}
		if got, err := audit.FromFields(fields); err != nil || got.Rule != full.Rule || got.Connection != full.Connection {
			t.Errorf("read back: %+v, %v", got, err)
		}
	})
}
