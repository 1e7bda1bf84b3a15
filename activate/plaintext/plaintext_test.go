package plaintext_test

import (
	"strings"
	"testing"
	"unicode"

	"fleet/activate/plaintext"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n":                           "plain",
		"a\tb":                              "a    b",
		"two\r\nlines\n":                    "two lines",
		"\x1b[1;31mred\x1b[0m":              "red",
		"\x1b]2;title\x07x":                 "x",
		"\x1b]52;c;SFVT\x1b\\x":             "x",
		"\x1b]2;without end":                `\x1b]2;without end`,
		"\x1b[31":                           `\x1b[31`,
		"\x1b\x1b[31m[2J":                   `\x1b[2J`,
		"bell\a back\b nul\x00 del\x7f":     `bell\a back\b nul\x00 del\x7f`,
		"c1 \u009b31m":                      `c1 \u009b31m`,
		"right to left \u202e txt":          `right to left \u202e txt`,
		"over\rwritten":                     `over\rwritten`,
		"grüße, 世界":                         "grüße, 世界",
		"invalid \xff":                      `invalid \ufffd`,
		strings.Repeat("x", 20000) + "\x1b": strings.Repeat("x", 16384) + "...",
	} {
		if got := plaintext.Line(in); got != want {
			t.Errorf("%.60q: got %.60q, want %.60q", in, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[string]string{"short": "short", "exactly ten": "exactl..."} {
		if got := plaintext.Short(in, 9); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// Whatever comes in, nothing comes out that steers a terminal.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "\x1b[31m", "\x1b\x1b[m[2J", "\x1b]\x1b]2;a\x07;b\x07", "\u009b1m\x9b", "a\r\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range plaintext.Line(s) {
			if !unicode.IsPrint(r) {
				t.Errorf("%q of %q is not printable", r, s)
			}
		}
	})
}
