package vault

import (
	"bytes"
	"fmt"
	"io"

	"fleet/schemas/report"
)

// Bounds of a value in bytes. What is shorter stands in other texts by chance, so that it can be neither scrubbed nor
// looked for; no credential is longer.
const (
	MinValue = 8
	MaxValue = 64 << 10
)

// Value is a secret. Every form that it is printed in says nothing of it.
type Value struct{ b []byte }

// redacted stands for a value.
const redacted = "[secret]"

// NewValue takes a value over: text that is one line without the end of that line, and all else as it is, since a
// multi-line key may need its last one. What is too short or too long is refused and wiped.
func NewValue(b []byte) (Value, error) {
	v := Value{oneLine(b)}
	if n := len(v.b); n < MinValue || n > MaxValue {
		clear(b)
		return Value{}, badSize(n)
	}
	return v, nil
}

// oneLine cuts the end off a single line.
func oneLine(b []byte) []byte {
	line, found := bytes.CutSuffix(b, []byte("\n"))
	if !found || bytes.IndexByte(line, '\n') >= 0 {
		return b
	}
	return bytes.TrimSuffix(line, []byte("\r"))
}

func badSize(n int) error {
	var r report.Report
	switch {
	case n == 0:
		r.ErrorHint("", "the value must not be empty", "to take a secret away use fleet secret rm")
	case n < MinValue:
		r.ErrorHint("", fmt.Sprintf("the value must have at least %d bytes", MinValue),
			"a shorter one is found by trying, and stands in other texts by chance")
	default:
		r.ErrorHint("", fmt.Sprintf("the value must have at most %d bytes", MaxValue),
			"no credential has more: is it the right file?")
	}
	return r.Err()
}

// Bytes returns the value itself. It must not be kept.
func (v Value) Bytes() []byte { return v.b }

// Equal reports whether both are the same.
func (v Value) Equal(w Value) bool { return bytes.Equal(v.b, w.b) }

// Wipe overwrites the value.
func (v Value) Wipe() { clear(v.b) }

// String returns a text that says nothing of the value.
func (v Value) String() string { return redacted }

// Format prints the same for every verb.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText makes it the same in JSON.
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
