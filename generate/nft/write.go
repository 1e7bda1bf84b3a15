package nft

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Text returns the table as a script for `nft -f`: the table is made, deleted with all that was in it and filled, in one
// transaction. The lines that name the table have one form, alone and at the margin, because the holder rewrites them.
// All that cannot be written is in the error.
func (t *Table) Text() (string, error) {
	w := &writer{}
	w.check(checkName(t.Name))
	for _, line := range t.Head {
		w.note(0, line)
	}
	w.line(0, "table inet "+t.Name, "")
	w.line(0, "delete table inet "+t.Name, "")
	w.line(0, "table inet "+t.Name+" {", "")
	for _, c := range t.Counters {
		w.check(checkName(c.Name))
		w.line(1, "counter "+c.Name+" { packets 0 bytes 0 }", c.Note)
	}
	for i := range t.Sets {
		w.set(&t.Sets[i])
	}
	for i := range t.Chains {
		w.chain(&t.Chains[i])
	}
	w.line(0, "}", "")
	if err := errors.Join(w.errs...); err != nil {
		return "", fmt.Errorf("nft table %q: %w", t.Name, err)
	}
	return w.b.String(), nil
}

type writer struct {
	b    strings.Builder
	errs []error
}

func (w *writer) check(err error) {
	if err != nil {
		w.errs = append(w.errs, err)
	}
}

func (w *writer) line(depth int, text, note string) {
	w.b.WriteString(strings.Repeat("\t", depth) + text)
	if note != "" {
		w.check(checkNote(note))
		w.b.WriteString(" # " + note)
	}
	w.b.WriteByte('\n')
}

func (w *writer) note(depth int, text string) {
	if text == "" {
		return
	}
	w.check(checkNote(text))
	w.b.WriteString(strings.Repeat("\t", depth) + "# " + text + "\n")
}

func (w *writer) terms(terms []Term, sep string) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		w.check(t.err)
		if t.err == nil && t.text == "" {
			w.check(errors.New("nft term is empty"))
		}
		parts[i] = t.text
	}
	return strings.Join(parts, sep)
}

func (w *writer) set(s *Set) {
	w.check(checkName(s.Name))
	w.check(Words(s.Key).err)
	w.b.WriteByte('\n')
	w.note(1, s.Note)
	kind, typ := "set", s.Key
	if s.Value != "" {
		w.check(Words(s.Value).err)
		kind, typ = "map", s.Key+" : "+s.Value
	}
	w.line(1, kind+" "+s.Name+" {", "")
	w.line(2, "type "+typ, "")
	if s.Size > 0 {
		w.line(2, fmt.Sprintf("size %d", s.Size), "")
	}
	if len(s.Flags) > 0 {
		for _, f := range s.Flags {
			w.check(checkName(f))
		}
		w.line(2, "flags "+strings.Join(s.Flags, ","), "")
	}
	if s.Timeout != "" {
		w.check(checkName("t" + s.Timeout))
		w.line(2, "timeout "+s.Timeout, "")
	}
	w.elements(s)
	w.line(1, "}", "")
}

func (w *writer) elements(s *Set) {
	if len(s.Elements) == 0 {
		return
	}
	w.line(2, "elements = {", "")
	for _, e := range s.Elements {
		text := w.terms(e.Key, " . ")
		if (s.Value != "") != (len(e.Value) > 0) {
			w.check(fmt.Errorf("nft element of %q must have a value exactly when it is a map", s.Name))
		}
		if s.Value != "" {
			text += " : " + w.terms(e.Value, " ")
		}
		w.line(3, text+",", e.Note)
	}
	w.line(2, "}", "")
}

func (w *writer) chain(c *Chain) {
	w.check(checkName(c.Name))
	w.b.WriteByte('\n')
	w.note(1, c.Note)
	w.line(1, "chain "+c.Name+" {", "")
	if c.Hook != nil {
		kind := cmp.Or(c.Hook.Type, "filter")
		w.check(checkName(kind))
		w.check(checkName(c.Hook.At))
		w.line(2, fmt.Sprintf("type %s hook %s priority %d; policy accept;", kind, c.Hook.At, c.Hook.Priority), "")
	}
	for _, r := range c.Rules {
		w.note(2, r.Note)
		w.line(2, w.terms(r.Terms, " "), "")
	}
	w.line(1, "}", "")
}
