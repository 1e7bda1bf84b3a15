package runner

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// escape takes what would end single quotes, and what looks like an expansion to a reader or a linter, out of them.
var escape = strings.NewReplacer("'", `'\''`, "$", `'\$'`, "`", "'\\`'")

// quote writes a value as one word of the shell, in single quotes, in which nothing but the quote itself has a meaning.
// NUL and what is not UTF-8 cannot stand in a script, and readers of shell differ about a carriage return: these are
// errors.
func quote(s string) (string, error) {
	switch {
	case strings.ContainsAny(s, "\x00\r"):
		return "", fmt.Errorf("must hold neither NUL nor a carriage return")
	case !utf8.ValidString(s):
		return "", fmt.Errorf("must be UTF-8")
	}
	return "'" + escape.Replace(s) + "'", nil
}

// field is a word of a table in a header: tables are read line by line and split at blanks.
func field(s string) (string, error) {
	if s == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) {
		return "", fmt.Errorf("%q must be one word without blanks, backslashes and control characters", s)
	}
	return s, nil
}

// line is a line of a list in a header.
func line(s string) (string, error) {
	if strings.ContainsAny(s, "\n\x00") {
		return "", fmt.Errorf("%q must be one line", s)
	}
	return s, nil
}
