package slack

import (
	"fmt"
	"regexp"
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
)

// direct begins the name of a bot that is written to: "@" is the fleet's, "@KEY" the agent's.
const direct = "@"

// spot is where a message belongs: a channel or a conversation with a bot, or a thread there.
type spot struct {
	bot     string // whose conversation it is, as direct says; "" is a channel
	channel string // Slack's ID
	thread  string // the ts of its root, "" is none
}

// ref names a message at a spot, or with "" the channel or conversation itself. Refs are CHANNEL/TS for a message,
// CHANNEL/TS of the root/TS for one in a thread; before those in a conversation is BOT/.
func (s spot) ref(ts string) backend.Ref {
	parts := []string{s.channel}
	if s.bot != "" {
		parts = []string{s.bot, s.channel}
	}
	if s.thread != "" && s.thread != ts {
		parts = append(parts, s.thread)
	}
	if ts != "" {
		parts = append(parts, ts)
	}
	return backend.Ref(strings.Join(parts, "/"))
}

// root is the spot without the thread.
func (s spot) root() spot { return spot{bot: s.bot, channel: s.channel} }

var (
	timestamp      = regexp.MustCompile(`^[0-9]{1,16}\.[0-9]{6}$`)
	conversationID = regexp.MustCompile(`^D[A-Z0-9]{2,}$`)
)

// where returns the spot that an effect is for. A thread is one of the channel's own, or of a conversation with a bot
// of ours: no name of one leads elsewhere.
func (b *Backend) where(channel string, thread backend.Ref) (spot, error) {
	parts := strings.Split(string(thread), "/")
	s := spot{channel: b.channels[channel]}
	if bot, ok := strings.CutPrefix(parts[0], direct); ok && len(parts) > 1 && conversationID.MatchString(parts[1]) {
		if b.own[bot] == nil && bot != "" {
			return spot{}, fmt.Errorf("agent %q has no bot any more, so its conversation %q has an end", bot, thread)
		}
		s.bot, s.channel, parts = parts[0], parts[1], parts[1:]
	}
	switch {
	case s.channel == "":
		return spot{}, fmt.Errorf("channel %q is not at Slack", channel)
	case thread == "":
		return s, nil
	case parts[0] != s.channel, len(parts) > 3:
		return spot{}, fmt.Errorf("%q is no thread of channel %q", thread, channel)
	}
	for _, ts := range parts[1:] {
		if !timestamp.MatchString(ts) {
			return spot{}, fmt.Errorf("%q is no thread of channel %q", thread, channel)
		}
	}
	if len(parts) > 1 {
		s.thread = parts[1]
	}
	return s, nil
}
