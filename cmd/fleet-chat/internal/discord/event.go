package discord

import (
	"context"
	"net/http"

	"github.com/bwmarrin/discordgo"

	"fleet/cmd/fleet-chat/internal/backend"
)

// heard is an event, with its place in the channel's order: the ID of what it comes from.
type heard struct {
	backend.Event
	at string

	task   string    // ID of the thread whose task is still to be told
	button *reaction // of a person, which chose the task's state

	// Of the task before a button was pressed: its state, the digest of its text, and the ID of its last change.
	was           backend.State
	digest, since string
}

// fromMessage returns what a message of the server means, nil if nothing.
func (b *Backend) fromMessage(ctx context.Context, m message) (*heard, error) {
	s, ok, err := b.spot(ctx, m.ChannelID)
	if err != nil || !ok {
		return nil, err
	}
	h := b.said(m)
	h.Channel = s.key
	if s.thread != nil {
		h.Thread = refOf(s.id, s.thread.ID)
	}
	task := s.tasks && s.thread != nil
	mk, _, ours := b.markIn(m)
	switch {
	case m.Type == typeRenamed:
		if !task || b.ours(m.Author.ID) != nil {
			return nil, nil
		}
		return changed(h, s.thread), nil
	case !spoken(m.Type), ours && mk.kind == ofClaim:
		return nil, nil
	case task && m.ID == s.thread.ID:
		return opened(h, s.thread), nil
	case ours && mk.kind == ofTask && !task:
		return nil, nil // its thread is the task
	case ours && task && (mk.kind == ofTask || mk.kind.isLine()):
		if (mk.part > 0 || mk.kind == ofPress) && b.isMine(mk.id) {
			return nil, nil
		}
		return changed(h, s.thread), nil // each further part of a text makes it longer
	}
	return h, nil
}

// spoken tells types of messages that somebody wrote.
func spoken(of int) bool {
	return of == typeDefault || of == typeReply || of == typeCommand || of == typeContextMenu
}

// said is a message as a post.
func (b *Backend) said(m message) *heard {
	echo := ""
	if mk, _, ok := b.markIn(m); ok && mk.kind != ofPress {
		echo = mk.id
	}
	return &heard{at: m.ID, Event: backend.Event{
		ID: m.ID, Kind: backend.Post, Ref: refOf(m.ChannelID, m.ID), Echo: echo,
		From: b.person(m), To: b.to(m), Text: b.text(m), Time: timeOf(m.ID),
	}}
}

// changed is a task that its thread tells something new of.
func changed(h *heard, t *thread) *heard {
	h.Kind, h.Ref, h.Text, h.To, h.task = backend.Update, h.Thread, "", nil, t.ID
	return h
}

// opened is a new task, from the first message of its thread.
func opened(h *heard, t *thread) *heard {
	h.ID, h.Kind, h.Ref, h.Text, h.task = "task/"+t.ID, backend.Create, h.Thread, "", t.ID
	return h
}

// fromThread returns the task of a thread that was opened in a text channel for tasks; in a forum, the first message
// tells.
func (b *Backend) fromThread(ctx context.Context, t *thread) (*heard, error) {
	ch, ok := b.channelByID(t.ParentID)
	if !ok || !ch.tasks || !t.isThread() {
		return nil, nil
	}
	if forum, err := b.forum(ctx, ch); forum || err != nil {
		return nil, err
	}
	m, err := b.fleet.message(ctx, ch.id, t.ID)
	if err != nil && !isCode(err, codeUnknownMessage) {
		return nil, err
	}
	h := b.said(m)
	h.Channel, h.Thread, h.at = ch.key, refOf(ch.id, t.ID), t.created()
	h.Time = timeOf(h.at)
	if m.Author.ID != t.OwnerID && h.Echo == "" {
		if h.From, err = b.who(ctx, t.OwnerID); err != nil {
			return nil, err
		}
	}
	return opened(h, t), nil
}

// who returns a user by ID.
func (b *Backend) who(ctx context.Context, id string) (backend.Person, error) {
	var u user
	err := b.fleet.call(ctx, http.MethodGet, discordgo.EndpointUser(id), nil, &u)
	if isStatus(err, http.StatusNotFound) {
		return backend.Person{ID: id, Name: id}, nil
	}
	return backend.Person{ID: id, Name: u.name(), Bot: u.Bot}, err
}

// fromReaction returns the state that a person chose for a task, nil if it is another reaction.
func (b *Backend) fromReaction(ctx context.Context, r reaction) (*heard, error) {
	if _, ok := signBy(r.Emoji.Name); !ok || b.ours(r.UserID) != nil {
		return nil, nil
	}
	// The first message of a task is in its thread, which has the same ID, or in the text channel.
	if ch, _ := b.channelByID(r.ChannelID); !ch.tasks && r.ChannelID != r.MessageID {
		return nil, nil
	}
	s, ok, err := b.spot(ctx, r.MessageID)
	if err != nil || !ok || !s.tasks || s.thread == nil {
		return nil, err
	}
	h := &heard{button: &r, Event: backend.Event{
		Kind: backend.Update, Channel: s.key, Thread: refOf(s.id, s.thread.ID), Ref: refOf(s.id, s.thread.ID),
	}}
	h.task = s.thread.ID
	if r.Member != nil {
		h.From = backend.Person{ID: r.UserID, Name: r.Member.name(), Bot: r.Member.User.Bot}
		return h, nil
	}
	h.From, err = b.who(ctx, r.UserID)
	return h, err
}

// reviews are those of one look at the history.
type reviews map[string]*review

// fill tells the task of an event as it stands. What is this process's own doing the hub knows better.
func (b *Backend) fill(ctx context.Context, h *heard, known reviews) error {
	if h.task == "" || h.Echo != "" && b.isMine(h.Echo) {
		return nil
	}
	now := known[h.task]
	if now == nil {
		ch, _ := b.channel(h.Channel)
		var err error
		if now, err = b.review(ctx, ch, h.task); err != nil {
			return err
		}
		if known != nil {
			known[h.task] = now
		}
	}
	h.Task = now.task
	if h.button != nil {
		choose(h, now)
	}
	return nil
}

// choose makes an event of a reaction. Discord gives reactions no ID. The same reaction means something new after the
// task has changed, so its ID has that of the last change.
func choose(h *heard, now *review) {
	s, _ := signBy(h.button.Emoji.Name)
	h.was, h.digest, h.since = now.task.State, now.digest, now.changed
	h.ID = "reaction/" + h.task + "/" + h.button.UserID + "/" + string(s.state) + "/" + now.changed
	if h.Task.State = s.state; s.state == backend.Todo && now.task.State != backend.Todo {
		h.Task.Assignee = ""
	}
}
