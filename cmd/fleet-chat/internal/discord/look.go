package discord

import (
	"context"
	"errors"
	"sync"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
)

// looks are the tasks whose title and reaction do not yet show what their threads say. Discord lets a thread's name be
// changed twice in ten minutes only, and nothing else shall wait for that.
type looks struct {
	mu   sync.Mutex
	due  map[string]time.Time // by the thread's ID
	wake chan struct{}
}

// add has a task looked at after a while.
func (l *looks) add(id string, after time.Duration) {
	l.mu.Lock()
	if l.due == nil {
		l.due = map[string]time.Time{}
	}
	l.due[id] = time.Now().Add(after)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next returns a task whose time has come; "" is none, and until is the time of the first one, if there is any.
func (l *looks) next() (id string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := ""
	for one, due := range l.due {
		if first == "" || due.Before(until) || due.Equal(until) && before(one, first) {
			first, until = one, due
		}
	}
	if first == "" || time.Now().Before(until) {
		return "", until
	}
	delete(l.due, first)
	return first, until
}

// sleep waits for the first task that may be there then.
func (l *looks) sleep(ctx context.Context, until time.Time) {
	left := time.Hour
	if !until.IsZero() {
		left = time.Until(until)
	}
	if left <= 0 {
		return
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.wake:
	case <-ctx.Done():
	}
}

// keepLooks dresses tasks until ctx ends.
func (b *Backend) keepLooks(ctx context.Context) error {
	for wait := b.pace.pause; ctx.Err() == nil; {
		id, until := b.looks.next()
		if id == "" {
			b.looks.sleep(ctx, until)
			continue
		}
		err := b.redress(ctx, id)
		var later *backend.Later
		if errors.As(err, &later) {
			b.log.Warnf("Discord: %v", err)
			b.looks.add(id, max(wait, later.After))
			wait = min(2*wait, b.pace.pauseMax)
			continue
		}
		if err != nil {
			b.log.Errorf("a task's title and reaction cannot show its state: %v", err)
		}
		wait = b.pace.pause
	}
	return nil
}

// redress makes a task look as its thread says.
func (b *Backend) redress(ctx context.Context, id string) error {
	s, ok, err := b.spot(ctx, id)
	if err != nil || !ok || !s.tasks || s.thread == nil {
		return err
	}
	now, err := b.review(ctx, s.channel, id)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return b.explain(s.key, b.dress(ctx, s.channel, now))
}

// dress makes reaction and title of a task show its state. A title that Discord does not allow yet comes later.
func (b *Backend) dress(ctx context.Context, ch channel, now *review) error {
	forum, err := b.forum(ctx, ch)
	if err != nil {
		return err
	}
	id := now.thread.ID
	if now.first {
		if err := b.show(ctx, home(ch, id, forum), id, now.signs, now.task.State); err != nil {
			return err
		}
	}
	name := threadName(now.task.State, now.task.Title)
	if name == now.thread.Name {
		return nil
	}
	err = b.unarchived(ctx, id, func() error { return b.fleet.rename(ctx, id, name) })
	var wait *limited
	if errors.As(err, &wait) {
		b.looks.add(id, wait.after)
		return nil
	}
	return err
}

// show makes our reactions on a task's first message, which is at home, show a state, given those that are there.
// Those of people are taken away when they are heard.
func (b *Backend) show(ctx context.Context, at, task string, have []string, state backend.State) error {
	want := signOf(state).emoji
	shown := false
	for _, emoji := range have {
		if s, _ := signBy(emoji); s.emoji == want {
			shown = true
			continue
		}
		err := b.unarchived(ctx, task, func() error { return b.fleet.unreact(ctx, at, task, emoji, "@me") })
		if err != nil && !isCode(err, codeUnknownMessage) {
			return err
		}
	}
	if shown {
		return nil
	}
	err := b.unarchived(ctx, task, func() error { return b.fleet.react(ctx, at, task, want) })
	if isCode(err, codeUnknownMessage) {
		return nil // it was deleted: nothing to show it on
	}
	return err
}
