package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/sleep"
	"fleet/schemas/chat"
)

const (
	// refusedPause is how long it is at first until a backend that refuses us is tried again, and longestRefused at last:
	// who mends that may not restart us.
	refusedPause, longestRefused = 5 * time.Minute, time.Hour

	maxName = 64

	// maxBody bounds the text of a task that comes from elsewhere. It goes back there with a change of the task, so that
	// nothing of it may be lost: at GitHub one has at most 65,536 characters.
	maxBody = 256 << 10
)

// follow takes what happens at the backend until ctx ends.
func (h *Hub) follow(ctx context.Context) {
	said := ""
	for pause := refusedPause; ; pause = min(2*pause, longestRefused) {
		err := h.backend.Run(ctx, inbox{h})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it has ended by itself")
		}
		h.log.WithError(err).Errorf("%s is of no use", h.place())
		if err.Error() != said {
			said = err.Error()
			h.complain(fmt.Sprintf("%s is of no use, what is said waits on this host: %s", h.place(), said))
		}
		if sleep.For(ctx, pause) != nil {
			return
		}
	}
}

// inbox is where the backend leaves what happened.
type inbox struct{ h *Hub }

var _ backend.Inbox = inbox{}

// Mark returns a channel's last mark.
func (in inbox) Mark(channel string) string {
	mark, err := in.h.store.Mark(channel)
	in.h.try("read a mark", err)
	return mark
}

// Take stores an event and the mark, and wakes whom it concerns.
func (in inbox) Take(_ context.Context, e backend.Event, mark string) error {
	h := in.h
	a := store.Arrival{
		Event: e.ID, Kind: e.Kind, Channel: e.Channel, Place: e.Channel, Mark: mark,
		Echo: e.Echo, Ref: e.Ref, Thread: e.Thread, From: h.person(e.From), Time: h.when(e.Time), To: e.To,
	}
	if e.Channel == "" || direct(e.Channel) {
		if err := h.conversation(&a, &e); err != nil {
			return err
		}
	} else if !h.has(e.Channel) {
		return refuse("there is no channel %.64q", e.Channel)
	}
	a.Text, a.Cut = clean.Cut(clean.Text(e.Text), h.config.Limits.Message)
	if a.Kind == backend.Post && a.Echo == "" {
		a.To = h.mentioned(a.Channel, e.To, a.Text)
	}
	body, _ := clean.Cut(clean.Text(e.Task.Body), maxBody)
	a.Task = chat.Task{
		Title: clean.Line(e.Task.Title, maxTitle), Body: body, State: string(e.Task.State),
		Assignee: clean.Line(e.Task.Assignee, maxName),
	}
	if a.Task.Title == "" && a.Kind == backend.Create {
		a.Task.Title = "without a title"
	}
	taken, err := h.store.Take(a)
	if err != nil {
		h.try("store what was said", err)
		return err
	}
	h.tell(&a, &taken)
	return nil
}

// tell wakes whom an event concerns.
func (h *Hub) tell(a *store.Arrival, taken *store.Taken) {
	if taken.Message != nil {
		h.spread(taken.Message, a.To)
	}
	if taken.Task != nil {
		h.changed(taken.Was, taken.Task, a.From)
	}
	if taken.Again {
		h.settled.ring() // it may be the echo of what is waited for
	}
}

// person is who did it, as we store it. Trust is by what nobody can choose.
func (h *Hub) person(p backend.Person) chat.Author {
	id := clean.Line(p.ID, maxName)
	name := clean.Line(p.Name, maxName)
	if name == "" {
		name = id
	}
	trusted := p.ID != "" && slices.Contains(h.config.Trusted, p.ID)
	return chat.Author{Kind: chat.KindPerson, ID: id, Name: name, Bot: p.Bot, Untrusted: !trusted}
}

// when is the time of an event, which is never in the future: what is read is read in the order of time.
func (h *Hub) when(t time.Time) time.Time {
	now := h.time()
	if t.IsZero() || t.After(now) {
		return now
	}
	return t.UTC().Truncate(time.Millisecond)
}

// mentioned are the agents that a person's message calls.
func (h *Hub) mentioned(channel string, keys []string, text string) []string {
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		a := h.agents[key]
		return a == nil || !store.Sees(a.of, channel)
	})
	to, err := h.called(channel, keys[:min(len(keys), maxTo)], text)
	h.try("read whom a message calls", err)
	return to
}

// conversation says in which channel of ours a conversation with one of our bots is: that of the agent whose bot it is;
// or, with the bot of all, of the agent that is called, of the one with which it began, or of the only one. What is for
// nobody of them is in the channel for everything.
func (h *Hub) conversation(a *store.Arrival, e *backend.Event) error {
	known, err := h.store.PlaceOf(e.Thread)
	if err != nil {
		return err
	}
	owner, _ := strings.CutPrefix(e.Channel, backend.Direct)
	called := slices.DeleteFunc(append(slices.Clone(e.To), mentions(e.Text)...), func(key string) bool {
		return h.agents[key] == nil
	})
	switch {
	case h.agents[owner] != nil:
		a.Channel = store.DirectTo(owner)
	case len(called) > 0:
		a.Channel = store.DirectTo(called[0])
	case known != "":
		a.Channel = known
	case len(h.config.Agents) == 1:
		a.Channel = store.DirectTo(h.config.Agents[0].Key)
	default:
		a.Channel = chat.General
	}
	return nil
}
