package hub

import (
	"regexp"
	"slices"
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/schemas/chat"
)

// maxTo agents are called by one message.
const maxTo = 100

// saying is a message that somebody wants to say.
type saying struct {
	channel, thread, text string
	to                    []string
	key                   string
}

// say stores a message and wakes whom it is for.
func (h *Hub) say(by chat.Author, s saying) (chat.Message, error) {
	n, err := h.message(by, s)
	if err != nil {
		return chat.Message{}, err
	}
	m, again, err := h.store.Post(n)
	if err == nil && !again {
		h.spread(&m, n.To)
	}
	return m, err
}

// message checks what somebody wants to say.
func (h *Hub) message(by chat.Author, s saying) (n store.NewMessage, err error) {
	if !h.has(s.channel) {
		return n, noChannel(s.channel)
	}
	if s.thread == "" {
		switch {
		case s.channel == chat.Tasks:
			return n, refuse("channel %q has tasks: write in the thread of one, such as %q, or make a new task",
				chat.Tasks, store.TaskThread(1))
		case strings.HasPrefix(s.channel, backend.Direct):
			return n, refuse("channel %q has conversations: write in the thread of one", s.channel)
		}
	}
	text, err := h.text("text", s.text)
	if err != nil {
		return n, err
	}
	to, err := h.called(s.channel, s.to, text)
	return store.NewMessage{
		Channel: s.channel, Thread: s.thread, Time: h.time(), From: by, To: to, Text: text, Key: s.key,
		Show: h.shows(s.channel), Said: true,
	}, err
}

// has tells whether there is a channel.
func (h *Hub) has(channel string) bool {
	if key, ok := strings.CutPrefix(channel, backend.Direct); ok {
		return h.backend != nil && h.agents[key] != nil
	}
	_, ok := h.channels[channel]
	return ok
}

// noChannel is the same for a channel that is not there and for one that the caller does not see.
func noChannel(channel string) error { return refuse("there is no channel %.64q", channel) }

// text cleans a text that must be there.
func (h *Hub) text(what, s string) (string, error) {
	s, err := h.maybe(what, s)
	if err == nil && s == "" {
		err = refuse("%s must not be empty", what)
	}
	return s, err
}

// maybe cleans a text.
func (h *Hub) maybe(what, s string) (string, error) {
	s = clean.Text(s)
	if most := h.config.Limits.Message; len(s) > most {
		return "", refuse("%s must have at most %d bytes, has %d: write several messages, or put it into a file",
			what, most, len(s))
	}
	return s, nil
}

// mention is @ and the key of an agent, as a word of its own and however it is written.
var mention = regexp.MustCompile(`(?:^|[^\pL\pN_@/.-])@([A-Za-z][A-Za-z0-9-]*)`)

// mentions returns the keys that a text may mention, maxTo at most.
func mentions(text string) (keys []string) {
	for _, found := range mention.FindAllStringSubmatch(text, maxTo) {
		keys = append(keys, strings.ToLower(strings.TrimRight(found[1], "-")))
	}
	return keys
}

// called returns the agents that a message calls: those named beside it, which must see the channel, and those that its
// text mentions. Text that looks like a mention and is none of an agent that sees the channel is only text.
func (h *Hub) called(channel string, keys []string, text string) ([]string, error) {
	if len(keys) > maxTo {
		return nil, refuse("a message is for at most %d agents", maxTo)
	}
	for _, key := range keys {
		if a := h.agents[key]; a == nil || !store.Sees(a.of, channel) {
			return nil, refuse("there is no agent %.64q in channel %q", key, channel)
		}
	}
	to := slices.Clone(keys)
	for _, key := range mentions(text) {
		if a := h.agents[key]; a != nil && store.Sees(a.of, channel) {
			to = append(to, key)
		}
	}
	slices.Sort(to)
	return slices.Compact(to), nil
}

// alert says something as the fleet itself: in the channel of alerts what comes often is counted and told later; then the
// result is nil.
func (h *Hub) alert(channel, text, key string) (*chat.Message, error) {
	if channel != chat.Alerts {
		m, err := h.say(fleet, saying{channel: channel, text: text, key: key})
		if err != nil {
			return nil, err
		}
		return &m, nil
	}
	text, err := h.text("text", text)
	if err != nil {
		return nil, err
	}
	text, cut := clean.Cut(text, store.MaxAlert)
	m, err := h.store.Alert(store.NewMessage{
		Channel: chat.Alerts, Time: h.time(), From: fleet, Text: text, Cut: cut, Key: key, Show: h.shows(chat.Alerts),
	})
	if err == nil && m != nil {
		h.spread(m, nil)
	}
	return m, err
}

// fleet is who raises alerts.
var fleet = chat.Author{Kind: chat.KindFleet, Name: "fleet"}

func (h *Hub) tellAlerts() error {
	m, err := h.store.Alerts(store.NewMessage{
		Channel: chat.Alerts, Time: h.time(), From: fleet, Show: h.shows(chat.Alerts),
	})
	if err == nil && m != nil {
		h.spread(m, nil)
	}
	return err
}

// complain raises an alert of the chat's own, such as that its backend refuses it.
func (h *Hub) complain(text string) {
	_, err := h.alert(chat.Alerts, text, "")
	h.try("raise an alert", err)
}
