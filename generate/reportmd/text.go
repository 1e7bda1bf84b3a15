package reportmd

import (
	"fmt"
	"strings"
	"unicode"
)

// text escapes s for a Markdown paragraph or cell: nothing in it is markup, a link, HTML or a new line.
func text(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c < 0x80 && strings.ContainsRune("\\`*_{}[]<>()#+!|&~$", c):
			fmt.Fprintf(&b, "\\%c", c)
		case c == unicode.ReplacementChar || !unicode.IsPrint(c):
			fmt.Fprintf(&b, "U+%04X", c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// xml escapes s for XML text.
func xml(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '&', c == '<', c == '>', c == '"', c == '\'':
			fmt.Fprintf(&b, "&#%d;", c)
		case c == unicode.ReplacementChar || !unicode.IsPrint(c):
			fmt.Fprintf(&b, "U+%04X", c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
