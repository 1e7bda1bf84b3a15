// Package strict decodes JSON that a person wrote or merged by hand: what encoding/json lets pass in silence, a key
// that stands twice or text after the end, is an error here, and errors name the line. Version and Into are the two steps
// in which every versioned file of ours is read.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Error is a fault of syntax.
type Error struct {
	Line    int // from 1; 0 where none is known
	Message string
	Hint    string
}

// Error returns "line 3: message".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// maxDepth bounds nesting; no file of ours has more than ten levels.
const maxDepth = 200

// Decode returns the one JSON value in data, with numbers as json.Number. Every error is an *Error.
func Decode(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, &Error{Message: "must be UTF-8", Hint: "save the file as UTF-8"}
	}
	r := reader{data: data, d: json.NewDecoder(bytes.NewReader(data))}
	r.d.UseNumber()
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return nil, r.fault("must hold one value only, has more after it", "")
	}
	return v, nil
}

type reader struct {
	data []byte
	d    *json.Decoder
}

func (r *reader) fault(message, hint string) error {
	at := min(int(r.d.InputOffset()), len(r.data))
	return &Error{Line: 1 + bytes.Count(r.data[:at], []byte("\n")), Message: message, Hint: hint}
}

func (r *reader) syntax(err error) error {
	var at *json.SyntaxError
	switch {
	case errors.As(err, &at):
		before := r.data[:min(max(int(at.Offset), 0), len(r.data))]
		return &Error{
			Line: 1 + bytes.Count(before, []byte("\n")), Message: "is not JSON: " + at.Error(),
			Hint: "JSON has no comments and no comma before a closing bracket",
		}
	case errors.Is(err, io.EOF) && len(bytes.TrimSpace(r.data)) == 0:
		return &Error{Message: "is empty"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return r.fault("is not JSON: it ends too early", "a closing bracket or quote is missing")
	}
	return r.fault("is not JSON: "+err.Error(), "")
}

func (r *reader) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, r.fault("is nested too deep", "")
	}
	token, err := r.d.Token()
	if err != nil {
		return nil, r.syntax(err)
	}
	switch token {
	case json.Delim('{'):
		return r.object(depth)
	case json.Delim('['):
		return r.list(depth)
	}
	return token, nil
}

func (r *reader) object(depth int) (any, error) {
	out := map[string]any{}
	for r.d.More() {
		token, err := r.d.Token()
		if err != nil {
			return nil, r.syntax(err)
		}
		key, ok := token.(string)
		if !ok {
			return nil, r.fault("a key must be text", "")
		}
		if _, twice := out[key]; twice {
			return nil, r.fault("key "+strconv.Quote(key)+" stands twice", "take one of them out")
		}
		if out[key], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return out, r.end()
}

func (r *reader) list(depth int) (any, error) {
	out := []any{}
	for r.d.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, r.end()
}

func (r *reader) end() error {
	if _, err := r.d.Token(); err != nil {
		return r.syntax(err)
	}
	return nil
}
