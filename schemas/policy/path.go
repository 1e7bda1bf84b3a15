package policy

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// maxTarget bounds the target of a request: the largest that common servers take is 32 KiB.
const maxTarget = 32 << 10

// ErrPath tells that a path has no one reading.
var ErrPath = errors.New("path must begin with a slash and have no dot segments, no empty ones, no semicolon, " +
	"no encoded slash, backslash, percent or control character")

// ParsePath brings the target of a request, a path and where there is one a query, to its canonical form: what is
// compared with the rules, and what must be passed on. Percent-encoding is taken away where it is not needed and is in
// upper case elsewhere. The query stays as it is. The error is always ErrPath: for whatever a server may read in
// another way than we do, such as /a/../b, %2e%2e, %2f, %252e, //, a backslash, a semicolon or invalid UTF-8.
func ParsePath(raw string) (string, error) {
	if !plainTarget(raw) {
		return "", ErrPath
	}
	path, query, asked := strings.Cut(raw, "?")
	text, err := decodePath(path)
	if err != nil || !clean(text) {
		return "", ErrPath
	}
	switch {
	case text == path:
		return raw, nil
	case asked:
		return text + "?" + query, nil
	}
	return text, nil
}

// plainTarget tells whether a target is a path that can be passed on as it is where no rule looks at it.
func plainTarget(s string) bool {
	if s == "" || s[0] != '/' || len(s) > maxTarget {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// decodePath takes every percent-encoding away that RFC 3986 lets stand without one, and returns path itself where
// there is nothing to change.
func decodePath(path string) (string, error) {
	out, wide := []byte(nil), false
	from := 0
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			if !isPath(path[i]) {
				return "", ErrPath
			}
			continue
		}
		c, ok := unhex(path[i:])
		if !ok || c < ' ' || c == 0x7f || strings.IndexByte(`/\;?#%`, c) >= 0 {
			return "", ErrPath
		}
		wide = wide || c >= 0x80
		if isPath(c) {
			out = append(append(out, path[from:i]...), c)
			from = i + 3
		} else if path[i+1] >= 'a' || path[i+2] >= 'a' {
			out = append(append(out, path[from:i]...), strings.ToUpper(path[i:i+3])...)
			from = i + 3
		}
		i += 2
	}
	if from > 0 {
		path = string(append(out, path[from:]...))
	}
	if wide && !validUTF8(path) {
		return "", ErrPath
	}
	return path, nil
}

// validUTF8 decodes all of a path: an overlong form of a slash is invalid.
func validUTF8(path string) bool {
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c, ok := unhex(path[i:])
		if ok {
			i += 2
		} else {
			c = path[i]
		}
		b = append(b, c)
	}
	return utf8.Valid(b)
}

// clean tells whether no segment is empty, but for the last, and none is one of dots.
func clean(path string) bool {
	dots, from := true, 1
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			dots = dots && path[i] == '.'
			continue
		}
		n := i - from
		if n == 0 && i < len(path) || dots && n > 0 && n <= 2 {
			return false
		}
		dots, from = true, i+1
	}
	return true
}

// isPath tells whether c stands for itself in a path: RFC 3986's pchar, without the semicolon that some servers cut
// segments at.
func isPath(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', isDigit(c):
		return true
	}
	return strings.IndexByte("/-._~!$&'()*+,=:@", c) >= 0
}

func unhex(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, ok1 := hexDigit(s[1])
	low, ok2 := hexDigit(s[2])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// maxMethod bounds a method; the longest registered one has 17 letters.
const maxMethod = 32

// MethodOK tells whether an HTTP request may have this method at all: upper case, as all registered ones are, and none
// that makes a tunnel, an echo or another protocol of the connection.
func MethodOK(s string) bool {
	if s == "" || len(s) > maxMethod || s == "CONNECT" || s == "TRACE" || s == "PRI" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return true
}
