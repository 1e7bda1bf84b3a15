package unit

import (
	"strings"
	"testing"
)

// TestNames: what a function takes, and below it what it refuses.
func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name    string
		is      func(string) bool
		yes, no string // each ended by |
	}{
		{"key", isKey, "Type|ExecStart|X-Fleet-Agent|LimitNOFILE|", "|type|X-|X--A|-X|A B|A=|Ä|1A|"},
		{"word", isWord, "no|@aio|200%|a,b=c/d:e~f+g|-/boot|", "|%|a%%|%a|a b|a;|a\n|\"a\"|$A|é|"},
		{
			"unit", isUnit, "a.service|a.b@c:d_e-.socket|x.timer|x.target|x.slice|",
			"|.service|a|a.|a.mount|a.servicex|a/b.service|a.service/|a b.service|a.service\n|%n.service|",
		},
		{"variable", isVariable, "A|_|a1|PATH_2|", "|1A|A-B|A B|A=|Ä|"},
	} {
		for s := range strings.SplitSeq(strings.TrimSuffix(tt.yes, "|"), "|") {
			if !tt.is(s) {
				t.Errorf("%s: %q is refused", tt.name, s)
			}
		}
		for s := range strings.SplitSeq(strings.TrimSuffix(tt.no, "|"), "|") {
			if tt.is(s) {
				t.Errorf("%s: %q is taken", tt.name, s)
			}
		}
	}
}
