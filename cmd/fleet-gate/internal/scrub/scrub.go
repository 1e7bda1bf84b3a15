// Package scrub takes the values of secrets out of what a host answers, while it passes.
//
// A value is known in these forms: as it is, percent-encoded, escaped for JSON and for HTML, and in base64 with either
// alphabet at each of the three places that it can have there, which covers "user:value" as Basic has it. Each occurrence
// is replaced by as many bytes: the placeholder, cut or filled up, in the same form. So lengths that a host has declared,
// ranges of a file and frames of a WebSocket stay right, and what was JSON or base64 stays so.
//
// What base64 has at either end for a byte of the value and one beside it together stays as it is: at most four bits of
// the value each. A host that wants to tell a value to an agent can do so in any other way (reversed, in hex, compressed,
// in parts, by ranges that an agent asks for one after the other), and a credential that a host makes is its own and not
// known here: rules for paths keep an agent from asking for one.
package scrub

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"fleet/cmd/fleet-gate/internal/find"
)

// Secret is a value and what the agent has in its place.
type Secret struct {
	Value       []byte
	Placeholder string
}

// Scrubber replaces values. It does not change, so that any number of goroutines may use it.
type Scrubber struct {
	set *find.Set
	by  [][]byte
	raw [][]byte // the values
}

// New makes a scrubber for values of eight bytes or more.
func New(list []Secret) *Scrubber {
	s := new(Scrubber)
	var texts [][]byte
	seen := map[string]bool{}
	for _, x := range list {
		for _, f := range formsOf(x.Value, x.Placeholder) {
			if !seen[string(f.text)] {
				seen[string(f.text)] = true
				texts, s.by = append(texts, f.text), append(s.by, f.by)
			}
		}
		s.raw = append(s.raw, x.Value)
	}
	for i := range s.by {
		s.by[i] = apart(s.by[i], texts)
	}
	s.set = find.New(texts)
	return s
}

func (s *Scrubber) replace(text []byte, which int) error {
	copy(text, s.by[which])
	return nil
}

// Reader passes on what r has, without the values. It waits for no more than what decides on a value that has begun.
func (s *Scrubber) Reader(r io.Reader) *find.Reader { return find.NewReader(r, s.set, s.replace) }

// Text returns a text without the values.
func (s *Scrubber) Text(t string) string {
	if s.set.InString(t) == find.None {
		return t
	}
	b := []byte(t)
	for at := 0; ; {
		next, which := s.set.Next(b, at, true)
		if which == find.None {
			return string(b)
		}
		at = next + copy(b[next:], s.by[which])
	}
}

// Header takes the values out of the fields of a head or a trailer. A field whose name has one goes.
func (s *Scrubber) Header(h map[string][]string) {
	for name, values := range h {
		if s.named(name) {
			delete(h, name)
			continue
		}
		for i, v := range values {
			if clean := s.Text(v); clean != v {
				values[i] = clean
			}
		}
	}
}

// named tells whether a field's name, whose case was brought to a canonical form, has a value.
func (s *Scrubber) named(name string) bool {
	return slices.ContainsFunc(s.raw, func(v []byte) bool {
		return len(name) >= len(v) && strings.Contains(strings.ToLower(name), string(bytes.ToLower(v)))
	})
}
