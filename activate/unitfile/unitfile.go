// Package unitfile reads unit files as systemd does and compares them by what they mean.
//
// go-systemd's own reader is not used: it refuses lines over 2048 bytes, and an agent's unit may have them.
package unitfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// lineLengthLimit is systemd's LONG_LINE_MAX: a longer line, continuations included, is an error there too.
const lineLengthLimit = 1 << 20

const whitespace = " \t\n\r"

// Unit is the content of a unit: section to key to the assigned values in order, empty assignments included. Sections
// that occur several times are one.
type Unit map[string]map[string][]string

// Parse reads a unit file. What systemd ignores (a line without =, an assignment before the first section) is ignored.
// What makes systemd give up on the file (a broken section header, text that is not UTF-8, an endless line) is an
// error; the Unit then holds what stands before.
func Parse(text []byte) (Unit, error) {
	p := parser{unit: Unit{}}
	lines := splitLines(bytes.TrimPrefix(text, []byte("\uFEFF")))
	for n, line := range lines {
		if err := p.line(line); err != nil {
			return p.unit, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if err := p.statement(string(p.pending)); err != nil {
		return p.unit, fmt.Errorf("line %d: %w", len(lines), err)
	}
	return p.unit, nil
}

type parser struct {
	unit    Unit
	section string
	inside  bool   // a section has begun
	pending []byte // lines that ended in a backslash so far
}

// line takes one line. Comments are left out also where they stand between continued lines.
func (p *parser) line(line string) error {
	if c := strings.TrimLeft(line, whitespace); c != "" && (c[0] == '#' || c[0] == ';') {
		return nil
	}
	if len(p.pending)+len(line) > lineLengthLimit {
		return fmt.Errorf("must not be longer than %d bytes", lineLengthLimit)
	}
	p.pending = append(p.pending, line...)
	if continues(line) {
		p.pending[len(p.pending)-1] = ' '
		return nil
	}
	line = string(p.pending)
	p.pending = p.pending[:0]
	return p.statement(line)
}

// continues reports whether the line ends in a backslash that no other one escapes.
func continues(line string) bool {
	run := len(line) - len(strings.TrimRight(line, `\`))
	return run%2 == 1
}

func (p *parser) statement(line string) error {
	line = strings.Trim(line, whitespace)
	switch {
	case line == "":
		return nil
	case !utf8.ValidString(line):
		return fmt.Errorf("%q must be valid UTF-8", line)
	case line[0] == '[':
		return p.header(line)
	}
	key, value, found := strings.Cut(line, "=")
	key = strings.TrimRight(key, whitespace)
	if !found || !p.inside || key == "" {
		return nil
	}
	p.unit.add(p.section, key, strings.TrimLeft(value, whitespace))
	return nil
}

func (p *parser) header(line string) error {
	if len(line) < 2 || !strings.HasSuffix(line, "]") {
		return fmt.Errorf("section header %q must end in ]", line)
	}
	p.section, p.inside = line[1:len(line)-1], true
	return nil
}

func (u Unit) add(section, key string, values ...string) {
	if u[section] == nil {
		u[section] = map[string][]string{}
	}
	u[section][key] = append(u[section][key], values...)
}

// splitLines cuts at the ends of lines that systemd knows: newline, carriage return and NUL, and any two or three
// different ones of them together.
func splitLines(text []byte) []string {
	var lines []string
	for len(text) > 0 {
		end := bytes.IndexAny(text, "\n\r\x00")
		if end < 0 {
			return append(lines, string(text))
		}
		lines = append(lines, string(text[:end]))
		next := end + 1
		for next < len(text) && isEnd(text[next]) && !bytes.Contains(text[end:next], text[next:next+1]) {
			next++
		}
		text = text[next:]
	}
	return lines
}

func isEnd(c byte) bool { return c == '\n' || c == '\r' || c == 0 }

// Merge returns u with drop-ins appended in their order, as systemd reads them: after the fragment.
func (u Unit) Merge(dropIns ...Unit) Unit {
	out := Unit{}
	for _, part := range append([]Unit{u}, dropIns...) {
		for section, keys := range part {
			for key, values := range keys {
				out.add(section, key, values...)
			}
		}
	}
	return out
}

// Values returns what the assignments of a key come to: for a list that an empty assignment clears, only what follows
// the last clearing; for any other key every assignment.
func (u Unit) Values(section, key string) []string {
	values := u[section][key]
	if !cleared[key] {
		return values
	}
	for i := len(values) - 1; i >= 0; i-- {
		if values[i] == "" {
			return values[i+1:]
		}
	}
	return values
}

// Last returns the value of a key that has one, "" where it has none.
func (u Unit) Last(section, key string) string {
	values := u.Values(section, key)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// Bool returns the value of a switch as systemd reads one: the last that is one at all.
func (u Unit) Bool(section, key string) bool {
	for _, v := range slices.Backward(u[section][key]) {
		switch strings.ToLower(v) {
		case "1", "yes", "y", "true", "t", "on":
			return true
		case "0", "no", "n", "false", "f", "off":
			return false
		}
	}
	return false
}

// String prints the unit so that Parse reads the same one: sections and keys sorted, one assignment a line.
func (u Unit) String() string {
	var b strings.Builder
	for _, section := range sorted(u) {
		fmt.Fprintf(&b, "[%s]\n", section)
		for _, key := range sorted(u[section]) {
			for _, value := range u[section][key] {
				fmt.Fprintf(&b, "%s=%s%s\n", key, value, guard(value))
			}
		}
	}
	return b.String()
}

// guard keeps a backslash at the end of a value from continuing the line: blanks at the end are not read.
func guard(value string) string {
	if continues(value) {
		return " "
	}
	return ""
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
