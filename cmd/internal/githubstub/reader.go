package githubstub

import (
	"html"
	"regexp"
	"strings"
)

// GitHub looks for mentions and references in the rendered text: references of HTML are characters there, a backslash
// before punctuation is gone, and so are the signs of emphasis, comments and tags.
var (
	commentOfHTML = regexp.MustCompile(`(?s)<!--.*?-->`)
	tagOfHTML     = regexp.MustCompile(`</?[A-Za-z][^<>]*>`)
	backslashed   = regexp.MustCompile(`\\([!-/:-@\[-` + "`" + `{-~])`)
	mention       = regexp.MustCompile(`(?:^|[^A-Za-z0-9])@([A-Za-z0-9](?:-?[A-Za-z0-9])*)`)
	closing       = regexp.MustCompile(
		`(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?|duplicate\s+of)\b[\s:]*` +
			`((?:[\w.-]+/[\w.-]+)?#\d+|GH-\d+|https?://\S+)`)
	elsewhere = regexp.MustCompile(`[\w.-]+/[\w.-]+#\d+`)
	address   = regexp.MustCompile(`(?i)https?://(?:www\.)?github\.com(?::\d+)?` +
		`/[^/\s]+/[^/\s]+/(?:issues|pull|discussions|commit)/\w+`)
	within = regexp.MustCompile("([A-Za-z0-9])[*`]+([A-Za-z0-9])") // parts what is one word otherwise
	short  = regexp.MustCompile(`\bGH-\d+`)
)

// reads is what GitHub does with a text that somebody has written.
func (s *Server) reads(body string) {
	text := commentOfHTML.ReplaceAllString(body, "")
	text = tagOfHTML.ReplaceAllString(text, "")
	text = backslashed.ReplaceAllString(text, "$1")
	text = html.UnescapeString(text)
	s.linked = append(s.linked, address.FindAllString(text, -1)...)
	for range 2 { // where one letter ends one and begins the next, the first pass leaves out each second
		text = within.ReplaceAllString(text, "$1\x00$2")
	}
	text = strings.NewReplacer("*", "", "`", "").Replace(text)
	for _, m := range mention.FindAllStringSubmatch(text, -1) {
		s.called = append(s.called, m[1])
	}
	for _, p := range []*regexp.Regexp{closing, elsewhere, short} {
		s.linked = append(s.linked, p.FindAllString(text, -1)...)
	}
}
