package github

import (
	"fmt"
	"io"
	"strings"
)

// Token is a secret that no text shows.
type Token struct{ value string }

// NewToken makes a token of its value.
func NewToken(value string) Token { return Token{value} }

// Empty tells whether there is none.
func (t Token) Empty() bool { return t.value == "" }

const redacted = "[secret]"

// String is the same for all tokens.
func (t Token) String() string { return redacted }

// Format writes the same for all verbs.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText gives the same for all tokens.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// valid tells whether it can stand in a field of HTTP.
func (t Token) valid() bool {
	return t.value != "" && !strings.ContainsFunc(t.value, func(c rune) bool { return c <= ' ' || c > '~' })
}

// scrub takes the token out of a text.
func (t Token) scrub(text string) string {
	if t.value == "" {
		return text
	}
	return strings.ReplaceAll(text, t.value, redacted)
}
