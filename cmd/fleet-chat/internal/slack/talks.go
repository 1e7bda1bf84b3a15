package slack

import (
	"context"
	"encoding/json"
	"maps"
	"sync"

	"fleet/cmd/fleet-chat/internal/backend"
)

// talks are the conversations with all our bots: one channel to the hub, "", whose mark has that of each bot.
type talks struct {
	in backend.Inbox

	mu    sync.Mutex
	marks map[string]string // by bot, as direct says
}

func newTalks(in backend.Inbox) *talks {
	t := &talks{in: in, marks: map[string]string{}}
	if mark := in.Mark(""); json.Unmarshal([]byte(mark), &t.marks) != nil || t.marks == nil {
		t.marks = map[string]string{}
	}
	return t
}

// with is the inbox of one bot's conversations.
func (t *talks) with(bot string) backend.Inbox { return &talk{t, bot} }

type talk struct {
	*talks
	bot string
}

// Mark is backend.Inbox's.
func (t *talk) Mark(string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.marks[t.bot]
}

// Take is backend.Inbox's.
func (t *talk) Take(ctx context.Context, e backend.Event, mark string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	marks := maps.Clone(t.marks)
	marks[t.bot] = mark
	text, err := json.Marshal(marks)
	if err != nil {
		return err
	}
	if err := t.in.Take(ctx, e, string(text)); err != nil {
		return err
	}
	t.marks = marks
	return nil
}
