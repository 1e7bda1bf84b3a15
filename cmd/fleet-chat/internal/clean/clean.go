// Package clean makes text of people and agents fit to be stored and shown: valid UTF-8 of bounded length, without what
// steers a terminal, hides from a reader or turns the order of letters around.
package clean

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text makes a text of several lines clean: line ends become newlines, tabs stay.
func Text(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.TrimSpace(strings.Map(visible, strings.ToValidUTF8(s, "\uFFFD")))
}

// visible returns what stands for a character in a clean text, less than 0 for nothing. Marks of direction, characters
// without width and tags could say to a model what no reader sees; the two joiners and the selectors of emoji stay.
func visible(r rune) rune {
	switch {
	case r == '\n', r == '\t', r == '\u200c', r == '\u200d':
		return r
	case r == '\r', r == '\v', r == '\f', r == '\u0085', r == '\u2028', r == '\u2029':
		return '\n'
	case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co), 0xE0000 <= r && r <= 0xE0FFF:
		return -1
	case r&0xFFFE == 0xFFFE, 0xFDD0 <= r && r <= 0xFDEF: // no characters at all
		return -1
	}
	return r
}

// Line makes a text of one line clean: whatever parts words becomes a blank. It has at most so many characters.
func Line(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(Text(s), unicode.IsSpace), " ")
	for i := range s {
		if most == 0 {
			return strings.TrimSpace(s[:i])
		}
		most--
	}
	return s
}

// Cut shortens a text to at most so many bytes, between two characters, and tells whether it did.
func Cut(s string, most int) (string, bool) {
	if len(s) <= most {
		return s, false
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most], true
}
