package github

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/githubstub"
)

var trusted = map[string]bool{"ann": true}

func TestHarmless(t *testing.T) {
	const g = guard
	for text, want := range map[string]string{
		"":                                          "",
		"Plain *text* with #12.":                    "Plain *text* with #12.",
		"@eve, @Ann and x@y.z":                      "@" + g + "eve, @Ann and x@" + g + "y.z",
		"@ann/team @ann_x @ann-b":                   "@" + g + "ann/team @" + g + "ann_x @" + g + "ann-b",
		`@ann\-b @ann. (@ann)`:                      `@` + g + `ann\-b @ann. (@ann)`,
		"@ alone @":                                 "@ alone @",
		"@<b>eve</b> @**eve**":                      "@" + g + "<b>eve</b> @" + g + "**eve**",
		"&#64;eve &#x40;eve &commat;eve":            "&" + g + "#" + g + "64;eve &" + g + "#x40;eve &" + g + "commat;eve",
		"Closes #1, fixed: #2, Resolve **#3":        "Closes #" + g + "1, fixed: #" + g + "2, Resolve **#" + g + "3",
		"duplicate of #4":                           "duplicate of #" + g + "4",
		"closes&num;5":                              "closes&" + g + "num;5",
		"&lt;b&gt; &amp;#64;eve &nbsp;&period;":     "&lt;b&gt; &amp;#" + g + "64;eve &nbsp;&" + g + "period;",
		`acme/board\#6 GH\-7`:                       `acme/board\#` + g + `6 GH\-` + g + "7",
		`[x](https://github\.com\/a/b\/issues\/1)`:  `[x](https://redirect.github.com\/a/b\/issues\/1)`,
		"acme/board#6 gh-7":                         "acme/board#" + g + "6 gh-" + g + "7",
		"a#1#2#3#4":                                 "a#" + g + "1#" + g + "2#" + g + "3#" + g + "4",
		"http://www.github.com:80/a/b/pull/8/files": "http://redirect.github.com/a/b/pull/8/files",
		"https://redirect.github.com/a/b/issues/9":  "https://redirect.github.com/a/b/issues/9",
		"https://github.com/a/b/blob/main/x":        "https://github.com/a/b/blob/main/x",
		"<!-- fleet -->":                            "<" + g + "!-- fleet -->",
		"a\x00b\x1b[1mc\r\n\td\xff":                 "ab[1mc\n\td\uFFFD",
	} {
		if d := cmp.Diff(want, harmless(text, trusted)); d != "" {
			t.Errorf("%q: %s", text, d)
		}
		if again := harmless(want, trusted); again != want {
			t.Errorf("%q becomes %q when it is made harmless again", want, again)
		}
	}
}

// FuzzHarmless proves that nobody is called and nothing is linked by what an agent writes, and that it is told as
// written.
func FuzzHarmless(f *testing.F) {
	for _, text := range []string{
		"@eve", "@ann", "&#64;eve", "@\\eve", "@`eve`", "**@**eve", "fixes #1",
		"fixes: **#1**", "a/b#1", "GH-1", "<!-- fleet:x -->", "a#1#2",
		"https://github.com/a/b/issues/1", "\u200b@\u200beve", "@<!-- -->eve",
		"close\\s #1", "@ann\\-b", "@ann`b", "resolves\n#1", "&commat;eve", "&num;1", "&\\#64;eve",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := githubstub.New("acme", "board")
		s.AddUser("ann", "write")
		s.Open("ann", "a", "")
		out := harmless(text, trusted)
		s.Say("ann", 1, out)
		called := slices.DeleteFunc(s.Called(), func(who string) bool { return strings.EqualFold(who, "ann") })
		if len(called) != 0 || len(s.Linked()) != 0 {
			t.Errorf("%q calls %q and links %q", out, called, s.Linked())
		}
		if _, ok := parseEntry(out); ok || strings.Contains(out, "<!--") || !utf8.ValidString(out) {
			t.Errorf("%q has a mark", out)
		}
		if again := harmless(out, trusted); again != out {
			t.Errorf("%q, then %q", out, again)
		}
	})
}

func TestTitle(t *testing.T) {
	for text, want := range map[string]struct {
		state backend.State
		rest  string
	}{
		"Fix it":              {"", "Fix it"},
		" [TODO] Fix it ":     {backend.Todo, "Fix it"},
		"[in progress]Fix it": {backend.InProgress, "Fix it"},
		"[BLOCKED] [DONE] a":  {backend.Blocked, "[DONE] a"},
		"[DONE]":              {backend.Done, ""},
		"[DONE":               {"", "[DONE"},
		"Fix [TODO] it":       {"", "Fix [TODO] it"},
	} {
		if state, rest := parseTitle(text); state != want.state || rest != want.rest {
			t.Errorf("%q: got %q, %q", text, state, rest)
		}
	}
	if got := title(backend.InProgress, "a\n @eve  b"); got != "[IN PROGRESS] a @"+guard+"eve b" {
		t.Errorf("got %q", got)
	}
}
