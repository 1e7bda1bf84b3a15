package github

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxBody is how many characters the body of an issue or a comment can have.
	maxBody = 65536

	// spare is what making a part harmless may add to it: a cut can lay open what the text before it made harmless.
	spare = 256

	// maxMessage is how many characters of a foreign text stand in ours.
	maxMessage = 300

	// guard is the zero-width space: nothing is seen of it, and what it parts is no mention or reference.
	guard = "\u200b"
)

var (
	// GitHub looks for mentions in the rendered text, so that written as a reference of HTML, or behind a backslash, each
	// character still counts. Those that stand for no sign of a reference stay.
	referencePattern = regexp.MustCompile(`&(\\*#|[A-Za-z][A-Za-z0-9]*;)`)
	harmlessNames    = []string{"amp;", "lt;", "gt;", "quot;", "nbsp;"}
	mentionPattern   = regexp.MustCompile(`@([A-Za-z0-9-]*)`)
	otherRepoPattern = regexp.MustCompile("([^\\s(\\[]#[*_`\\\\]*)([0-9])")
	shortPattern     = regexp.MustCompile("(?i)(GH[*_`\\\\]*-[*_`\\\\]*)([0-9])")
	closingPattern   = regexp.MustCompile(
		"(?i)\\b((?:close[sd]?|fix(?:e[sd])?|resolve[sd]?|duplicate\\s+of)[\\s:*_~(\\[`\\\\]*#[*_`\\\\]*)([0-9])")
	linkPattern = regexp.MustCompile(`(?i)\b(redirect\.)?(?:www\\*\.)?github\\*\.com(?:\\*:[0-9]+)?` +
		`(\\*/[^/\s]+/[^/\s]+/(?:issues|pull|discussions|commit)\\*/)`)
	redirectPattern = regexp.MustCompile(`\bredirect\.github\.com` +
		`(/[^/\s]+/[^/\s]+/(?:issues|pull|discussions|commit)/)`)
)

// harmless makes the text of an agent one that does nothing but stand there: no one is mentioned but those who are
// trusted, nothing is closed or marked as a duplicate, no issue of another repository tells that it was mentioned here,
// and there is no comment of HTML, which could pass for a mark. A plain #12 stays a link to a task. People see the same
// text, though who copies a mention from it copies a zero-width space too. It is the same in code: where code begins
// and ends is GitHub's to say, and a reading of our own that differs would be a way through.
func harmless(text string, trusted map[string]bool) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.ReplaceAll(text, "<!--", "<"+guard+"!--")
	text = referencePattern.ReplaceAllStringFunc(text, func(reference string) string {
		if slices.Contains(harmlessNames, reference[1:]) {
			return reference
		}
		return "&" + guard + reference[1:]
	})
	text = guardMentions(text, trusted)
	for range 2 { // where the number of one is the name of the next, the first pass leaves out each second
		text = otherRepoPattern.ReplaceAllString(text, "$1"+guard+"$2")
	}
	text = shortPattern.ReplaceAllString(text, "$1"+guard+"$2")
	text = closingPattern.ReplaceAllString(text, "$1"+guard+"$2")
	return linkPattern.ReplaceAllStringFunc(text, func(link string) string {
		m := linkPattern.FindStringSubmatch(link)
		if m[1] != "" {
			return link
		}
		return "redirect.github.com" + m[2] // GitHub's own, for links that leave no trace
	})
}

func guardMentions(text string, trusted map[string]bool) string {
	var s strings.Builder
	last := 0
	for _, at := range mentionPattern.FindAllStringSubmatchIndex(text, -1) {
		name, rest := text[at[2]:at[3]], text[at[3]:]
		// Behind anything else the name may go on, as behind a backslash, or be a team's.
		if trusted[lower(name)] && (rest == "" || strings.ContainsRune(" \n\t.,:;!?)'\"", rune(rest[0]))) {
			continue
		}
		after := text[at[2]:]
		if after == "" || strings.HasPrefix(after, guard) || after[0] == ' ' || after[0] == '\n' || after[0] == '\t' {
			continue
		}
		s.WriteString(text[last:at[2]] + guard)
		last = at[2]
	}
	return s.String() + text[last:]
}

// unguard takes out what harmless has put into a text of ours.
func unguard(text string) string {
	return redirectPattern.ReplaceAllString(strings.ReplaceAll(text, guard, ""), "github.com$1")
}

func lower(login string) string { return strings.ToLower(login) }

// linksOf finds links to issues at a GitHub Enterprise Server, nil for github.com. There is no address for those
// without a trace: what people take from there has a zero-width space in it.
func linksOf(base *url.URL) *regexp.Regexp {
	if base.Host == "api.github.com" {
		return nil
	}
	host := strings.TrimPrefix(base.Hostname(), "api.") // that of GitHub Enterprise Cloud with an address of its own
	return regexp.MustCompile(`(?i)(` + regexp.QuoteMeta(host) + `(?::[0-9]+)?/)` +
		`([^/\s]+/[^/\s]+/(?:issues|pull|discussions|commit)/)`)
}

// plain is text of one line and bounded length.
func plain(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == unicode.ReplacementChar {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, " "))
	if r := []rune(text); len(r) > maxMessage {
		text = string(r[:maxMessage]) + "…"
	}
	return strings.TrimSpace(text)
}
