package github

import (
	"slices"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

// history is what a task went through.
type history struct {
	words  words
	ours   func(*github.User) bool
	labels []backend.State // of the labels that are on, that which came last at the end
	said   backend.State   // what a label or a title has said last
	closed bool
	title  string // "" until it is changed

	state backend.State // "" for what is no task
	todo  time.Time     // when it was last made to do
	lags  bool          // the issue tells of more than what was done to it does
	steps []step
}

// step is a change of what a task says of itself.
type step struct {
	id   int64
	by   *github.User
	time time.Time
	text bool // the title says something else, not only another state
}

// replay goes through what was done to an issue.
func (w words) replay(issue *github.Issue, events []*github.IssueEvent, ours func(*github.User) bool) *history {
	h := &history{words: w, ours: ours, todo: issue.GetCreatedAt().Time}
	for _, e := range events {
		h.take(e)
	}
	h.catchUp(issue)
	h.state = h.current()
	return h
}

func (h *history) take(e *github.IssueEvent) {
	was, text := h.current(), false
	switch e.GetEvent() {
	case "labeled", "unlabeled":
		l := e.GetLabel().GetName()
		state := h.words.state(l)
		if state == "" && agentOf(l) == "" {
			return
		}
		if state != "" {
			h.off(state)
			if e.GetEvent() == "labeled" {
				h.on(state)
			}
		}
	case "renamed":
		text = h.rename(e)
	case "closed":
		h.closed = true
	case "reopened":
		h.reopen()
	case "assigned", "unassigned":
	default:
		return
	}
	h.steps = append(h.steps, step{e.GetID(), e.GetActor(), e.GetCreatedAt().Time, text})
	if now := h.current(); now == backend.Todo && was != now {
		h.todo = e.GetCreatedAt().Time
	}
}

func (h *history) on(state backend.State) {
	h.labels = append(h.labels, state)
	h.said = state
}

// off takes a label off. What it said falls back to what is on besides.
func (h *history) off(state backend.State) {
	h.labels = slices.DeleteFunc(h.labels, func(other backend.State) bool { return other == state })
	if h.said != state {
		return
	}
	if h.said = ""; len(h.labels) > 0 {
		h.said = h.labels[len(h.labels)-1]
	}
}

// rename takes what a title says by another tag, and tells whether it has another text. Our tags only follow the
// labels.
func (h *history) rename(e *github.IssueEvent) (text bool) {
	from, was := parseTitle(e.GetRename().GetFrom())
	to, is := parseTitle(e.GetRename().GetTo())
	h.title = e.GetRename().GetTo()
	if to != "" && to != from && !h.ours(e.GetActor()) {
		h.said = to
	}
	return was != is
}

func (h *history) reopen() {
	h.closed = false
	if h.said == backend.Done {
		h.said = backend.Todo
	}
}

// catchUp takes what the issue says, where the list of what was done to it lags behind.
func (h *history) catchUp(issue *github.Issue) {
	states := h.words.states(issue)
	for _, state := range slices.Clone(h.labels) {
		if !slices.Contains(states, state) {
			h.lags = true
			h.off(state)
		}
	}
	for _, state := range states {
		if !slices.Contains(h.labels, state) {
			h.lags = true
			h.on(state)
		}
	}
	if closed := issue.GetState() == "closed"; closed != h.closed {
		h.lags = true
		if h.closed = closed; !closed {
			h.reopen()
		}
	}
	h.lags = h.lags || h.title != "" && h.title != issue.GetTitle()
}

// last is the number of what was done last, 0 for nothing.
func (h *history) last() int64 {
	if len(h.steps) == 0 {
		return 0
	}
	return h.steps[len(h.steps)-1].id
}

// current is the state so far, "" for what is no task.
func (h *history) current() backend.State {
	switch {
	case len(h.labels) == 0:
		return ""
	case h.closed:
		return backend.Done
	}
	return h.said
}
