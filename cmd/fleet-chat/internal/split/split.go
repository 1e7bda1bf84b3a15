// Package split cuts a text that is too long for one message of a backend into parts that people can read: at paragraphs,
// else at lines, else at words, never within what they see as one character. A block of code that a cut goes through is
// closed in the one part and opened again in the next.
package split

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Unit is what a backend counts. It returns how many a piece of text has; those of two texts add up.
type Unit func(text string) int

// Units.
var (
	Runes Unit = utf8.RuneCountInString
	Bytes Unit = func(text string) int { return len(text) }
	UTF16 Unit = func(text string) (n int) {
		for _, r := range text {
			n++
			if r > 0xFFFF {
				n++ // a surrogate pair
			}
		}
		return n
	}
)

// Part is one message.
type Part struct {
	Open  string // opens the block of code again that the cut before went through, else ""
	Text  string // as it stands in the whole text
	Close string // closes the block of code that the cut after goes through, else ""
}

// String is what the message says.
func (p Part) String() string { return p.Open + p.Text + p.Close }

// Text returns the parts of a text, none if it is empty. The Texts of all parts joined are the text, byte for byte, and no
// part is longer than limit. Where a single character with all its marks is longer, it is cut between code points; one
// code point is never cut, not even if the limit is smaller.
func Text(text string, limit int, unit Unit) []Part {
	var parts []Part
	var in fence
	for text != "" {
		p := Part{Open: in.opening(limit, unit)}
		p.Text = text[:next(text, limit-unit(p.Open), in, limit, unit)]
		text = text[len(p.Text):]
		if in = in.after(p.Text); text != "" && p.Open+in.opening(limit, unit) != "" {
			p.Close = in.closing(p.Text, limit, unit)
		}
		parts = append(parts, p)
	}
	return parts
}

// next returns how long the next part of a text is, given what room it has.
func next(text string, room int, in fence, limit int, unit Unit) int {
	window := prefix(text, room, unit)
	if window == len(text) {
		return window
	}
	n := cut(text, window)
	// The block of code that is open there needs room for its end.
	for {
		after := in.after(text[:n])
		if unit(text[:n])+unit(after.closing(text[:n], limit, unit)) <= room || n <= 1 {
			return n
		}
		smaller := prefix(text, room-unit(after.closing(text[:n], limit, unit)), unit)
		if smaller >= n {
			smaller = prefix(text, unit(text[:n])-1, unit)
		}
		if smaller >= n {
			return n // the first code point alone
		}
		n = cut(text, smaller)
	}
}

// prefix returns how many bytes of a text have at most so many units, whole characters and at least a code point.
func prefix(text string, units int, unit Unit) int {
	n, state := 0, -1
	// What has more than that has too many units in any case; one character can have marks without end.
	rest := text[:min(len(text), utf8.UTFMax*(max(units, 0)+1))]
	for rest != "" {
		var c string
		c, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if units -= unit(c); units < 0 {
			if n == 0 {
				return runes(c, units+unit(c), unit)
			}
			return n
		}
		n += len(c)
	}
	return n
}

func runes(c string, units int, unit Unit) int {
	n := 0
	for n < len(c) {
		_, size := utf8.DecodeRuneInString(c[n:])
		if units -= unit(c[n : n+size]); units < 0 && n > 0 {
			break
		}
		n += size
	}
	return n
}

// cut returns where in its first n bytes a text is best cut: a break in the last two thirds is good, a better kind of break
// before a later one.
func cut(text string, n int) int {
	least := n / 3
	if p := strings.LastIndex(text[:n], "\n\n"); p >= least {
		return p + 2
	}
	if p := strings.LastIndexByte(text[:n], '\n'); p >= least {
		return p + 1
	}
	if r, _ := utf8.DecodeRuneInString(text[n:]); unicode.IsSpace(r) && r != '\n' && r != '\r' {
		return n // a word ends here
	}
	for p := n; p > 0; {
		if p = strings.LastIndexFunc(text[:p], space); p < least {
			break
		}
		_, size := utf8.DecodeRuneInString(text[p:])
		if c, _, _, _ := uniseg.FirstGraphemeClusterInString(text[p:], -1); len(c) == size {
			return p + size
		} // else a mark stands on the space
	}
	return n
}

// space tells white space at which a line may break: not one that holds two words together.
func space(r rune) bool { return unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f' && r != '\r' }
