package discord

import (
	"context"
	"slices"
	"time"
)

// missed returns what happened in a channel and its threads after an ID, in order.
func (b *Backend) missed(ctx context.Context, ch channel, after string) ([]*heard, error) {
	forum, err := b.forum(ctx, ch)
	if err != nil {
		return nil, err
	}
	var all []*heard
	if !forum {
		if all, err = b.missedIn(ctx, ch.id, after); err != nil {
			return nil, err
		}
	}
	active, err := b.fleet.active(ctx, b.server, ch.id)
	if err != nil {
		return nil, err
	}
	archived, err := b.fleet.archived(ctx, ch.id, timeOf(after))
	if err != nil {
		return nil, err
	}
	for _, t := range slices.Concat(active, archived) {
		some, err := b.missedThread(ctx, t, after)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(x, y *heard) int { return compare(x.at, y.at) })
	if !ch.tasks {
		return all, nil
	}
	for _, t := range active {
		if before(idAt(timeOf(after).Add(-looksBack)), later(t.created(), t.Last)) {
			b.looks.add(t.ID, 0)
		}
	}
	pressed, err := b.pressed(ctx, ch, active, forum)
	return append(all, pressed...), err
}

// looksBack is how long before the end of a process a title may have waited for Discord's limit.
const looksBack = 20 * time.Minute

// missedThread returns what happened in one thread.
func (b *Backend) missedThread(ctx context.Context, t *thread, after string) ([]*heard, error) {
	b.learn(t)
	if !before(after, later(t.created(), t.Last)) {
		return nil, nil
	}
	all, err := b.missedIn(ctx, t.ID, after)
	if err != nil || !before(after, t.created()) {
		return all, err
	}
	h, err := b.fromThread(ctx, t)
	if h != nil {
		all = append(all, h)
	}
	return all, err
}

func (b *Backend) missedIn(ctx context.Context, id, after string) ([]*heard, error) {
	messages, err := b.fleet.since(ctx, id, after)
	if err != nil {
		return nil, err
	}
	var all []*heard
	for _, m := range messages {
		h, err := b.fromMessage(ctx, m)
		if err != nil {
			return nil, err
		}
		if h != nil {
			all = append(all, h)
		}
	}
	return all, nil
}

// pressedMost is how many tasks are looked at for reactions: each costs a request.
const pressedMost = 200

// pressed returns the states that people chose by reactions meanwhile. What was heard before has been taken away then.
func (b *Backend) pressed(ctx context.Context, ch channel, active []*thread, forum bool) ([]*heard, error) {
	slices.SortFunc(active, func(x, y *thread) int { return compare(later(y.ID, y.Last), later(x.ID, x.Last)) })
	var all []*heard
	for _, t := range active[:min(len(active), pressedMost)] {
		some, err := b.pressedAt(ctx, home(ch, t.ID, forum), t.ID)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (b *Backend) pressedAt(ctx context.Context, channel, id string) ([]*heard, error) {
	m, err := b.fleet.message(ctx, channel, id)
	if isCode(err, codeUnknownMessage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []*heard
	for _, r := range m.Reactions {
		if _, ok := signBy(r.Emoji.Name); !ok {
			continue
		}
		users, err := b.fleet.reactors(ctx, channel, id, r.Emoji.Name)
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			h, err := b.fromReaction(ctx, reaction{
				UserID: u.ID, ChannelID: channel, MessageID: id, Emoji: r.Emoji, Member: &member{User: u},
			})
			if err != nil {
				return nil, err
			}
			if h != nil {
				all = append(all, h)
			}
		}
	}
	return all, nil
}

// standing returns the mark of now of a channel that is read for the first time, and the open tasks in it. Messages
// from before are not handed on: what they asked for was asked of somebody else.
func (b *Backend) standing(ctx context.Context, ch channel) (now string, all []*heard, err error) {
	forum, err := b.forum(ctx, ch)
	if err != nil {
		return "", nil, err
	}
	t, err := b.fleet.place(ctx, ch.id)
	if err != nil {
		return "", nil, err
	}
	active, err := b.fleet.active(ctx, b.server, ch.id)
	if err != nil {
		return "", nil, err
	}
	now = later(t.ID, t.Last)
	for _, t := range active {
		b.learn(t)
		now = later(now, later(t.created(), t.Last))
		if !ch.tasks {
			continue
		}
		h, err := b.standingTask(ctx, t, forum)
		if gone(err) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		if h != nil {
			all = append(all, h)
		}
	}
	return now, all, nil
}

func (b *Backend) standingTask(ctx context.Context, t *thread, forum bool) (*heard, error) {
	if !forum {
		return b.fromThread(ctx, t)
	}
	m, err := b.fleet.message(ctx, t.ID, t.ID)
	if isCode(err, codeUnknownMessage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return b.fromMessage(ctx, m)
}
