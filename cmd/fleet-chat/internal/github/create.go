package github

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

// create opens an issue for a task.
func (b *Backend) create(ctx context.Context, j *job) (backend.Ref, error) {
	entries := b.entries(j.at, j.Effect, j.Task.Body)
	issue, err := b.leftIssue(ctx, j)
	if err != nil {
		return "", err
	}
	if issue == nil {
		if issue, err = b.open(ctx, j, entries[0]); err != nil {
			return "", err
		}
	}
	if err := b.goOn(ctx, j, issue.GetNumber(), entries); err != nil {
		return "", err
	}
	return issueRef(issue.GetNumber()), b.apply(ctx, j, issue, github.IssueRequest{})
}

// goOn writes what of a task's text has no room in the issue.
func (b *Backend) goOn(ctx context.Context, j *job, number int, entries []entry) error {
	rest := entries[min(1, len(entries)):]
	for i := range rest {
		rest[i].rest = true
	}
	_, err := b.comment(ctx, j, number, rest)
	return err
}

func (b *Backend) open(ctx context.Context, j *job, e entry) (*github.Issue, error) {
	if titleText(j.Task.Title) == "" {
		return nil, fmt.Errorf("github: effect %s: a task needs a title", j.ID)
	}
	state, err := stateOf(j.Effect)
	if err != nil {
		return nil, err
	}
	name, body := title(state, j.Task.Title), e.String()
	want := []string{b.tasks.label(state)}
	if b.isAgent(j.Task.Assignee) && !b.assignable(j.Task.Assignee) {
		want = append(want, agentLabel+j.Task.Assignee)
	}
	issue, _, err := j.writer.api.Issues.Create(ctx, j.at.owner, j.at.name,
		&github.IssueRequest{Title: &name, Body: &body, Labels: &want})
	if err != nil {
		return nil, b.judge(j.writer, "a new issue", err)
	}
	if issue.GetNumber() == 0 {
		return nil, &backend.Later{After: lag, Err: fmt.Errorf("github: a new issue: the answer is none")}
	}
	return issue, b.labelled(j.writer, issue, want[0])
}

// stateOf is the state that a task shall have; what says none is to do.
func stateOf(e *backend.Effect) (backend.State, error) {
	if e.Task.State == "" {
		return backend.Todo, nil
	}
	if _, ok := signOf(e.Task.State); !ok {
		return "", fmt.Errorf("github: effect %s: unknown state %q", e.ID, plain(string(e.Task.State)))
	}
	return e.Task.State, nil
}

// labelled tells what must be set right where GitHub has left a label out, as it does for those who may not set one.
func (b *Backend) labelled(a *account, issue *github.Issue, label string) error {
	if has(issue, label) {
		return nil
	}
	return b.fault("GitHub did not take the label " + label + " from the account of the secret " + a.secret +
		": give that account the role Triage or Write, under Settings, Collaborators")
}

// leftIssue finds the issue that an earlier try has opened, nil if none.
func (b *Backend) leftIssue(ctx context.Context, j *job) (*github.Issue, error) {
	match := github.IssueListByRepoOptions{
		State: "all", Creator: j.writer.name(), Sort: "created", Direction: "asc",
		Since: b.since(j).UTC().Truncate(time.Second),
	}
	issues, err := b.issuesBy(ctx, j.at, match)
	for _, i := range issues {
		if e, ok := j.at.entry(i.GetUser(), i.GetBody()); ok && e.id == j.ID {
			return i, err
		}
	}
	return nil, err
}
