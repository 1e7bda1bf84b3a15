package rules

import (
	"encoding/json"
	"strings"
	"testing"

	"fleet/schemas/sidecar"
)

func config() *sidecar.Config {
	return &sidecar.Config{
		Tools: []string{"create", "drop", "get"}, DenyTools: []string{"drop"},
		Arguments: map[string]json.RawMessage{"create": json.RawMessage(
			`{"properties": {"owner": {"const": "acme"}, "n": {"multipleOf": 0.1, "maximum": 5}}, "required": ["owner"], "additionalProperties": false}`)},
	}
}

func TestDecide(t *testing.T) {
	r, err := New(config())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ tool, arguments, reason, text string }{
		{"get", `{"x":1}`, "", ""},
		{"create", `{"owner":"acme","n":0.3}`, "", ""},
		{"drop", `{}`, sidecar.ReasonHidden, `tool "drop" is not offered here`},
		{"Get", `{}`, sidecar.ReasonHidden, "is not offered"},
		{"get ", `{}`, sidecar.ReasonHidden, "is not offered"},
		{"", `{}`, sidecar.ReasonHidden, "is not offered"},
		{"x\x1b[2J" + strings.Repeat("y", 1e6), `{}`, sidecar.ReasonHidden, `x\x1b[2J`},
		{"create", `{"owner":"evil"}`, sidecar.ReasonArguments, "at '/owner'"},
		{"create", `{}`, sidecar.ReasonArguments, "missing property 'owner'"},
		{"create", ``, sidecar.ReasonArguments, "missing property 'owner'"},
		{"create", `{"owner":"acme","n":5.0000000000000000000001}`, sidecar.ReasonArguments, "at '/n'"},
		{"create", `{"owner":"acme","` + strings.Repeat("é", 1e5) + `":1}`, sidecar.ReasonArguments, "additional properties"},
	} {
		a, err := Parse([]byte(c.arguments))
		if err != nil {
			t.Fatal(err)
		}
		got := r.Decide(c.tool, a)
		switch {
		case c.reason == "" && got != nil:
			t.Errorf("%.20s: %+v", c.tool, got)
		case c.reason != "" && (got == nil || got.Reason != c.reason || !strings.Contains(got.Text, c.text) || len(got.Text) > 3000):
			t.Errorf("%.20s %.20s: %+v", c.tool, c.arguments, got)
		}
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"":                          `{}`,
		"null":                      `{}`,
		`{ "b": 1.50, "a": "<&>" }`: `{"a":"<&>","b":1.50}`,
		`{"a":[1e3,{"c":null,"b":-0}],"\u0062":12345678901234567890}`: `{"a":[1e3,{"b":-0,"c":null}],"b":12345678901234567890}`,
		`[]`:                           "must be an object",
		`"x"`:                          "must be an object",
		`{"a":1,"a":2}`:                "stands twice",
		`{"a":1,"\u0061":2}`:           "stands twice",
		`{"a":{"b":1,"b":1}}`:          "stands twice",
		`{} {}`:                        "one value only",
		`{"a":1e1000000000}`:           "too large or too exact",
		`{"a":[1E-1000000000]}`:        "too large or too exact",
		`{"a":1e99999999999999999999}`: "too large or too exact",
		`{"a":1` + strings.Repeat("0", 400) + `}`: "too large or too exact",
		`{"a":"` + "\xff" + `"}`:                  "must be UTF-8",
		strings.Repeat(`{"a":`, 1000):             "nested too deep",
	} {
		a, err := Parse([]byte(in))
		switch {
		case err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%.40s: %v, want %s", in, err, want)
		case err == nil && string(a.Text) != want:
			t.Errorf("%.40s: %s, want %s", in, a.Text, want)
		}
	}
	a, _ := Parse([]byte(`{"b":2,"a":1}`))
	b, _ := Parse([]byte(` {"a":1, "b":2}`))
	if a.Digest() != b.Digest() || a.Digest() != "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777" {
		t.Errorf("digests %s, %s", a.Digest(), b.Digest())
	}
}

// FuzzParse proves that the form is one: what was read is read again as the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1e3,{"c":null,"b":-0}],"\u0062":"\ud800"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(a.Text)
		if err != nil || again.Digest() != a.Digest() {
			t.Errorf("%s: %v, %s", a.Text, err, again.Text)
		}
	})
}
