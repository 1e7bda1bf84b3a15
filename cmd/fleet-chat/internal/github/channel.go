package github

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
	"fleet/schemas/chat"
)

// channel is the issue that a channel is.
func (b *Backend) channel(ctx context.Context, p *place, key string) (int, error) {
	label, known := b.channels[key]
	if key == chat.Tasks {
		return 0, fmt.Errorf("github: channel %s takes tasks and what is said of a task", key)
	}
	if !known {
		return 0, fmt.Errorf("github: no channel %q", plain(key))
	}
	end, ok := b.alone(ctx.Done())
	if !ok {
		return 0, b.judge(b.fleet, "channel "+key, ctx.Err())
	}
	defer end()
	if number := b.issueOfChannel(key); number != 0 {
		return number, nil
	}
	number, err := b.findChannel(ctx, p, key, label)
	if err == nil {
		b.keepChannel(key, number)
	}
	return number, err
}

func (b *Backend) issueOfChannel(key string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.issues[key]
}

func (b *Backend) keepChannel(key string, number int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.issues[key] = number
}

// lostChannel is the error where a channel's issue is gone. One that is found by its label is looked for anew.
func (b *Backend) lostChannel(key string) error {
	if _, err := strconv.Atoi(b.channels[key]); err == nil {
		return b.notChannel(key, b.issueOfChannel(key))
	}
	b.keepChannel(key, 0)
	return &backend.Later{Err: fmt.Errorf("github: the issue of channel %s is gone", key)}
}

func (b *Backend) notChannel(key string, number int) error {
	return b.fault(fmt.Sprintf("channel %s: #%d is no issue of it: set coordination.channels.%[1]s right", key, number))
}

// findChannel finds the open issue with a channel's label, of several the oldest, and opens one where there is none. Of
// hosts that open one at the same time all take the oldest, and close their own.
func (b *Backend) findChannel(ctx context.Context, p *place, key, label string) (int, error) {
	match := github.IssueListByRepoOptions{State: "open", Labels: []string{label}, Sort: "created", Direction: "asc"}
	found, err := b.issuesBy(ctx, p, match)
	if err != nil {
		return 0, err
	}
	if len(found) > 0 {
		return found[0].GetNumber(), nil
	}
	body := "The fleet's channel " + key + ". What is said here, the agents of this channel read; keep this issue open."
	made, _, err := b.fleet.api.Issues.Create(ctx, p.owner, p.name,
		&github.IssueRequest{Title: github.Ptr("Channel: " + key), Body: &body, Labels: &[]string{label}})
	if err != nil {
		return 0, b.judge(b.fleet, "an issue for channel "+key, err)
	}
	if err := b.labelled(b.fleet, made, label); err != nil {
		return 0, errors.Join(err, b.dismiss(ctx, p, made))
	}
	// What another host has opened just before is seen then.
	if err := sleep.For(ctx, lag); err != nil {
		return 0, b.judge(b.fleet, "channel "+key, err)
	}
	if found, err = b.issuesBy(ctx, p, match); err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, &backend.Later{After: lag, Err: fmt.Errorf("github: the issue of channel %s is not to be seen yet", key)}
	}
	if found[0].GetNumber() != made.GetNumber() {
		err = b.dismiss(ctx, p, made)
	}
	return found[0].GetNumber(), err
}

// dismiss closes an issue that was opened in vain.
func (b *Backend) dismiss(ctx context.Context, p *place, issue *github.Issue) error {
	_, _, err := b.fleet.api.Issues.Edit(ctx, p.owner, p.name, issue.GetNumber(),
		&github.IssueRequest{State: github.Ptr("closed"), StateReason: github.Ptr("not_planned")})
	return b.judge(b.fleet, fmt.Sprintf("closing #%d", issue.GetNumber()), err)
}

// prepare sees to it that channels and labels are there, and that the token may write, before anybody needs it.
func (b *Backend) prepare(ctx context.Context, p *place) error {
	if err := b.prepareLabels(ctx, p); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(b.channels)) {
		number, err := b.channel(ctx, p, key)
		if err == nil {
			err = b.checkChannel(ctx, p, key, number)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) checkChannel(ctx context.Context, p *place, key string, number int) error {
	issue, err := b.issue(ctx, p, number)
	if errors.Is(err, errMoved) {
		err = b.whereTo(ctx, p, err)
	}
	switch {
	case gone(err), err == nil && issue.IsPullRequest():
		return b.notChannel(key, number)
	case err == nil && b.tasks.isTask(issue):
		return b.fault(fmt.Sprintf("channel %s: #%d is a task: take its label %s:... off", key, number, b.tasks))
	}
	return err
}

// prepareLabels makes the labels of the states. It writes one of them in any case, which shows whether the token may.
func (b *Backend) prepareLabels(ctx context.Context, p *place) error {
	if b.tasks == "" {
		return nil
	}
	there, err := pages((*github.Label).GetID, func(o github.ListOptions) ([]*github.Label, *github.Response, error) {
		return b.fleet.api.Issues.ListLabels(ctx, p.owner, p.name, &o)
	})
	if err != nil {
		return b.judge(b.fleet, "the labels", err)
	}
	issue := &github.Issue{Labels: there}
	for _, l := range signs {
		name := b.tasks.label(l.state)
		want := &github.Label{Name: &name, Color: &l.colour, Description: &l.meaning}
		switch {
		case !has(issue, name):
			_, _, err = b.fleet.api.Issues.CreateLabel(ctx, p.owner, p.name, want)
			if status(err) == http.StatusUnprocessableEntity {
				err = nil // another host was faster
			}
		case l.state == backend.Todo:
			_, _, err = b.fleet.api.Issues.EditLabel(ctx, p.owner, p.name, url.PathEscape(name), want)
		}
		if err != nil {
			return b.judge(b.fleet, "the label "+name, err)
		}
	}
	return nil
}
