package reportmd

import (
	"fmt"
	"strings"
	"unicode"
)

// text escapes s for a Markdown paragraph or cell: nothing in it is markup, a link, HTML or a new line.
func text(s string) string {
	var b strings.Builder
	var last rune
	for i, c := range s {
		switch {
		case c < 0x80 && strings.ContainsRune("\\`*_{}[]<>()#+!|&~$@", c),
			c == ':' && strings.HasPrefix(s[i:], "://"), // GitHub makes links of bare addresses
			c == '.' && (last == 'w' || last == 'W'):
			fmt.Fprintf(&b, "\\%c", c)
		case c == unicode.ReplacementChar || !unicode.IsPrint(c):
			fmt.Fprintf(&b, "U\\+%04X", c)
		default:
			b.WriteRune(c)
		}
		last = c
	}
	return b.String()
}

// paragraph is text that stands at the beginning of a line, where more is markup.
func paragraph(s string) string {
	s = text(strings.Join(strings.Fields(s), " "))
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if n < len(s) && strings.ContainsRune("-=.", rune(s[n])) {
		return s[:n] + "\\" + s[n:]
	}
	return s
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
