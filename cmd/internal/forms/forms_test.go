package forms_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"

	"fleet/cmd/internal/forms"
)

// Whatever a common encoder makes of a value is one of its forms, or has one in it.
func TestOf(t *testing.T) {
	for _, value := range []string{"plain0123", `q "/+=<&'>\ é`, "two\nlines\tand \x01 more", "\U0001F511 key"} {
		text, _ := json.Marshal(value)
		all := forms.Of([]byte(value))
		for name, want := range map[string]string{
			"raw": value, "JSON": string(text[1 : len(text)-1]), "query": url.QueryEscape(value),
			"HTML": html.EscapeString(value),
		} {
			if !slices.ContainsFunc(all, func(f []byte) bool { return string(f) == want }) {
				t.Errorf("%s of %q is no form: %s", name, value, want)
			}
		}
		for before := range 4 {
			whole := base64.StdEncoding.EncodeToString([]byte("abc"[:before%4] + value + "xy"))
			if !slices.ContainsFunc(all, func(f []byte) bool { return len(f) >= len(value) && bytes.Contains([]byte(whole), f) }) {
				t.Errorf("base64 of %q behind %d bytes has no form in it: %s", value, before, whole)
			}
		}
	}
}

// No form is so short that it stands in texts without the value.
func FuzzOf(f *testing.F) {
	f.Add("abcdefgh")
	f.Add("\x00\xff\xfe12345")
	f.Add(strings.Repeat("&", 8))
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) < 8 {
			return
		}
		for _, form := range forms.Of([]byte(value)) {
			if len(form) < 8 {
				t.Errorf("a form of %q is %q", value, form)
			}
		}
	})
}
