package github

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// event is what is the same of all events of a task.
func (w *watch) event(s *sight, kind backend.Kind) backend.Event {
	text := ""
	if kind == backend.Create || s.was != nil && (s.was.text != s.now.text || s.was.rest.Title != s.task.Title) {
		text = s.task.Title + "\n" + s.task.Body
	}
	return backend.Event{
		Kind: kind, Channel: chat.Tasks, Thread: issueRef(s.number()), Ref: issueRef(s.number()), Task: s.task,
		To: w.b.mentioned(text, s.task.Assignee),
	}
}

// created is the event of a new task. It comes from who has written it, also where somebody else made a task of it: its
// text is that person's, unless somebody else has changed the title.
func (w *watch) created(ctx context.Context, s *sight) (backend.Event, error) {
	e := w.event(s, backend.Create)
	e.ID, e.Time, e.From = fmt.Sprintf("issue/%d", s.number()), s.issue.GetCreatedAt().Time, s.p.person(s.issue.GetUser())
	if s.ours {
		e.Echo, e.From, s.byUs = s.entry.id, s.p.author(s.issue.GetUser(), s.entry), true
		return e, nil
	}
	if err := w.remember(ctx, s); err != nil {
		return e, err
	}
	for _, step := range s.history.steps {
		if step.text && step.by.GetID() != s.issue.GetUser().GetID() {
			e.From = edited(e.From)
			break
		}
	}
	return e, nil
}

// updated is the event of a task that is not what it was.
func (w *watch) updated(ctx context.Context, s *sight) (backend.Event, error) {
	if err := w.remember(ctx, s); err != nil {
		return backend.Event{}, err
	}
	e := w.event(s, backend.Update)
	e.Time = s.issue.GetUpdatedAt().Time
	digest := sha256.Sum256(fmt.Appendf(nil, "%q %x", s.now.rest, s.now.text))
	e.ID = fmt.Sprintf("issue/%d@%d/%x", s.number(), e.Time.Unix(), digest[:8])
	if s.was == nil { // it may have been told before this start, and only a comment have come since
		e.ID = fmt.Sprintf("issue/%d/%d/%x", s.number(), s.history.last(), digest[:8])
	}
	by := s.changedBy()
	s.byUs, e.From = s.p.ours(by), s.p.person(by)
	if s.was == nil {
		e.From.ID = "" // the text may be another's
	}
	last := w.b.change(s.number())
	if last.effect != nil && w.b.made(last, s) {
		s.byUs, e.Echo = true, last.effect.ID
		e.From = backend.Person{ID: strconv.FormatInt(s.p.fleetID(w.b), 10), Name: w.b.fleet.name(), Bot: true}
	}
	return e, nil
}

// changedBy is who has done all that has changed, nil if that is not known: GitHub does not tell who edits a text. What
// we have done beside somebody else, but for what we have said, only follows from that.
func (s *sight) changedBy() (by *github.User) {
	if s.was != nil && s.was.text != s.now.text {
		return nil
	}
	var us *github.User
	for _, step := range s.history.steps {
		switch {
		case s.was != nil && step.time.Before(s.was.seen):
		case s.p.ours(step.by) && !step.text:
			us = step.by
		case s.was != nil && by != nil && by.GetID() != step.by.GetID():
			return nil
		default:
			by = step.by
		}
	}
	if by == nil {
		return us
	}
	return by
}

// made tells whether a task is what our last update has made of it. Of one that was broken off any change by our
// account is its own; else our account may have written from another host.
func (b *Backend) made(last change, s *sight) bool {
	want := last.effect.Task
	if want.State == "" {
		want.State = backend.Todo
	}
	same := s.task.State == want.State && (!b.isAgent(want.Assignee) || s.task.Assignee == want.Assignee)
	if s.byUs {
		return same || !last.whole
	}
	// Who has changed a text is not told: it was us if it is what we have written.
	return same && s.ours && (want.Title == "" || s.task.Title == unguard(titleText(want.Title))) &&
		(want.Body == "" || s.entry.writer() == last.effect.ID)
}

func (p *place) fleetID(b *Backend) int64 {
	for id, a := range p.own {
		if a == b.fleet {
			return id
		}
	}
	return 0
}
