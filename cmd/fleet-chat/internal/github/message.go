package github

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// takeComment hands on a message. What was said before from is edited now: that is not said again.
func (w *watch) takeComment(ctx context.Context, p *place, c *github.IssueComment, from time.Time) (int, error) {
	number, err := strconv.Atoi(path.Base(c.GetIssueURL()))
	if err != nil || !w.comments.seen[c.GetID()].IsZero() || c.GetCreatedAt().Before(from) {
		return 0, nil
	}
	e := w.said(p, number, c)
	if e == nil {
		return 0, nil
	}
	if e.Channel = w.b.channelOf(number); e.Channel == "" {
		if task, err := w.learn(ctx, p, number); err != nil || !task {
			return 0, err
		}
		e.Channel, e.Thread = chat.Tasks, issueRef(number)
	}
	if err := w.taken(ctx, *e); err != nil {
		return 0, err
	}
	w.comments.seen[c.GetID()] = c.GetUpdatedAt().Time
	return 1, nil
}

// said is what a comment says, nil for a claim and for what belongs to the text of a task.
func (w *watch) said(p *place, number int, c *github.IssueComment) *backend.Event {
	e := &backend.Event{
		ID: fmt.Sprintf("comment/%d", c.GetID()), Kind: backend.Post, Ref: commentRef(number, c.GetID()),
		From: p.person(c.GetUser()), Text: c.GetBody(), Time: c.GetCreatedAt().Time,
	}
	switch ours, ok := p.entry(c.GetUser(), c.GetBody()); {
	case ours.claim != "" || ours.rest:
		return nil
	case ok:
		e.Echo, e.Text, e.From = ours.id, ours.said(), p.author(c.GetUser(), ours)
	case c.GetUpdatedAt().After(c.GetCreatedAt().Time):
		e.From = edited(e.From)
	}
	e.To = w.b.mentioned(e.Text, "")
	return e
}

// learn tells whether an issue is a task, and hands the task on if it was not known yet.
func (w *watch) learn(ctx context.Context, p *place, number int) (bool, error) {
	if w.b.tasks == "" {
		return false, nil
	}
	if k := w.known[number]; k != nil {
		return k.task, nil
	}
	i, err := w.b.issue(ctx, p, number)
	if errors.Is(err, errMoved) {
		err = w.b.whereTo(ctx, p, err)
	}
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !w.b.tasks.isTask(i) {
		w.known[number] = &known{}
		return false, nil
	}
	_, err = w.takeIssue(ctx, p, i)
	return err == nil, err
}

func (b *Backend) channelOf(number int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, n := range b.issues {
		if n == number {
			return key
		}
	}
	return ""
}
