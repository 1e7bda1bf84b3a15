package github

import (
	"strings"
	"unicode"

	"fleet/cmd/fleet-chat/internal/backend"
)

// title is that of an issue whose task is in this state. One that is too long is cut, and ends with "…".
func title(state backend.State, text string) string {
	s, _ := signOf(state)
	out := []rune(s.tag + " " + titleText(text))
	if len(out) > maxTitle {
		out = append(out[:maxTitle-1], '…')
	}
	return strings.TrimSpace(string(out))
}

// titleText is what a task's title says, as GitHub takes it.
func titleText(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return harmless(strings.Join(strings.Fields(text), " "), nil)
}

// parseTitle reads an issue's title, with or without a state.
func parseTitle(text string) (state backend.State, rest string) {
	text = strings.TrimSpace(text)
	for _, s := range signs {
		if len(text) >= len(s.tag) && strings.EqualFold(text[:len(s.tag)], s.tag) {
			return s.state, strings.TrimSpace(text[len(s.tag):])
		}
	}
	return "", text
}
