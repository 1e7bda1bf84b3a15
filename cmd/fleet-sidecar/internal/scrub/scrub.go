// Package scrub takes the values of secrets out of what a tool says: as they are, in JSON's escapes, in percent-encoding and
// in base64 at any offset. It is for a tool that says a value by mistake, in an error or an echo. One that wants to tell it
// can write it backwards.
package scrub

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// MinValue is how many bytes a value must have: a shorter one stands in much that is no secret.
const MinValue = 8

// Scrubber replaces values. Its zero value has none to replace.
type Scrubber struct {
	patterns []pattern // longer ones first, so that none is broken by one that it holds
	longest  int
}

type pattern struct {
	text, instead []byte
}

// Value is what is replaced, Name what the replacement names.
type Value struct {
	Name  string
	Value []byte
}

// New makes a scrubber. Values shorter than MinValue are not looked for.
func New(values []Value) *Scrubber {
	s := new(Scrubber)
	for _, v := range values {
		instead := []byte("[secret " + v.Name + "]")
		for _, raw := range [][]byte{v.Value, bytes.TrimRight(v.Value, "\r\n")} {
			if len(raw) < MinValue {
				continue
			}
			for _, text := range forms(raw) {
				s.add(pattern{text, instead})
			}
		}
	}
	slices.SortStableFunc(s.patterns, func(a, b pattern) int { return len(b.text) - len(a.text) })
	if len(s.patterns) > 0 {
		s.longest = len(s.patterns[0].text)
	}
	return s
}

func (s *Scrubber) add(p pattern) {
	if !slices.ContainsFunc(s.patterns, func(q pattern) bool { return bytes.Equal(p.text, q.text) }) {
		s.patterns = append(s.patterns, p)
	}
}

// forms are the ways in which a value is looked for.
func forms(raw []byte) [][]byte {
	out := [][]byte{raw}
	out = append(out, jsonForms(raw)...)
	text := string(raw)
	for _, escaped := range []string{url.QueryEscape(text), url.PathEscape(text)} {
		out = append(out, []byte(escaped), []byte(lowerEscapes(escaped)))
	}
	return append(out, base64Forms(raw)...)
}

// jsonForms are the value inside a JSON text that is itself a text of JSON, as encoders write it.
func jsonForms(raw []byte) [][]byte {
	html, err := json.Marshal(string(raw))
	if err != nil {
		return nil // cannot be: a string is always encoded
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(raw)) // as before
	plain := bytes.TrimSpace(b.Bytes())
	slashes := bytes.ReplaceAll(plain, []byte("/"), []byte(`\/`))
	return [][]byte{html[1 : len(html)-1], plain[1 : len(plain)-1], slashes[1 : len(slashes)-1]}
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == '%' && i+2 < len(b) {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// base64Forms are what all encodings of a text have in common in which the value begins at an offset of 0, 1 or 2 bytes:
// the characters that no byte before or behind has a part in.
func base64Forms(raw []byte) [][]byte {
	var out [][]byte
	for offset := range 3 {
		padded := append(make([]byte, offset), raw...)
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := alphabet.EncodeToString(padded)
			first := (offset*8 + 5) / 6  // characters with bits of what is before
			whole := len(padded) * 8 / 6 // characters without bits of what is behind
			out = append(out, []byte(text[first:whole]))
		}
	}
	return out
}

// Longest is how many bytes the longest form has that is looked for.
func (s *Scrubber) Longest() int { return s.longest }

// Bytes returns b with every value replaced, and whether there was one. b itself is not changed.
func (s *Scrubber) Bytes(b []byte) ([]byte, bool) {
	found := false
	for _, p := range s.patterns {
		if bytes.Contains(b, p.text) {
			b, found = bytes.ReplaceAll(b, p.text, p.instead), true
		}
	}
	return b, found
}

// Text is Bytes for a text.
func (s *Scrubber) Text(text string) string {
	for _, p := range s.patterns {
		text = strings.ReplaceAll(text, string(p.text), string(p.instead))
	}
	return text
}

// JSON returns a JSON value with every value replaced in its texts and keys, in whatever escapes they are written. What it
// changes it writes anew, with keys sorted. The result is false where what is no JSON has a value: nothing of it may go on.
func (s *Scrubber) JSON(b []byte) ([]byte, bool) {
	if !s.in(b) {
		return b, true
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(s.value(v)) != nil {
		return nil, false
	}
	clean := bytes.TrimSpace(out.Bytes())
	return clean, !s.in(clean)
}

// layers is how often JSON is looked for inside the texts of JSON.
const layers = 4

// in tells whether a value may be in a JSON text.
func (s *Scrubber) in(b []byte) bool {
	if len(s.patterns) == 0 {
		return false
	}
	for range layers {
		if s.any(b) {
			return true
		}
		if bytes.IndexByte(b, '\\') < 0 {
			return false
		}
		b = unescape(b)
	}
	return s.any(b)
}

func (s *Scrubber) any(b []byte) bool {
	return slices.ContainsFunc(s.patterns, func(p pattern) bool { return bytes.Contains(b, p.text) })
}

func (s *Scrubber) value(v any) any {
	switch v := v.(type) {
	case string:
		return s.text(v)
	case json.Number:
		if s.any([]byte(v)) {
			return s.Text(string(v))
		}
	case []any:
		for i := range v {
			v[i] = s.value(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, below := range v {
			out[s.text(key)] = s.value(below)
		}
		return out
	}
	return v
}

// text is Text for one of JSON. Where a value is deeper inside, in a text of JSON within, nothing of it stays.
func (s *Scrubber) text(v string) string {
	if v = s.Text(v); s.in([]byte(v)) {
		return "[a text with a secret]"
	}
	return v
}
