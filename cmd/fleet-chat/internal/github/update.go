package github

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

// update brings a task to what it shall be. It changes title and body only where we have opened the issue: what
// somebody has written stays as written, but for the state in a title that has one.
func (b *Backend) update(ctx context.Context, j *job) (backend.Ref, error) {
	number, err := issueOf(j.Thread)
	if err != nil {
		return "", err
	}
	issue, err := b.issue(ctx, j.at, number)
	if err != nil {
		return "", err
	}
	b.begin(number, j.Effect)
	change, err := b.rewrite(ctx, j, issue)
	if err == nil {
		err = b.apply(ctx, j, issue, change)
	}
	b.end(number, err == nil)
	return issueRef(number), err
}

// change is the last update of a task that this process has made.
type change struct {
	effect *backend.Effect
	runs   bool
	whole  bool      // it has come to its end
	ended  time.Time // by this host's clock
}

// Of so many tasks the last update is kept, and of others for so long: what was seen of it needs it no more.
const (
	keepChanges    = 1000
	keepChangesFor = time.Hour
)

func (b *Backend) begin(number int, e *backend.Effect) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.applied) >= keepChanges {
		for n, c := range b.applied {
			if !c.runs && time.Since(c.ended) > keepChangesFor {
				delete(b.applied, n)
			}
		}
	}
	b.applied[number] = change{effect: e, runs: true}
}

func (b *Backend) end(number int, whole bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.applied[number]
	c.runs, c.whole, c.ended = false, whole, time.Now()
	b.applied[number] = c
}

func (b *Backend) change(number int) change {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.applied[number]
}

// rewrite returns what is to change of a task's text.
func (b *Backend) rewrite(ctx context.Context, j *job, issue *github.Issue) (change github.IssueRequest, err error) {
	is, ok := j.at.entry(issue.GetUser(), issue.GetBody())
	if !ok || j.Task.Body == "" {
		return change, nil
	}
	was, err := b.parts(ctx, j.at, issue.GetNumber(), is)
	if err != nil {
		return change, err
	}
	entries := b.entries(j.at, j.Effect, j.Task.Body)
	if slices.EqualFunc(entries, was, func(e entry, text string) bool { return e.text == text }) {
		return change, nil
	}
	// The rest of a long text comes before its beginning: a further try sees by the beginning that all is there.
	if err := b.goOn(ctx, j, issue.GetNumber(), entries); err != nil {
		return change, err
	}
	// The issue keeps the mark of its making, and who made it.
	e := entries[0]
	e.id, e.rewrite, e.author = is.id, j.ID, is.author
	change.Body = github.Ptr(e.String())
	return change, nil
}

// parts are those of a task's text.
func (b *Backend) parts(ctx context.Context, p *place, number int, first entry) ([]string, error) {
	all := []string{first.text}
	if first.of == 1 {
		return all, nil
	}
	comments, err := b.comments(ctx, p, number, time.Time{})
	if err != nil {
		return nil, err
	}
	var rest []entry
	for _, c := range comments {
		if e, ok := p.entry(c.GetUser(), c.GetBody()); ok && e.rest && e.id == first.writer() {
			rest = append(rest, e)
		}
	}
	slices.SortFunc(rest, func(x, y entry) int { return cmp.Compare(x.part, y.part) })
	for _, e := range rest {
		all = append(all, e.text)
	}
	return all, nil
}

// apply sets assignee, labels, title, and whether the issue is open, as far as they differ.
func (b *Backend) apply(ctx context.Context, j *job, issue *github.Issue, change github.IssueRequest) error {
	state, err := stateOf(j.Effect)
	if err != nil {
		return err
	}
	labelled, err := b.assign(ctx, j, issue)
	if err != nil {
		return err
	}
	want := []string{b.tasks.label(state)}
	// The agent may be another host's, which set the label.
	if agent := agentLabel + j.Task.Assignee; labelled || has(issue, agent) && !b.isAgent(j.Task.Assignee) {
		want = append(want, agent)
	}
	change.Title = retitle(j.at, issue, state, j.Task.Title)
	return b.show(ctx, j, issue, state, want, change)
}

// retitle is the title that an issue shall have, nil for the one that it has. Without a text only the state changes.
func retitle(p *place, issue *github.Issue, state backend.State, text string) *string {
	tag, is := parseTitle(issue.GetTitle())
	_, ours := p.entry(issue.GetUser(), issue.GetBody())
	var name string
	switch {
	case ours && titleText(text) != "":
		name = title(state, text)
	case ours:
		name = title(state, unguard(is))
	case tag != "" && tag != state:
		s, _ := signOf(state)
		name = s.tag + " " + is
	default:
		return nil
	}
	if name == issue.GetTitle() {
		return nil
	}
	return &name
}

// show has an issue say what state its task is in, in an order in which it never says something third: a new label
// counts before the old one goes, and one that is closed is done whatever its labels.
func (b *Backend) show(ctx context.Context, j *job, issue *github.Issue, state backend.State, want []string,
	change github.IssueRequest,
) error {
	done := state == backend.Done
	if closed := issue.GetState() == "closed"; done && !closed {
		change.State, change.StateReason = github.Ptr("closed"), github.Ptr("completed")
	} else if !done && closed {
		change.State = github.Ptr("open")
	}
	steps := []func() error{
		func() error { return b.label(ctx, j, issue, want) },
		func() error { return b.edit(ctx, j, issue, change) },
	}
	if done {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// edit changes text and state of an issue. Those of one that we have opened the account may change that has opened it.
// The title of somebody else's only those with the role Write: without it, it stays.
func (b *Backend) edit(ctx context.Context, j *job, issue *github.Issue, change github.IssueRequest) error {
	a, ours := j.at.own[issue.GetUser().GetID()], true
	if a == nil {
		a, ours = j.writer, false
	}
	send := func(change github.IssueRequest) error {
		if change.Title == nil && change.Body == nil && change.State == nil {
			return nil
		}
		_, _, err := a.api.Issues.Edit(ctx, j.at.owner, j.at.name, issue.GetNumber(), &change)
		return b.judge(a, fmt.Sprintf("what #%d says", issue.GetNumber()), err)
	}
	if ours {
		return send(change)
	}
	name := change.Title
	change.Title = nil
	if err := send(change); err != nil {
		return err
	}
	if err := send(github.IssueRequest{Title: name}); err != nil && status(err) != http.StatusForbidden {
		return err
	}
	return nil
}
