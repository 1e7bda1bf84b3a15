package scrub

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const (
	token = `ghp_S3cr"et/<canary>+&'0123`
	pem   = "-----BEGIN KEY-----\nAAAABBBBCCCC\nDDDDEEEE==\n-----END KEY-----\n"
)

func scrubber() *Scrubber {
	return New([]Value{{"TOKEN", []byte(token)}, {"PEM", []byte(pem)}, {"SHORT", []byte("abc")}, {"NONE", nil}})
}

// lower writes %2F as %2f.
func lower(s string) string {
	return regexp.MustCompile("%..").ReplaceAllStringFunc(s, strings.ToLower)
}

// ways are forms in which a tool may say a value.
func ways(value string) map[string]string {
	htmlJSON, _ := json.Marshal(value)
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	e.Encode(value)
	out := map[string]string{
		"raw": value, "json, html": string(htmlJSON), "json": plain.String(), "query": url.QueryEscape(value),
		"path": url.PathEscape(value), "percent, lower case": lower(url.QueryEscape(value)),
		"slashes": strings.ReplaceAll(plain.String(), "/", `\/`),
	}
	for before := range 4 {
		for after := range 4 {
			text := []byte("abc"[:min(before, 3)] + value + "xyz"[:min(after, 3)])
			name := fmt.Sprintf("base64 %d %d", before, after)
			out[name] = base64.StdEncoding.EncodeToString(text)
			out[name+" url"] = base64.URLEncoding.EncodeToString(text)
		}
	}
	return out
}

// F4: each form of a value goes, whatever is around it.
func TestCATF4Bytes(t *testing.T) {
	s := scrubber()
	for name, value := range map[string]string{"TOKEN": token, "PEM": pem, "PEM trimmed": strings.TrimSpace(pem)} {
		for way, text := range ways(value) {
			got, found := s.Bytes([]byte("before " + text + " behind"))
			if !found || !bytes.Contains(got, []byte("[secret "+name[:3])) || !bytes.HasPrefix(got, []byte("before ")) || !bytes.HasSuffix(got, []byte(" behind")) {
				t.Errorf("%s, %s: got %q", name, way, got)
			}
		}
	}
	for _, text := range []string{"abc", "", "ghp_S3cr", base64.StdEncoding.EncodeToString([]byte("ghp_S3cr"))} {
		if got, found := s.Bytes([]byte(text)); found || string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// A reader of JSON never gets a value, however its texts are written; what has none stays as it is.
func TestJSON(t *testing.T) {
	s := scrubber()
	every := func(value string) string { // each character as an escape
		var b strings.Builder
		for _, c := range value {
			fmt.Fprintf(&b, `\u%04X`, c)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"escaped": `{"content":[{"type":"text","text":"a ` + every(token) + ` b"}]}`,
		"key":     `{"` + every(token) + `":1}`,
		"twice":   mustJSON(map[string]string{"text": mustJSON(map[string]string{"x": token})}),
		"thrice":  mustJSON(mustJSON(mustJSON(token))),
		"lines":   mustJSON(pem),
		"some":    `["` + strings.ReplaceAll(strings.ReplaceAll(token, `"`, `\u0022`), "+", `\u002b`) + `"]`,
	} {
		got, ok := s.JSON([]byte(text))
		if !ok || !json.Valid(got) || s.in(got) || !bytes.Contains(got, []byte("secret")) {
			t.Errorf("%s: %t, %s", name, ok, got)
		}
	}
	for _, text := range []string{`{"b":1,"a":12345678901234567890}`, `"\u00e9\n"`, `{"x":"ghp_"}`} {
		if got, ok := s.JSON([]byte(text)); !ok || string(got) != text {
			t.Errorf("%s became %s", text, got)
		}
	}
	if got, ok := s.JSON([]byte(`{"text":"` + strings.ReplaceAll(token, `"`, `\"`))); ok {
		t.Errorf("no JSON, and goes on: %s", got)
	}
	if got, ok := New([]Value{{"N", []byte("1234567890")}}).JSON([]byte(`{"n":1234567890}`)); !ok || string(got) != `{"n":"[secret N]"}` {
		t.Errorf("a number: %s", got)
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestStreamHoldsLittle(t *testing.T) {
	s := scrubber().Stream()
	if got := string(s.Next([]byte("listening on 8080\ngh"))); got != "listening on 8080\n" {
		t.Errorf("got %q", got)
	}
	if got := string(s.Next([]byte("z"))); got != "ghz" {
		t.Errorf("got %q", got)
	}
	s.Next([]byte(token[:8]))
	if got := string(s.End()); got != token[:8] {
		t.Errorf("got %q", got)
	}
}

// FuzzStream proves that how a text is split changes nothing, and that no value comes through.
func FuzzStream(f *testing.F) {
	f.Add("x "+token+" y "+pem, uint8(3))
	f.Add(token+token[:9], uint8(1))
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		s := scrubber()
		stream := s.Stream()
		var out []byte
		for rest := []byte(text); len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			out = append(out, stream.Next(rest[:n])...)
			rest = rest[n:]
		}
		out = append(out, stream.End()...)
		if bytes.Contains(out, []byte(token)) || bytes.Contains(out, []byte(strings.TrimSpace(pem))) {
			t.Errorf("got %q", out)
		}
	})
}

// FuzzJSON proves that what goes on is JSON whose texts have no value.
func FuzzJSON(f *testing.F) {
	f.Add(mustJSON(token))
	f.Add(`{"a":["\ud83d\ude00\u0041", 1e5, null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s := scrubber()
		got, ok := s.JSON([]byte(text))
		if !ok || !json.Valid([]byte(text)) {
			return
		}
		d := json.NewDecoder(bytes.NewReader(got))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprintf("%v", v), token) {
			t.Errorf("%s became %s", text, got)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	s := scrubber()
	text := []byte(mustJSON(map[string]any{"content": []any{map[string]any{"type": "text", "text": strings.Repeat("some words\n", 100)}}}))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.JSON(text)
	}
}
