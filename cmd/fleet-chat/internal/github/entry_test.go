package github

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const anID = "01HZZZZZZZZZZZZZZZZZZZZZZZ"

func TestEntry(t *testing.T) {
	for written, want := range map[string]*entry{
		"<!-- fleet:" + anID + " -->\nHi.":                       {id: anID, part: 1, of: 1, text: "Hi."},
		"<!-- fleet:" + anID + " -->\n**A**\n\nHi.":              {id: anID, part: 1, of: 1, text: "**A**\n\nHi."},
		"<!-- fleet:" + anID + " named -->\n**A \\*\\***\n\nHi.": {id: anID, part: 1, of: 1, author: "A **", text: "Hi."},
		"<!-- fleet:" + anID + " 2/3 rest -->\nHi.":              {id: anID, part: 2, of: 3, rest: true, text: "Hi."},
		"<!-- fleet:" + anID + " 1/3 text=" + anID + " -->\n":    {id: anID, part: 1, of: 3, rewrite: anID},
		"<!-- fleet:" + anID + " claim=lead named -->\n**A**\n\ntakes.": {
			id: anID, part: 1, of: 1, claim: "lead", author: "A", text: "takes.",
		},
		"<!-- fleet:" + anID + " -->":                 {id: anID, part: 1, of: 1},
		"<!-- fleet:" + anID + " -->\r\nHi.":          {id: anID, part: 1, of: 1, text: "Hi."},
		" <!-- fleet:" + anID + " -->\nHi.":           nil,
		"<!-- fleet:short -->\nHi.":                   nil,
		"<!-- fleet:" + anID + " --> Hi.":             nil,
		"<!-- fleet:" + anID + " claim=Lead -->\nHi.": nil,
		"<!-- fleet:" + anID + " 0/3 -->\nHi.":        nil,
		"<!-- fleet:" + anID + " more -->\nHi.":       nil,
		"":                                            nil,
	} {
		got, ok := parseEntry(written)
		if want == nil {
			want = &entry{}
		}
		if d := cmp.Diff(*want, got, cmp.AllowUnexported(entry{})); d != "" || ok != (want.id != "") {
			t.Errorf("%q: %t, %s", written, ok, d)
		}
	}
}

// FuzzEntry proves that an entry is read as it was written, whatever its author and text.
func FuzzEntry(f *testing.F) {
	f.Add("Atlas", "Hi.", 1, 1, false, "", "")
	f.Add("**x**\n", "**y**\n\n", 2, 3, true, anID, "lead")
	f.Add("<!--", "<!-- fleet:"+anID+" -->\n", 1, 2, false, "", "")
	f.Add("\\", "\r\n", 1, 1, false, "", "")
	f.Fuzz(func(t *testing.T, author, text string, part, of int, rest bool, rewrite, claim string) {
		e := entry{id: anID, part: 1, of: 1, author: plain(author), text: harmless(text, nil), rest: rest}
		if of > 1 && of < 1_000_000 && part > 0 && part < 1_000_000 {
			e.part, e.of = part, of
		}
		if idPattern.MatchString(rewrite) {
			e.rewrite = rewrite
		}
		if keyPattern.MatchString(claim) {
			e.claim = claim
		}
		want := e
		want.author = unguard(e.author)
		got, ok := parseEntry(e.String())
		if d := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); d != "" || !ok {
			t.Errorf("%q: %s", e.String(), d)
		}
	})
}
