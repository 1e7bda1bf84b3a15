package sidecar_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/audit"
	"fleet/schemas/schematest"
	"fleet/schemas/sidecar"
)

var fullCall = sidecar.Call{
	Event: sidecar.Ended, Project: "demo", Sidecar: "github", Agent: "lead", UID: 990, Session: 3, Tool: "create_issue",
	Digest: strings.Repeat("0a", 32), Arguments: `{"owner":"acme"}`, Verdict: audit.Deny, Reason: sidecar.ReasonRate, Count: 4,
	BytesUp: 16, BytesDown: 1234, Micros: 56_789, Result: sidecar.ResultOK,
}

func TestCallSchema(t *testing.T) {
	schematest.Equal(t, "call.schema.json", reflect.TypeFor[sidecar.Call]())
	for _, c := range []sidecar.Call{fullCall, {Event: sidecar.Called, Verdict: audit.Allow}} {
		b, err := json.Marshal(c)
		must(t, err)
		schematest.Accepts(t, "call.schema.json", b)
	}
}

// asMap reads the entry of a record, in which each line must be a field.
func asMap(t *testing.T, c sidecar.Call) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(string(c.Append(nil))) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if _, twice := out[name]; !ok || twice || !strings.HasSuffix(line, "\n") {
			t.Errorf("%q is no field, or there twice", line)
		}
		out[name] = value
	}
	return out
}

func TestCallFields(t *testing.T) {
	fields := asMap(t, fullCall)
	got, err := sidecar.CallFromFields(fields)
	must(t, err)
	if d := cmp.Diff(fullCall, got); d != "" {
		t.Error(d)
	}
	for name, want := range map[string]string{
		"FLEET_BYTES_DOWN": "1234", "FLEET_SIDECAR": "github", "PRIORITY": "5", "MESSAGE_ID": sidecar.MessageID,
		"MESSAGE": "lead: ended deny call github/create_issue: rate (4 times) (ok, 16 bytes up, 1234 down, 56 ms)",
	} {
		if fields[name] != want {
			t.Errorf("%s is %q, want %q", name, fields[name], want)
		}
	}
}

// A call's texts come from the agent: whatever they hold, a record is one record.
func FuzzCallFields(f *testing.F) {
	f.Add("a\nPRIORITY=0", "\x00")
	f.Add("\xff", `{"a":"\u001b[2J"}`)
	f.Fuzz(func(t *testing.T, tool, arguments string) {
		c := fullCall
		c.Tool, c.Arguments = tool, arguments
		for name, value := range asMap(t, c) {
			if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) ||
				!utf8.ValidString(value) || len(value) > 4*600 {
				t.Errorf("%s is %q", name, value)
			}
		}
	})
}
