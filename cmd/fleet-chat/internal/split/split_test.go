package split_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"

	"fleet/cmd/fleet-chat/internal/split"
)

func TestText(t *testing.T) {
	woman := "👩🏽‍🔬" // four code points, seven units of UTF-16
	for name, c := range map[string]struct {
		text  string
		limit int
		unit  split.Unit
		want  []string
	}{
		"nothing":                     {"", 10, split.Runes, nil},
		"fits":                        {"0123456789", 10, split.Runes, []string{"0123456789"}},
		"a paragraph before a line":   {"aaaa\n\nb\ncc dd", 11, split.Runes, []string{"aaaa\n\n", "b\ncc dd"}},
		"a line before a word":        {"aaaa\nbb cc dd", 11, split.Runes, []string{"aaaa\n", "bb cc dd"}},
		"a word":                      {"aaaa bb cccc", 9, split.Runes, []string{"aaaa bb ", "cccc"}},
		"a word that just fits":       {"aaaa bb cccc", 7, split.Runes, []string{"aaaa bb", " cccc"}},
		"no break at hand":            {"a bbbbbbbbbbbb", 8, split.Runes, []string{"a bbbbbb", "bbbbbb"}},
		"a space that holds":          {"aaaa b\u00a0ccc", 8, split.Runes, []string{"aaaa ", "b\u00a0ccc"}},
		"bytes of a rune stay":        {"ééé", 5, split.Bytes, []string{"éé", "é"}},
		"a pair of surrogates stays":  {"😀😀", 3, split.UTF16, []string{"😀", "😀"}},
		"a pair is one code point":    {"😀😀😀", 2, split.Runes, []string{"😀😀", "😀"}},
		"a character of many":         {woman + woman, 10, split.UTF16, []string{woman, woman}},
		"a mark on a space":           {"aaa \u0301bbb", 6, split.Runes, []string{"aaa \u0301b", "bb"}},
		"marks of a letter":           {"e\u0301e\u0301", 3, split.Runes, []string{"e\u0301", "e\u0301"}},
		"a character over the limit":  {"e\u0301\u0301\u0301", 2, split.Runes, []string{"e\u0301", "\u0301\u0301"}},
		"a code point over the limit": {"😀a", 1, split.UTF16, []string{"😀", "a"}},
		"a line's end of two":         {"aaaa\r\nbbbb", 5, split.Runes, []string{"aaaa", "\r\n", "bbbb"}},
		"code": {
			"Look:\n```go\n" + strings.Repeat("x := 1\n", 8) + "```\nso.", 60, split.Runes,
			[]string{
				"Look:\n```go\n" + strings.Repeat("x := 1\n", 6) + "```",
				"```go\n" + strings.Repeat("x := 1\n", 2) + "```\nso.",
			},
		},
		"code without lines": {
			"```" + strings.Repeat("x", 70), 50, split.Runes,
			[]string{"```" + strings.Repeat("x", 43) + "\n```", "```\n" + strings.Repeat("x", 27)},
		},
		"code that ends at the cut": {
			"```\naaaa bbbb cccc dddd eeee\n```\nfff gggg", 36, split.Runes,
			[]string{"```\naaaa bbbb cccc dddd eeee\n```\n", "fff gggg"},
		},
		"longer fences": {
			"````md\n```\nin\n```\n" + strings.Repeat("y\n", 20) + "````", 60, split.Runes,
			[]string{
				"````md\n```\nin\n```\n" + strings.Repeat("y\n", 19) + "````",
				"````md\ny\n````",
			},
		},
		"code within a line": {"a ```b``` " + strings.Repeat("c", 40), 40, split.Runes, []string{
			"a ```b``` " + strings.Repeat("c", 30), strings.Repeat("c", 10),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range split.Text(c.text, c.limit, c.unit) {
				got = append(got, p.String())
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			check(t, c.text, c.limit, c.unit)
		})
	}
}

// check holds what Text promises for any text.
func check(t *testing.T, text string, limit int, unit split.Unit) {
	t.Helper()
	joined := ""
	for i, p := range split.Text(text, limit, unit) {
		joined += p.Text
		if p.Text == "" {
			t.Fatalf("part %d has no text", i)
		}
		if n := unit(p.String()); n > limit && utf8.RuneCountInString(p.Text) > 1 {
			t.Fatalf("part %d has %d units of at most %d: %q", i, n, limit, p)
		}
		if utf8.ValidString(text) && !utf8.ValidString(p.String()) {
			t.Fatalf("part %d cuts a code point: %q", i, p)
		}
	}
	if joined != text {
		t.Fatalf("got %q, want %q", joined, text)
	}
}

// bounds returns where characters of a text begin.
func bounds(text string) map[int]bool {
	at := map[int]bool{}
	for g := uniseg.NewGraphemes(text); g.Next(); {
		from, _ := g.Positions()
		at[from] = true
	}
	return at
}

func FuzzText(f *testing.F) {
	for _, text := range []string{
		"", "a", "a b\n\nc\nd", "```go\nx\n```\n", "````\n```\n````", "👩🏽‍🔬🇩🇪🇫🇷e\u0301\u0301", "\xff\xfe`\r\n\r\n", "``` ``` ```",
		strings.Repeat("`", 50), strings.Repeat("word ", 50), "~~~\na\n~~~", "a\u200d\u2061\u2062",
	} {
		f.Add(text, uint16(40), byte(0))
		f.Add(text, uint16(3), byte(1))
		f.Add(text, uint16(2000), byte(2))
	}
	units := []split.Unit{split.Runes, split.Bytes, split.UTF16}
	f.Fuzz(func(t *testing.T, text string, limit uint16, which byte) {
		unit, most := units[int(which)%len(units)], int(limit)+1
		check(t, text, most, unit)
		widest := 0
		for g := uniseg.NewGraphemes(text); g.Next(); {
			widest = max(widest, unit(g.Str()))
		}
		if 2*widest >= most {
			return
		}
		at, here := bounds(text), 0
		for _, p := range split.Text(text, most, unit) {
			if !at[here] {
				t.Fatalf("%q is cut within a character at %d", text, here)
			}
			here += len(p.Text)
		}
	})
}
