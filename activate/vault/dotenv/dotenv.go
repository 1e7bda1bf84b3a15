// Package dotenv reads files of NAME=VALUE lines that hold secrets. Nothing of a value is ever in a message.
//
// The form is what shells, Docker and the dotenv libraries have in common, read strictly where they differ:
//
//	# a comment
//	export NAME=value          # export is left out; blanks at both ends too, and what follows " #"
//	NAME='as it stands, over several lines too'
//	NAME="the same, with \n \r \t \\ \" \$ \` in it"
//
// Nothing is expanded: a $ is a $.
package dotenv

import (
	"bytes"
	"fmt"
	"regexp"

	"fleet/schemas/report"
)

// MaxSize bounds a file.
const MaxSize = 4 << 20

// Var is one assignment.
type Var struct {
	Name  string
	Value []byte
	Line  int // on which it begins, from 1
}

// nameForm is what environment variables may be called (POSIX.1-2017, 8.1, and lower case).
var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Parse returns the assignments in their order. All faults come at once, as a *report.Err with the lines. The values are
// the caller's to wipe, also where there are faults.
func Parse(text []byte) ([]Var, error) {
	p := parser{rest: bytes.TrimPrefix(text, []byte("\uFEFF")), line: 1, seen: map[string]int{}}
	if len(text) > MaxSize {
		p.fault(1, fmt.Sprintf("the file must have at most %d bytes, has %d", MaxSize, len(text)), "")
		return nil, p.faults.Err()
	}
	for len(p.rest) > 0 {
		p.statement()
	}
	return p.vars, p.faults.Err()
}

type parser struct {
	rest   []byte
	line   int // of the first byte of rest
	vars   []Var
	seen   map[string]int // lines of the names
	faults report.Report
}

func (p *parser) fault(line int, message, hint string) {
	p.faults.ErrorHint(fmt.Sprintf("line %d", line), message, hint)
}

const severalLines = "values of several lines stand in quotes"

// statement reads an assignment, a comment or an empty line, to the end of its last line.
func (p *parser) statement() {
	line := p.current()
	text := bytes.TrimSpace(line)
	if len(text) == 0 || text[0] == '#' {
		p.endLine()
		return
	}
	at, equals := p.line, bytes.IndexByte(line, '=')
	if equals < 0 {
		p.fault(at, "must be NAME=VALUE", severalLines)
		p.endLine()
		return
	}
	name := name(line[:equals])
	p.advance(equals + 1)
	value, ok := p.value()
	switch before, twice := p.seen[name]; {
	case !nameForm.MatchString(name):
		p.fault(at, "what stands before = must be a name of letters, digits and underscores", severalLines)
	case twice:
		p.fault(at, fmt.Sprintf("%s stands on line %d already", name, before), "")
	case !ok:
	case bytes.IndexByte(value, 0) >= 0:
		p.fault(at, name+" must not contain NUL", "set it with fleet secret set and --from-file")
	default:
		p.vars = append(p.vars, Var{Name: name, Value: value, Line: at})
	}
	p.seen[name] = at
}

// name returns what stands before the equals sign, without export.
func name(text []byte) string {
	text = bytes.TrimSpace(text)
	if rest, found := bytes.CutPrefix(text, []byte("export")); found && len(rest) > 0 && isBlank(rest[0]) {
		text = bytes.TrimSpace(rest)
	}
	return string(text)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// current returns the rest of the line.
func (p *parser) current() []byte {
	line, _, _ := bytes.Cut(p.rest, []byte("\n"))
	return line
}

// advance takes n bytes.
func (p *parser) advance(n int) {
	p.line += bytes.Count(p.rest[:n], []byte("\n"))
	p.rest = p.rest[n:]
}

// endLine takes the rest of the line and its end.
func (p *parser) endLine() { p.advance(min(len(p.current())+1, len(p.rest))) }

// value reads what stands after the equals sign, to the end of its last line. Where it cannot be read, the fault is in
// the report.
func (p *parser) value() ([]byte, bool) {
	line := p.current()
	text := bytes.TrimLeft(line, " \t")
	if len(text) == 0 || text[0] != '"' && text[0] != '\'' {
		return p.plain(line)
	}
	p.advance(len(line) - len(text))
	return p.quoted()
}

// plain reads an unquoted value: without a comment, which begins at a # after a blank, and without blanks around it.
func (p *parser) plain(line []byte) ([]byte, bool) {
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && isBlank(line[i-1]) {
			line = line[:i]
			break
		}
	}
	ok := len(line) == 0 || line[0] != '#'
	if !ok {
		p.fault(p.line, "a value that begins with # must stand in quotes", "a comment has a blank before it")
	}
	p.endLine()
	return bytes.Clone(bytes.TrimSpace(line)), ok
}

// quoted reads a value that begins with a quote.
func (p *parser) quoted() ([]byte, bool) {
	at, quote, body := p.line, p.rest[0], p.rest[1:]
	end := closing(body, quote)
	if end < 0 {
		p.fault(at, fmt.Sprintf("the quote %c must be closed", quote), "")
		p.rest = nil // no telling what belongs to the value: no part of it may be taken for a name
		return nil, false
	}
	value, ok := bytes.Clone(body[:end]), true
	if quote == '"' {
		value, ok = p.unescape(at, body[:end])
	}
	p.advance(end + 2)
	return value, p.nothingMore() && ok
}

// closing returns where the quote is closed, -1 where it is not.
func closing(body []byte, quote byte) int {
	for i := 0; i < len(body); i++ {
		switch {
		case body[i] == quote:
			return i
		case body[i] == '\\' && quote == '"':
			i++
		}
	}
	return -1
}

// nothingMore takes the rest of a line after a closed quote, which may be a comment.
func (p *parser) nothingMore() bool {
	line := p.current()
	text := bytes.TrimSpace(line)
	ok := len(text) == 0 || text[0] == '#' && isBlank(line[0])
	if !ok {
		p.fault(p.line, "nothing but a comment may follow the closing quote", "")
	}
	p.endLine()
	return ok
}

// escapes are the characters after a backslash within double quotes, and what they stand for.
var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"', '$': '$', '`': '`'}

// unescape reads what stands within double quotes. A backslash there is never the last byte, see closing.
func (p *parser) unescape(line int, body []byte) ([]byte, bool) {
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			out = append(out, body[i])
			continue
		}
		i++
		c, known := escapes[body[i]]
		if !known {
			p.fault(line, "a backslash in double quotes must be followed by one of n r t \\ \" $ `",
				"what stands in single quotes is taken as it is")
			return out, false
		}
		out = append(out, c)
	}
	return out, true
}
