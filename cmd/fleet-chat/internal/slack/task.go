package slack

import (
	"regexp"
	"slices"
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/slack/mrkdwn"
)

// states are how a state is shown: what a task's text begins with, and a reaction.
var states = []struct {
	state     backend.State
	prefix    string
	reactions []string // the first is ours; people may use any
}{
	{backend.Todo, "[TODO]", []string{"clipboard", "memo"}},
	{backend.InProgress, "[IN PROGRESS]", []string{"hammer_and_wrench", "construction"}},
	{backend.Blocked, "[BLOCKED]", []string{"no_entry", "no_entry_sign", "octagonal_sign"}},
	{backend.Done, "[DONE]", []string{"white_check_mark", "heavy_check_mark", "ballot_box_with_check"}},
}

func prefix(s backend.State) string {
	for _, st := range states {
		if st.state == s {
			return st.prefix
		}
	}
	return ""
}

func stateOf(reaction string) (backend.State, bool) {
	for _, st := range states {
		if slices.Contains(st.reactions, reaction) {
			return st.state, true
		}
	}
	return "", false
}

// stated matches the prefix of a task, as people write it.
var stated = regexp.MustCompile(`(?i)^[\s*_~]*\[\s*(to[ _-]?do|in[ _-]?progress|blocked|done)\s*\][*_~]*\s*`)

// parseTask reads a task's text. The state is "" where the text has none.
func parseTask(text string) backend.Task {
	var t backend.Task
	if m := stated.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		t.State = map[byte]backend.State{
			't': backend.Todo, 'i': backend.InProgress, 'b': backend.Blocked, 'd': backend.Done,
		}[m[1][0]|0x20]
	}
	title, body, _ := strings.Cut(strings.TrimSpace(text), "\n")
	t.Title, t.Body = strings.TrimSpace(title), strings.TrimSpace(body)
	return t
}

const (
	// maxTitle is how much of a title is shown in a message, in characters as they are escaped.
	maxTitle = 300

	assigned = " — "
)

// title is the first line of a task of ours.
func (b *Backend) title(t backend.Task) string {
	line := prefix(t.State) + " *" + titleLine(t.Title) + "*"
	if t.Assignee != "" {
		line += assigned + titleLine(b.name(t.Assignee))
	}
	return line
}

// titleLine is a title in one line without marks, and not too long.
func titleLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	runes := []rune(s)
	for n := min(len(runes), maxTitle); ; n-- {
		short := string(runes[:n])
		if n < len(runes) {
			short += "…"
		}
		if escaped(short) <= maxTitle {
			return mrkdwn.Escape(strings.ReplaceAll(short, "*", "∗"))
		}
	}
}

// texts are the messages of a task: the first has the title.
func (b *Backend) texts(t backend.Task) []string {
	title := b.title(t)
	bodies := parts(t.Body, 2*maxTitle+64)
	if len(bodies) == 0 {
		return []string{title}
	}
	bodies[0] = title + "\n" + bodies[0]
	return bodies
}

// state takes a task without one to be to do.
func state(s backend.State) backend.State {
	if s == "" {
		return backend.Todo
	}
	return s
}

func reaction(s backend.State) string {
	for _, st := range states {
		if st.state == s {
			return st.reactions[0]
		}
	}
	return states[0].reactions[0]
}

// plainText is a text as people see it, but for the names of whom it mentions.
func plainText(text string) string {
	return mrkdwn.Plain(mrkdwn.Parse(text), func(id string) string { return id })
}
