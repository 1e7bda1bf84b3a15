package strict

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "is empty",
		" \n":                         "is empty",
		"{\n\"a\": 1,\n\"a\": 2}":     `line 3: key "a" stands twice`,
		`{"x": {"a": 1, "a": 2}}`:     `line 1: key "a" stands twice`,
		"{}\n{}":                      "line 2: must hold one value only",
		"[1,\n2,]":                    "line 2: is not JSON",
		"[1,\n":                       "ends too early",
		"// no\n{}":                   "line 1: is not JSON",
		"\"\xff\"":                    "must be UTF-8",
		strings.Repeat("[", 1000):     "is nested too deep",
		`{"a" 1}`:                     "is not JSON",
		"<<<<<<< HEAD\n{}\n=======\n": "line 1: is not JSON",
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %q", text, err, want)
		}
	}
}

// FuzzDecode proves that what is accepted is what encoding/json reads, and that every error is an *Error.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a": [1, -2.5e3, "x", true, null, {}], "b": {"c": []}}`, `"\ud800"`, "[]]", "{\"a\":1,\"a\":1}", "1 2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Decode(b)
		if err != nil {
			if _, ok := err.(*Error); !ok { //nolint:errorlint // the contract is the type itself
				t.Errorf("%T", err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("accepted: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
