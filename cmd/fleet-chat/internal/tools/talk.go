package tools

import (
	"context"

	"fleet/cmd/fleet-chat/internal/hub"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/schemas/chat"
)

type none struct{}

type channelsIn struct {
	Behind string `json:"behind,omitempty" jsonschema:"only channels whose keys come behind this one"`
	Limit  int    `json:"limit,omitempty" jsonschema:"channels at most"`
}

type channelsOut struct {
	Channels []hub.Channel `json:"channels"`
	More     bool          `json:"more"`
}

func (s *Side) channels(_ context.Context, in channelsIn) (out channelsOut, err error) {
	all, more, err := s.agent.Overview(in.Behind, page(in.Limit))
	return channelsOut{append([]hub.Channel{}, all...), more}, err
}

type readIn struct {
	Acknowledge map[string]int64 `json:"acknowledge,omitempty" jsonschema:"what the last read returned under this name"`
	Channels    []string         `json:"channels,omitempty" jsonschema:"only what is new in these"`
	Channel     string           `json:"channel,omitempty" jsonschema:"return what was said in this channel before"`
	Thread      string           `json:"thread,omitempty" jsonschema:"only this thread of channel"`
	Before      int64            `json:"before,omitempty" jsonschema:"only messages of channel with lower numbers"`
	Limit       int              `json:"limit,omitempty" jsonschema:"messages at most"`
}

type readOut struct {
	Messages    []chat.Message   `json:"messages"`
	Acknowledge map[string]int64 `json:"acknowledge,omitempty" jsonschema:"pass it with the next read"`
	More        bool             `json:"more"`
}

func (s *Side) read(_ context.Context, in readIn) (out readOut, err error) {
	out.Messages = []chat.Message{}
	if in.Channel == "" {
		if in.Thread != "" || in.Before != 0 {
			return out, store.Refused("thread and before are of a channel: name it")
		}
		r, err := s.agent.Read(in.Channels, in.Acknowledge, page(in.Limit))
		out.Messages, out.Acknowledge, out.More = append(out.Messages, r.Messages...), r.Positions, r.More
		return out, err
	}
	if len(in.Channels) > 0 || len(in.Acknowledge) > 0 {
		return out, store.Refused("channel reads what was said before; channels and acknowledge are of what is new")
	}
	all, more, err := s.agent.History(hub.Place{Channel: in.Channel, Thread: in.Thread, Before: in.Before}, page(in.Limit))
	out.Messages, out.More = append(out.Messages, all...), more
	return out, err
}

func page(limit int) int {
	if limit == 0 {
		return usualPage
	}
	return limit
}

type postIn struct {
	Channel string   `json:"channel"`
	Text    string   `json:"text"`
	Thread  string   `json:"thread,omitempty" jsonschema:"task-N, message-N or thread-N"`
	To      []string `json:"to,omitempty" jsonschema:"keys of agents that it calls"`
	Key     string   `json:"key,omitempty" jsonschema:"any name that you have not used: with it, it is said once"`
}

type messageOut struct {
	Message chat.Message `json:"message"`
}

func (s *Side) post(_ context.Context, in postIn) (messageOut, error) {
	m, err := s.agent.Post(hub.Post{Channel: in.Channel, Thread: in.Thread, Text: in.Text, To: in.To, Key: in.Key})
	return messageOut{m}, err
}

type lessonsIn struct {
	Before int64 `json:"before,omitempty" jsonschema:"only lessons with lower numbers"`
	Limit  int   `json:"limit,omitempty" jsonschema:"lessons at most"`
}

type lessonsOut struct {
	Lessons []chat.Lesson `json:"lessons"`
	More    bool          `json:"more"`
}

func (s *Side) lessons(_ context.Context, in lessonsIn) (lessonsOut, error) {
	all, more, err := s.agent.Lessons(in.Before, page(in.Limit))
	return lessonsOut{append([]chat.Lesson{}, all...), more}, err
}

type lessonIn struct {
	Text string `json:"text"`
	Key  string `json:"key,omitempty" jsonschema:"any name that you have not used: with it, it is told once"`
}

type lessonOut struct {
	Lesson chat.Lesson `json:"lesson"`
}

func (s *Side) lessonAdd(_ context.Context, in lessonIn) (lessonOut, error) {
	l, err := s.agent.AddLesson(in.Text, in.Key)
	return lessonOut{l}, err
}

type conversationsOut struct {
	Conversations []store.Talk `json:"conversations"`
}

func (s *Side) conversations(context.Context, none) (conversationsOut, error) {
	all, err := s.agent.Conversations()
	return conversationsOut{append([]store.Talk{}, all...)}, err
}

type answerIn struct {
	Channel string `json:"channel"`
	Thread  string `json:"thread"`
	Seen    int64  `json:"seen" jsonschema:"last of the conversation"`
	Text    string `json:"text"`
}

type answerOut struct {
	Message *chat.Message `json:"message,omitempty"`
}

func (s *Side) answer(_ context.Context, in answerIn) (answerOut, error) {
	m, err := s.agent.Answer(hub.Answer{Channel: in.Channel, Thread: in.Thread, Seen: in.Seen, Text: in.Text})
	return answerOut{m}, err
}
