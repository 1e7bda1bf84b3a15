package github

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

const (
	// maxLabel and maxTitle are how many characters GitHub takes.
	maxLabel, maxTitle = 50, 256

	maxPrefix  = maxLabel - len(":in-progress")
	agentLabel = "agent:"
)

// words is what the labels of tasks begin with. A repository can have the tasks of several fleets, each with its own.
type words string

// A sign is how people see and set a state.
type sign struct {
	state backend.State
	label string // after words and a colon
	tag   string // at the beginning of a title

	colour, meaning string // of the label
}

var signs = []sign{
	{backend.Todo, "todo", "[TODO]", "0e8a16", "A task that an agent of the fleet may take"},
	{backend.InProgress, "in-progress", "[IN PROGRESS]", "fbca04", "A task that an agent of the fleet works on"},
	{backend.Blocked, "blocked", "[BLOCKED]", "d93f0b", "A task that waits for somebody"},
	{backend.Done, "done", "[DONE]", "5319e7", "A task that is done"},
}

func signOf(state backend.State) (sign, bool) {
	i := slices.IndexFunc(signs, func(s sign) bool { return s.state == state })
	if i < 0 {
		return sign{}, false
	}
	return signs[i], true
}

// label is that of a state.
func (w words) label(state backend.State) string {
	s, _ := signOf(state)
	return string(w) + ":" + s.label
}

// state is what a label stands for, "" if nothing. GitHub does not tell labels apart by their case.
func (w words) state(label string) backend.State {
	if w == "" {
		return ""
	}
	for _, s := range signs {
		if strings.EqualFold(w.label(s.state), label) {
			return s.state
		}
	}
	return ""
}

// states are what the labels of an issue stand for.
func (w words) states(issue *github.Issue) (all []backend.State) {
	for _, l := range issue.Labels {
		if state := w.state(l.GetName()); state != "" {
			all = append(all, state)
		}
	}
	return all
}

// isTask tells whether an issue is one.
func (w words) isTask(issue *github.Issue) bool {
	return !issue.IsPullRequest() && len(w.states(issue)) > 0
}

// plain is the state of an issue that needs no history to be understood.
func (w words) plain(issue *github.Issue) (state backend.State, ok bool) {
	states := w.states(issue)
	tag, _ := parseTitle(issue.GetTitle())
	switch {
	case len(states) == 0:
		return "", true
	case issue.GetState() == "closed":
		return backend.Done, true
	}
	return states[0], len(states) == 1 && states[0] != backend.Done && (tag == "" || tag == states[0])
}

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// agentOf is the key that a label names, "" if none.
func agentOf(label string) string {
	key, ok := strings.CutPrefix(strings.ToLower(label), agentLabel)
	if !ok || !keyPattern.MatchString(key) {
		return ""
	}
	return key
}

func has(issue *github.Issue, label string) bool {
	return slices.ContainsFunc(issue.Labels, func(l *github.Label) bool { return strings.EqualFold(l.GetName(), label) })
}
