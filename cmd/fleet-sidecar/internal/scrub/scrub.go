// Package scrub takes the values of secrets out of what a tool says, in all forms that package forms knows. It is for a tool that says a value by mistake, in an error or an echo. One that wants to tell it
// can write it backwards.
package scrub

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"fleet/cmd/internal/forms"
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
			for _, text := range forms.Of(raw) {
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
