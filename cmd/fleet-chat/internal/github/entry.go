package github

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// An entry is what one comment of ours says, or one issue: a mark in a line that people do not see, the author's name
// in a line of its own where the account is not the author's, and a text, or a part of one.
type entry struct {
	id       string // of the effect or the claim
	part, of int    // 1, 1 for what is whole
	rest     bool   // of a comment: it goes on with the text of its task
	rewrite  string // of an issue: the effect that has written its text, if another than has made it
	claim    string // the agent that claims a task

	author string
	text   string // harmless
}

// maxMark is more than the length of any mark.
const maxMark = 128

var (
	idPattern   = regexp.MustCompile(`^[0-9A-Za-z]{26}$`)
	markPattern = regexp.MustCompile(`^<!-- fleet:([0-9A-Za-z]{26})(?: ([1-9][0-9]{0,5})/([1-9][0-9]{0,5}))?( rest)?` +
		`(?: text=([0-9A-Za-z]{26}))?(?: claim=([a-z][a-z0-9-]{0,39}))?( named)? -->(?:\r?\n|$)`)
	namePattern = regexp.MustCompile(`^\*\*((?:[^*\\\n]|\\.)+)\*\*(?:\r?\n|$)(?:\r?\n)?`)
	escaped     = regexp.MustCompile(`\\(.)`)
)

// String is what is written.
func (e entry) String() string {
	mark := "<!-- fleet:" + e.id
	if e.of > 1 {
		mark += fmt.Sprintf(" %d/%d", e.part, e.of)
	}
	if e.rest {
		mark += " rest"
	}
	if e.rewrite != "" {
		mark += " text=" + e.rewrite
	}
	if e.claim != "" {
		mark += " claim=" + e.claim
	}
	if e.author == "" {
		return mark + " -->\n" + e.text
	}
	return mark + " named -->\n" + nameLine(e.author) + e.text
}

// writer is the effect that has written a task's text.
func (e entry) writer() string {
	if e.rewrite != "" {
		return e.rewrite
	}
	return e.id
}

// said is the text as its author meant it.
func (e entry) said() string { return unguard(e.text) }

// parseEntry reads what our own account has written.
func parseEntry(written string) (e entry, ok bool) {
	m := markPattern.FindStringSubmatch(written)
	if m == nil {
		return entry{}, false
	}
	e = entry{
		id: m[1], part: 1, of: 1, rest: m[4] != "", rewrite: m[5], claim: m[6], text: written[len(m[0]):],
	}
	if m[2] != "" {
		e.part, _ = strconv.Atoi(m[2]) // digits, by the pattern
		e.of, _ = strconv.Atoi(m[3])
	}
	if name := namePattern.FindStringSubmatch(e.text); m[7] != "" && name != nil {
		e.author, e.text = unguard(escaped.ReplaceAllString(name[1], "$1")), e.text[len(name[0]):]
	}
	return e, true
}

// nameLine is a name as a line of its own.
func nameLine(name string) string {
	var s strings.Builder
	for _, c := range name {
		if c < 0x80 && strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) {
			s.WriteByte('\\') // CommonMark: any ASCII punctuation can be escaped
		}
		s.WriteRune(c)
	}
	return "**" + harmless(s.String(), nil) + "**\n\n"
}
