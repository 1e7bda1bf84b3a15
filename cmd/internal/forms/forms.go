// Package forms knows how programs write a value into a text: as it is, escaped for an address, for JSON or for HTML, and
// in base64 at any offset. What hides values looks for all of them.
package forms

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Alphabets are those of base64 that are in use. Padding is left out: it depends on what stands behind a value.
var Alphabets = [...]*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding}

// Of returns all forms of a value. Many are the same for most values.
func Of(value []byte) [][]byte {
	var out [][]byte
	add := func(all []string) {
		for _, text := range all {
			out = append(out, []byte(text))
		}
	}
	add(Escaped(string(value)))
	for skip := range 3 {
		for _, e := range Alphabets {
			add(Escaped(string(Inside(e, value, skip))))
		}
	}
	return out
}

// Inside returns the base64 of a value that stands behind some bytes, without the digits that depend on what is around.
func Inside(e *base64.Encoding, value []byte, skip int) []byte {
	all := e.EncodeToString(append(make([]byte, skip), value...))
	from, to := (skip*8+5)/6, (skip+len(value))*8/6
	return []byte(all[from:to])
}

// Escaped returns a text as it is and in the ways in which it is escaped.
func Escaped(s string) []string {
	out := []string{s}
	if strings.Trim(s, unreserved) == "" {
		return out
	}
	for _, keep := range []string{"", "!'()*", "$&+=:@", "/", "/:@$&+=,;!'()*"} {
		up := percent(s, unreserved+keep, "%%%02X")
		low := percent(s, unreserved+keep, "%%%02x")
		out = append(out, up, low, strings.ReplaceAll(up, "%20", "+"), strings.ReplaceAll(low, "%20", "+"))
	}
	for _, more := range []string{"", "/", "<>&", "<>&'", "/<>&", "/<>&'", "<>&'+`\""} {
		for _, ascii := range []bool{false, true} {
			out = append(out, jsonText(s, more, ascii, `\u%04x`), jsonText(s, more, ascii, `\u%04X`))
		}
	}
	for _, r := range []*strings.Replacer{
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "+", "&#43;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;"),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;"),
	} {
		out = append(out, r.Replace(s))
	}
	return out
}

// unreserved never need an escape, RFC 3986 section 2.3.
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

func percent(s, keep, format string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(keep, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, format, s[i])
		}
	}
	return b.String()
}

// jsonText writes s as a string of JSON has it: the signs of more by their numbers, quotes, backslashes and the ends of lines
// by a backslash, a slash too where it is in more, as PHP does, and with ascii every sign outside it by its number.
func jsonText(s, more string, ascii bool, format string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\\' || c == '/' && strings.Contains(more, "/") || c == '"' && !strings.Contains(more, `"`):
			b.WriteByte('\\')
			b.WriteRune(c)
		case strings.ContainsRune(more, c):
			fmt.Fprintf(&b, format, c)
		case strings.ContainsRune("\n\r\t\b\f", c):
			b.WriteByte('\\')
			b.WriteByte(map[rune]byte{'\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f'}[c])
		case c < ' ':
			fmt.Fprintf(&b, format, c)
		case ascii && c > 0xffff:
			c -= 0x10000
			fmt.Fprintf(&b, format+format, 0xd800+c>>10, 0xdc00+c&0x3ff)
		case ascii && c >= utf8.RuneSelf:
			fmt.Fprintf(&b, format, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
