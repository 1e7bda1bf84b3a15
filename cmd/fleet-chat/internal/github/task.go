package github

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

// known is what was last handed on of an issue.
type known struct {
	task bool
	seen time.Time         // by GitHub's clock: what was done before was seen then
	text [sha256.Size]byte // of the body
	rest backend.Task      // without it
}

// A sight is an issue that is a task, or was one, as it was read.
type sight struct {
	p       *place
	issue   *github.Issue
	history *history // nil where it was not needed
	entry   entry
	ours    bool // it has an entry
	task    backend.Task
	was     *known // nil if it was not seen before
	now     *known

	byUs bool // what is there is of our own making, at this host or another
}

func (s *sight) number() int { return s.issue.GetNumber() }

// takeIssue hands on a task that is new or not what it was.
func (w *watch) takeIssue(ctx context.Context, p *place, i *github.Issue) (n int, err error) {
	number, was := i.GetNumber(), w.known[i.GetNumber()]
	wasTask := was != nil && was.task
	if i.IsPullRequest() || w.b.channelOf(number) != "" || !wasTask && !w.b.tasks.isTask(i) {
		return 0, nil
	}
	// What an update of ours is at changes once more.
	if c := w.b.change(number); c.runs || c.ended.After(w.asked) {
		w.readAgain()
		return 0, nil
	}
	s, err := w.see(ctx, p, i)
	if err != nil {
		return 0, err
	}
	if wasTask && s.now.task && was.text == s.now.text && was.rest == s.now.rest {
		was.seen = s.now.seen // it was a comment, or nothing that a task is
		return 0, nil
	}
	if !wasTask {
		e, err := w.created(ctx, s)
		if err == nil {
			err = w.taken(ctx, e)
		}
		if err != nil {
			return 0, err
		}
		n++
	}
	// One that was told before this start may have been another then.
	if was != nil || !i.GetCreatedAt().After(w.resumed) {
		e, err := w.updated(ctx, s)
		if err == nil {
			err = w.taken(ctx, e)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	if !s.byUs {
		if err := w.b.tidy(ctx, s); err != nil {
			return n, err
		}
	}
	w.known[number] = s.now
	return n, nil
}

// readAgain has the issues be read once more, whatever their tag.
func (w *watch) readAgain() { w.issues.again, w.issues.url = true, "" }

// see reads what an issue says.
func (w *watch) see(ctx context.Context, p *place, i *github.Issue) (*sight, error) {
	s := &sight{p: p, issue: i, was: w.known[i.GetNumber()]}
	s.entry, s.ours = p.entry(i.GetUser(), i.GetBody())
	state, plain := w.b.tasks.plain(i)
	if !plain {
		if err := w.remember(ctx, s); err != nil {
			return nil, err
		}
		state = s.history.state
	}
	if state == "" {
		state = backend.Done // somebody took the labels off: it is no task any more
	}
	_, name := parseTitle(i.GetTitle())
	s.task = backend.Task{Title: name, Body: i.GetBody(), State: state, Assignee: s.assignee()}
	if s.ours {
		parts, err := w.b.parts(ctx, p, s.number(), s.entry)
		if err != nil {
			return nil, err
		}
		s.task.Title, s.task.Body = unguard(name), unguard(strings.Join(parts, ""))
	}
	s.now = &known{
		task: w.b.tasks.isTask(i), seen: w.b.fleet.limit.clock(w.asked).Add(-lag).Truncate(time.Second),
		text: sha256.Sum256([]byte(s.task.Body)), rest: s.task,
	}
	s.now.rest.Body = ""
	return s, nil
}

// remember reads what was done to an issue.
func (w *watch) remember(ctx context.Context, s *sight) error {
	if s.history != nil {
		return nil
	}
	events, err := w.b.events(ctx, s.p, s.number())
	if err != nil && !gone(err) {
		return err
	}
	s.history = w.b.tasks.replay(s.issue, events, s.p.ours)
	if w.b.lags(s.history, s.issue) {
		w.readAgain()
	}
	return nil
}

// assignee is who has the task: an agent before a person.
func (s *sight) assignee() (who string) {
	for _, l := range s.issue.Labels {
		if key := agentOf(l.GetName()); key != "" {
			return key
		}
	}
	for _, u := range s.issue.Assignees {
		if a := s.p.own[u.GetID()]; a != nil && len(a.agents) > 0 {
			return a.agents[0]
		}
		if who == "" {
			who = u.GetLogin()
		}
	}
	return who
}

// tidy has labels, title and whether the issue is open say the same, where a person has changed one of them.
func (b *Backend) tidy(ctx context.Context, s *sight) error {
	if !s.now.task {
		return nil
	}
	j := &job{&backend.Effect{}, s.p, b.fleet}
	want := []string{b.tasks.label(s.task.State)}
	for _, l := range s.issue.Labels {
		if agentOf(l.GetName()) != "" {
			want = append(want, l.GetName())
		}
	}
	change := github.IssueRequest{Title: retitle(s.p, s.issue, s.task.State, "")}
	err := b.show(ctx, j, s.issue, s.task.State, want, change)
	if status(err) != 0 {
		return nil // what we may not set right stays
	}
	return err
}
