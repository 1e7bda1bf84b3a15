package clean

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                             "plain",
		"  two\r\nlines\tand\rthree  \n":    "two\nlines\tand\nthree",
		"\x1b[2Jred\x1b[0m":                 "[2Jred[0m",
		"nul\x00bell\a del\x7f c1\u009b":    "nulbell del c1",
		"left\u202eright\u2066x\u2069":      "leftrightx",
		"zero\u200bwidth\ufeff\u2060":       "zerowidth",
		"tags\U000e0041\U000e0042\u00ad":    "tags",
		"sel\U000e0100x\ufe0f":              "selx\ufe0f",
		"family \U0001f468\u200d\U0001f469": "family \U0001f468\u200d\U0001f469",
		"bad \xff utf":                      "bad \ufffd utf",
		"line\u2028sep":                     "line\nsep",
		"grüße, 世界 שלום":                    "grüße, 世界 שלום",
		"none \uffff \U0001fffe":            "none  ",
	} {
		if got := Text(in); got != strings.TrimSpace(want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\tc  d": "a b c d", "abcdefghijkl": "abcdefgh", "ääääääääää": "ääääääää", "abcdefg hi": "abcdefg", "": "",
	} {
		if got := Line(in, 8); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
		cut  bool
	}{
		{"abc", 3, "abc", false}, {"abc", 2, "ab", true}, {"aä", 2, "a", true}, {"世", 2, "", true}, {"", 0, "", false},
	} {
		if got, cut := Cut(c.in, c.most); got != c.want || cut != c.cut {
			t.Errorf("%q, %d: got %q, %t", c.in, c.most, got, cut)
		}
	}
}

// FuzzText proves that a clean text has nothing hidden, and stays as it is when it is cleaned again.
func FuzzText(f *testing.F) {
	f.Add("\x1b[2J\u202e\r\n\U000e0041")
	f.Add("a\xff\u2028 b")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) || Text(got) != got {
			t.Errorf("%q: %q, then %q", s, got, Text(got))
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && r != '\u200c' && r != '\u200d' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%q has %U", got, r)
			}
		}
		if line := Line(s, 10); strings.ContainsAny(line, "\n\t") || utf8.RuneCountInString(line) > 10 {
			t.Errorf("%q is no line", line)
		}
	})
}
