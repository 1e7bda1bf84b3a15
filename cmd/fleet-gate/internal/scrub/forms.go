package scrub

import (
	"bytes"
	"strings"

	"fleet/cmd/internal/forms"
)

// form is how a value may be written, and what replaces that: as many bytes.
type form struct{ text, by []byte }

// formsOf returns the forms of a value. Many are the same for most values.
func formsOf(value []byte, placeholder string) []form {
	var out []form
	add := func(text string) { out = append(out, form{[]byte(text), fit(placeholder, len(text))}) }
	for _, text := range forms.Escaped(string(value)) {
		add(text)
	}
	for skip := range 3 {
		for _, e := range forms.Alphabets {
			text, by := forms.Inside(e, value, skip), forms.Inside(e, fit(placeholder, len(value)), skip)
			out = append(out, form{text, by})
			for _, t := range forms.Escaped(string(text)) {
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
