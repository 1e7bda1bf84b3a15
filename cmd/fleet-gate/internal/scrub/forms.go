package scrub

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// form is how a value may be written, and what replaces that: as many bytes.
type form struct{ text, by []byte }

// forms returns the forms of a value. Many are the same for most values.
func forms(value []byte, placeholder string) []form {
	var out []form
	add := func(text string) { out = append(out, form{[]byte(text), fit(placeholder, len(text))}) }
	for _, text := range escaped(string(value)) {
		add(text)
	}
	for skip := range 3 {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text, by := inside(e, value, skip), inside(e, fit(placeholder, len(value)), skip)
			out = append(out, form{text, by})
			for _, t := range escaped(string(text)) {
				if t != string(text) {
					add(t) // its + and / are escaped too
				}
			}
		}
	}
	return out
}

// fit returns n bytes of a placeholder.
func fit(placeholder string, n int) []byte {
	if len(placeholder) >= n {
		return []byte(placeholder[:n])
	}
	return []byte(placeholder + strings.Repeat("x", n-len(placeholder)))
}

// inside returns the base64 of a value that stands behind some bytes, without the digits that depend on what is around.
func inside(e *base64.Encoding, value []byte, skip int) []byte {
	all := e.EncodeToString(append(make([]byte, skip), value...))
	from, to := (skip*8+5)/6, (skip+len(value))*8/6
	return []byte(all[from:to])
}

// escaped returns a text as it is and in the ways in which it is escaped.
func escaped(s string) []string {
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

// jsonText writes s as a string of JSON has it: the signs of more by their numbers, quotes and backslashes by a backslash,
// a slash too where it is in more, as PHP does, and with ascii every sign outside it by its number.
func jsonText(s, more string, ascii bool, format string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\\' || c == '/' && strings.Contains(more, "/") || c == '"' && !strings.Contains(more, `"`):
			b.WriteByte('\\')
			b.WriteRune(c)
		case strings.ContainsRune(more, c):
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

// edges are what a replacement may begin and end with where its own letters will not do.
const edges = "x0AzZ9q_-~*"

// maxCompared and maxOverlap bound what is compared: beyond, the edges are those that hardly a text has.
const maxCompared, maxOverlap = 200, 64

// apart returns a replacement behind or before which no other bytes make one of the texts: no begin or end of it is the
// end or begin of one. Else a host that knows a value could have one stand in the answer after all. Where no letters will
// do, it is left as it is.
func apart(by []byte, texts [][]byte) []byte {
	if len(texts) > maxCompared {
		by[0], by[len(by)-1] = '*', '*'
		return by
	}
	if alone(by, texts) {
		return by
	}
	for _, first := range []byte(edges) {
		for _, last := range []byte(edges) {
			try := bytes.Clone(by)
			try[0], try[len(try)-1] = first, last
			if alone(try, texts) {
				return try
			}
		}
	}
	for _, c := range []byte(edges) {
		if try := bytes.Repeat([]byte{c}, len(by)); alone(try, texts) {
			return try
		}
	}
	return by
}

func alone(by []byte, texts [][]byte) bool {
	for _, t := range texts {
		if bytes.Contains(by, t) || bytes.Contains(t, by) || touches(by, t) || touches(t, by) {
			return false
		}
	}
	return true
}

// touches tells whether an end of a is a begin of b.
func touches(a, b []byte) bool {
	for n := 1; n < min(len(a), len(b), maxOverlap); n++ {
		if bytes.Equal(a[len(a)-n:], b[:n]) {
			return true
		}
	}
	return false
}
