package discord

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"fleet/cmd/fleet-chat/internal/backend"
)

// talks are a bot's conversations of direct messages, by the channel's ID to the last message: Discord does not list
// them. They are the mark of the channel of what people write to the bot.
type talks map[string]string

// talksMost bounds how many are remembered, the latest ones.
const talksMost = 100

// readTalks reads a mark. Where it cannot be read there are none.
func readTalks(mark string) talks {
	t := talks{}
	if json.Unmarshal([]byte(mark), &t) != nil || t == nil {
		return talks{}
	}
	for id, last := range t {
		if !isID(id) || !isID(last) {
			delete(t, id)
		}
	}
	return t
}

func (t talks) mark() string {
	for len(t) > talksMost {
		oldest := ""
		for id, last := range t {
			if oldest == "" || cmp.Or(compare(last, t[oldest]), compare(id, oldest)) < 0 {
				oldest = id
			}
		}
		delete(t, oldest)
	}
	text, _ := json.Marshal(t) // a map of strings
	return string(text)
}

// fromDirect returns what a direct message to one of our bots means.
func (b *Backend) fromDirect(own *bot, m message) *heard {
	if !spoken(m.Type) {
		return nil
	}
	b.learnDirect(m.ChannelID, own)
	h := b.said(m)
	h.Channel, h.Thread = own.direct(), refOf(backend.Direct, m.ChannelID)
	if own.agent.key != "" && b.ours(m.Author.ID) == nil {
		h.To = []string{own.agent.key}
	}
	return h
}

// direct is the key of the channel of what people write to the bot.
func (b *bot) direct() string { return backend.Direct + b.agent.key }

// operatorsMost bounds with how many operators each bot has a conversation from the beginning: Discord takes who opens
// many for a sender of spam.
const operatorsMost = 20

// meet opens the conversations with operators that are not known yet, so that nothing is missed of what they write
// while nothing is connected. What was written there before is not handed on.
func (b *Backend) meet(ctx context.Context, own *bot, t talks) error {
	for _, id := range b.operators[:min(len(b.operators), operatorsMost)] {
		place, err := own.open(ctx, id)
		if isRefused(err) {
			b.log.Warnf("%s: Discord opens no conversation with the operator %s: %v", own.key(), id, err)
			continue
		}
		if err != nil {
			return err
		}
		if t[place.ID] == "" {
			t[place.ID] = later(place.ID, place.Last)
		}
	}
	return nil
}

// missedDirect returns a bot's direct messages since the last ones.
func (b *Backend) missedDirect(ctx context.Context, own *bot, t talks) ([]*heard, error) {
	var all []*heard
	for id, last := range t {
		messages, err := own.since(ctx, id, last)
		if gone(err) {
			continue // it was closed
		}
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			if h := b.fromDirect(own, m); h != nil {
				all = append(all, h)
			}
		}
	}
	slices.SortFunc(all, func(x, y *heard) int { return compare(x.at, y.at) })
	return all, nil
}
