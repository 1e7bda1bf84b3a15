package discord

import (
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/split"
)

const (
	// nameMost is how long the name of a thread may be, in code points: "1-100 character channel name".
	nameMost = 100

	// titleMost is how much of a title a message shows.
	titleMost = 500
)

// A sign is how people see and set a state.
type sign struct {
	state backend.State
	tag   string // at the beginning of a title
	emoji string // a reaction on a task's first message; without a variation selector, which clients add at will
}

var signs = []sign{
	{backend.Todo, "[TODO]", "📋"},
	{backend.InProgress, "[IN PROGRESS]", "🚧"},
	{backend.Blocked, "[BLOCKED]", "⛔"},
	{backend.Done, "[DONE]", "✅"},
}

func signOf(state backend.State) sign {
	for _, s := range signs {
		if s.state == state {
			return s
		}
	}
	return signs[0]
}

// signBy returns the sign of an emoji.
func signBy(emoji string) (sign, bool) {
	for _, s := range signs {
		if strings.TrimSuffix(emoji, "\ufe0f") == s.emoji {
			return s, true
		}
	}
	return sign{}, false
}

// threadName is the name of a task's thread. One that is too long is cut, and ends with "…".
func threadName(state backend.State, title string) string {
	return cut(strings.TrimSpace(signOf(state).tag+" "+oneLine(title)), nameMost)
}

// shown is a title as messages have it.
func shown(title string) string { return cut(oneLine(title), titleMost) }

// ellipsis ends what has been cut.
const ellipsis = "…"

func cut(line string, most int) string {
	if split.Runes(line) <= most {
		return line
	}
	return strings.TrimSpace(split.Text(line, most-1, split.Runes)[0].Text) + ellipsis
}

// parseName reads a thread's name. Without a state it is to do.
func parseName(name string) (backend.State, string) {
	name = strings.TrimSpace(name)
	for _, s := range signs {
		if len(name) >= len(s.tag) && strings.EqualFold(name[:len(s.tag)], s.tag) {
			return s.state, strings.TrimSpace(name[len(s.tag):])
		}
	}
	return backend.Todo, name
}

// retitled returns the title that a task has after its thread got a name, given the title before: that one, if the
// name has the same or what there was room for.
func retitled(was, named string) string {
	named = oneLine(named)
	if part, ok := strings.CutSuffix(named, ellipsis); ok && strings.HasPrefix(oneLine(was), strings.TrimSpace(part)) {
		return was
	}
	if named == oneLine(was) {
		return was
	}
	return named
}
