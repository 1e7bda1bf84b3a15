package github

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

// A history is written as one word for each event, a minute after the last: +todo, -todo, closed, reopened, >title by a
// person and =title by us. The issue has the labels and title that follow from it, but for what is said after "but".
func TestReplay(t *testing.T) {
	for text, want := range map[string]struct {
		state backend.State
		todo  int // minutes after it was opened
		lags  bool
	}{
		"+todo":                   {backend.Todo, 1, false},
		"+todo +blocked":          {backend.Blocked, 1, false},
		"+todo +blocked -blocked": {backend.Todo, 3, false},
		"+todo +in-progress -todo +todo -in-progress": {backend.Todo, 4, false},
		"+blocked":                          {backend.Blocked, 0, false},
		"+todo -todo":                       {"", 1, false},
		"+done":                             {backend.Done, 0, false},
		"+todo closed":                      {backend.Done, 1, false},
		"+todo closed reopened":             {backend.Todo, 3, false},
		"+blocked closed reopened":          {backend.Blocked, 0, false},
		"+todo closed +done -todo reopened": {backend.Todo, 5, false},
		"+todo >[BLOCKED]a":                 {backend.Blocked, 1, false},
		"+todo =[BLOCKED]a":                 {backend.Todo, 1, false},
		"+todo +in-progress +blocked =[IN_PROGRESS]a": {backend.Blocked, 1, false},
		"+todo >[BLOCKED]a >a":                        {backend.Blocked, 1, false},
		"+todo >[DONE]a >[TODO]a":                     {backend.Todo, 3, false},
		"+todo >[DONE]a +blocked":                     {backend.Blocked, 1, false},
		"+todo but +blocked":                          {backend.Blocked, 1, true},
		"+todo +blocked but -todo":                    {backend.Blocked, 1, true},
		"+todo but closed":                            {backend.Done, 1, true},
		"+todo closed +done but reopened":             {backend.Todo, 1, true},
		"+todo >[DONE]a but >b":                       {backend.Done, 1, true},
	} {
		issue, events, end := story(text)
		h := words("fleet").replay(issue, events, func(u *github.User) bool { return u.GetID() == 1 })
		todo := int(h.todo.Sub(issue.GetCreatedAt().Time) / time.Minute)
		if h.state != want.state || todo != want.todo || h.lags != want.lags {
			t.Errorf("%s: got %q, to do at %d of %d, lags %t", text, h.state, todo, end, h.lags)
		}
	}
}

func story(text string) (*github.Issue, []*github.IssueEvent, int) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	issue := &github.Issue{
		CreatedAt: &github.Timestamp{Time: began}, State: github.Ptr("open"), Title: github.Ptr("a"),
	}
	var events []*github.IssueEvent
	told := true
	for n, word := range strings.Fields(text) {
		e := &github.IssueEvent{
			CreatedAt: &github.Timestamp{Time: began.Add(time.Duration(n+1) * time.Minute)}, Event: &word,
			Actor: &github.User{ID: github.Ptr(int64(7))},
		}
		rest := strings.ReplaceAll(word[1:], "_", " ")
		label := &github.Label{Name: github.Ptr("fleet:" + rest)}
		switch {
		case word == "but":
			told = false
			continue
		case word == "closed":
			issue.State = github.Ptr("closed")
		case word == "reopened":
			issue.State = github.Ptr("open")
		case word[0] == '+':
			e.Event, e.Label = github.Ptr("labeled"), label
			issue.Labels = append(issue.Labels, label)
		case word[0] == '-':
			e.Event, e.Label = github.Ptr("unlabeled"), label
			var others []*github.Label
			for _, l := range issue.Labels {
				if l.GetName() != label.GetName() {
					others = append(others, l)
				}
			}
			issue.Labels = others
		default:
			e.Event, e.Rename = github.Ptr("renamed"), &github.Rename{From: issue.Title, To: &rest}
			issue.Title = &rest
			if word[0] == '=' {
				e.Actor.ID = github.Ptr(int64(1))
			}
		}
		if told {
			events = append(events, e)
		}
	}
	return issue, events, len(events)
}
