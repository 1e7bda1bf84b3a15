package discord

import (
	"context"
	"encoding/json"
)

// spot is where a message is: in a thread, or in the channel itself, where thread is nil.
type spot struct {
	channel
	thread *thread
}

// threadsMost bounds how many threads are remembered.
const threadsMost = 5000

// spot returns where a channel or thread is. ok is false if it is none of ours.
func (b *Backend) spot(ctx context.Context, id string) (s spot, ok bool, err error) {
	if ch, ok := b.channelByID(id); ok {
		return spot{channel: ch}, true, nil
	}
	b.mu.Lock()
	t := b.threads[id]
	b.mu.Unlock()
	if t == nil {
		t, err = b.fleet.place(ctx, id)
		if gone(err) {
			return s, false, nil
		}
		if err != nil {
			return s, false, err
		}
		b.learn(t)
	}
	ch, ok := b.channelByID(t.ParentID)
	return spot{ch, t}, ok && t.isThread(), nil
}

// learn remembers a thread as it is now.
func (b *Backend) learn(t *thread) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.threads) >= threadsMost {
		clear(b.threads)
	}
	b.threads[t.ID] = t
}

// learnDirect remembers a channel of direct messages with a bot.
func (b *Backend) learnDirect(id string, with *bot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.directs) >= threadsMost {
		clear(b.directs)
	}
	b.directs[id] = with
}

// learnServer remembers what Discord tells of the server at the beginning.
func (b *Backend) learnServer(raw json.RawMessage) {
	var g struct {
		ID      string    `json:"id"`
		Threads []*thread `json:"threads"`
		Roles   []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"roles"`
	}
	if err := json.Unmarshal(raw, &g); err != nil || g.ID != b.server {
		return
	}
	for _, t := range g.Threads {
		b.learn(t)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range g.Roles {
		b.roles[r.ID] = r.Name
	}
}

// nameOf returns the name of a channel, thread or role that is known, else another word.
func (b *Backend) nameOf(sort, id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if sort == "@&" {
		if name := b.roles[id]; name != "" {
			return "@" + name
		}
		return "@role"
	}
	if ch, ok := b.channelByID(id); ok {
		return "#" + ch.key
	}
	if t := b.threads[id]; t != nil {
		return "#" + t.Name
	}
	return "#channel"
}
