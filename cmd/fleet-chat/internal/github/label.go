package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-github/v89/github"
)

// label sets these labels, and takes off those of other states and agents.
func (b *Backend) label(ctx context.Context, j *job, issue *github.Issue, want []string) error {
	missing := slices.DeleteFunc(slices.Clone(want), func(l string) bool { return has(issue, l) })
	if len(missing) > 0 {
		_, _, err := j.writer.api.Issues.AddLabelsToIssue(ctx, j.at.owner, j.at.name, issue.GetNumber(), missing)
		if err != nil {
			return b.judge(j.writer, fmt.Sprintf("the labels of #%d", issue.GetNumber()), err)
		}
	}
	for _, l := range issue.Labels {
		name := l.GetName()
		ours := b.tasks.state(name) != "" || agentOf(name) != ""
		if !ours || slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(w, name) }) {
			continue
		}
		_, err := j.writer.api.Issues.RemoveLabelForIssue(ctx, j.at.owner, j.at.name, issue.GetNumber(),
			url.PathEscape(name))
		if err != nil && status(err) != http.StatusNotFound { // it is gone already
			return b.judge(j.writer, fmt.Sprintf("the labels of #%d", issue.GetNumber()), err)
		}
	}
	return nil
}

// assignable tells whether an agent has an account that is no other agent's.
func (b *Backend) assignable(key string) bool {
	a := b.agents[key]
	return a != nil && len(a.agents) == 1
}

// assign sets who has a task, and tells whether it needs a label for that. Agents are taken off; a person is taken on
// only if trusted, since GitHub tells who is assigned, and off never.
func (b *Backend) assign(ctx context.Context, j *job, issue *github.Issue) (label bool, err error) {
	login, agent := "", b.isAgent(j.Task.Assignee)
	switch {
	case agent && b.assignable(j.Task.Assignee):
		login = b.agents[j.Task.Assignee].name()
	case !agent && j.at.trusted[lower(j.Task.Assignee)]:
		login = j.Task.Assignee
	}
	label = agent && login == ""
	if login != "" && !assigned(issue, login) {
		after, _, err := j.writer.api.Issues.AddAssignees(ctx, j.at.owner, j.at.name, issue.GetNumber(), []string{login})
		if err != nil {
			return false, b.judge(j.writer, fmt.Sprintf("the assignee of #%d", issue.GetNumber()), err)
		}
		label = agent && !assigned(after, login) // GitHub leaves out who cannot be assigned
	}
	return label, b.unassign(ctx, j, issue, login)
}

func (b *Backend) unassign(ctx context.Context, j *job, issue *github.Issue, but string) error {
	var off []string
	for _, u := range issue.Assignees {
		if a := j.at.own[u.GetID()]; a != nil && len(a.agents) > 0 && !strings.EqualFold(u.GetLogin(), but) {
			off = append(off, u.GetLogin())
		}
	}
	if len(off) == 0 {
		return nil
	}
	_, _, err := j.writer.api.Issues.RemoveAssignees(ctx, j.at.owner, j.at.name, issue.GetNumber(), off)
	return b.judge(j.writer, fmt.Sprintf("the assignees of #%d", issue.GetNumber()), err)
}

func assigned(issue *github.Issue, login string) bool {
	is := func(u *github.User) bool { return strings.EqualFold(u.GetLogin(), login) }
	return slices.ContainsFunc(issue.Assignees, is)
}
