package scrub

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape returns a JSON text with the escapes of its texts resolved. It is no JSON then, but has every text in it as its
// reader gets it.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			i++
			continue
		}
		n := 2
		switch c := b[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			var r rune
			r, n = code(b[i:])
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
		i += n
	}
	return out
}

// code reads \uXXXX, or two of them that are one character, and returns how many bytes it has.
func code(b []byte) (rune, int) {
	high, ok := hex(b)
	if !ok {
		return utf8.RuneError, 2
	}
	if utf16.IsSurrogate(high) {
		if low, ok := hex(b[6:]); ok {
			if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
				return r, 12
			}
		}
	}
	return high, 6
}

func hex(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}
