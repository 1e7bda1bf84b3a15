package hub

import (
	"context"
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// Operators is the side of people on this host, who see and write everything: what control serves.
type Operators struct{ h *Hub }

// Operators returns it.
func (h *Hub) Operators() Operators { return Operators{h} }

// Chat tells what there is.
func (o Operators) Chat() (chatctl.Chat, error) {
	c := o.h.config
	out := chatctl.Chat{
		Project: c.Project, Backend: c.Backend.Kind, MaxMessage: c.Limits.Message,
		Channels: []chatctl.Channel{}, Agents: []chatctl.Agent{},
	}
	var keys []string
	for _, a := range c.Agents {
		out.Agents = append(out.Agents, chatctl.Agent{Key: a.Key, Name: a.Title()})
		if key := store.DirectTo(a.Key); o.h.has(key) {
			keys = append(keys, key)
		}
	}
	for _, one := range c.Channels {
		keys = append(keys, one.Key)
	}
	for _, key := range keys {
		last, err := o.h.store.Last(key)
		if err != nil {
			return out, err
		}
		if last == 0 && strings.HasPrefix(key, backend.Direct) {
			continue // nobody has written to this agent's bot
		}
		out.Channels = append(out.Channels, chatctl.Channel{Key: key, Last: last, Shown: o.h.shows(key)})
	}
	return out, nil
}

// Messages answers a query.
func (o Operators) Messages(q chatctl.Query) (out chatctl.Messages, err error) {
	out.Messages = []chat.Message{}
	if !o.h.has(q.Channel) {
		return out, noChannel(q.Channel)
	}
	most := store.Bounds{Messages: q.Limit, Bytes: chatctl.MaxPageText}
	var all []chat.Message
	if q.After != nil {
		all, out.More, err = o.h.store.After(q.Channel, q.Thread, *q.After, most)
	} else {
		all, out.More, err = o.h.store.History(q.Channel, q.Thread, q.Before, most)
	}
	out.Messages = append(out.Messages, all...)
	return out, err
}

// News returns a channel that is closed when a message has come after this call.
func (o Operators) News() <-chan struct{} { return o.h.news.next() }

// ofPerson makes a key one of this person: all people of this host have the same ID.
func ofPerson(by chat.Author, key string) string {
	if key == "" {
		return ""
	}
	return by.Name + "/" + key
}

// Post says something as a person of this host.
func (o Operators) Post(_ context.Context, by chat.Author, m chatctl.NewMessage) (chat.Message, error) {
	return o.h.say(by, saying{m.Channel, m.Thread, m.Text, m.To, ofPerson(by, m.Key)})
}

// Alert says something as the fleet. The result is nil where it is counted and told with others later.
func (o Operators) Alert(_ context.Context, a chatctl.Alert) (*chat.Message, error) {
	return o.h.alert(a.Channel, a.Text, a.Key)
}

// Tasks lists tasks.
func (o Operators) Tasks(f chatctl.Filter) (out chatctl.Tasks, err error) {
	all, more, err := o.h.store.Tasks(store.Filter{States: f.States, Assignee: f.For, After: f.After, Limit: f.Limit})
	return chatctl.Tasks{Tasks: append([]chat.Task{}, all...), More: more}, err
}

// Task returns one.
func (o Operators) Task(number int64) (chat.Task, error) { return o.h.store.Task(number) }

// CreateTask makes a task.
func (o Operators) CreateTask(_ context.Context, by chat.Author, t chatctl.NewTask) (chat.Task, error) {
	if t.For != "" && o.h.agents[t.For] == nil {
		return chat.Task{}, refuse("there is no agent %.64q", t.For)
	}
	if err := o.assignee(t.For); err != nil {
		return chat.Task{}, err
	}
	return o.h.createTask(by, NewTask{Title: t.Title, Body: t.Body, Assignee: t.For, Key: ofPerson(by, t.Key)})
}

// assignee refuses who cannot have a task: for an agent it must be one that sees tasks, for a person anything goes.
func (o Operators) assignee(key string) error {
	if a := o.h.agents[key]; a != nil && !a.Sees(chat.Tasks) {
		return refuse("agent %q does not see channel %q", key, chat.Tasks)
	}
	if key != clean.Line(key, maxName) {
		return refuse("%.64q is neither the key of an agent nor the name of a person", key)
	}
	return nil
}

// ClaimTask gives a task that is to do to an agent, or to who asks where forWhom is "".
func (o Operators) ClaimTask(ctx context.Context, by chat.Author, number int64, forWhom string) (chat.Task, error) {
	if forWhom == "" {
		forWhom = by.Name
		if o.h.agents[forWhom] != nil {
			return chat.Task{}, refuse("an agent has your name, %q: the task would be its own", forWhom)
		}
	} else if o.h.agents[forWhom] == nil {
		return chat.Task{}, refuse("there is no agent %.64q", forWhom)
	}
	if err := o.assignee(forWhom); err != nil {
		return chat.Task{}, err
	}
	return o.h.claim(ctx, by, number, forWhom)
}

// UpdateTask changes a task.
func (o Operators) UpdateTask(_ context.Context, by chat.Author, number int64, c chatctl.Change) (chat.Task, error) {
	if c.For != nil {
		if err := o.assignee(*c.For); err != nil {
			return chat.Task{}, err
		}
	}
	change := TaskChange{State: c.State, Assignee: c.For, Title: c.Title, Body: c.Body, Note: c.Note}
	return o.h.updateTask(by, number, change, nil)
}
