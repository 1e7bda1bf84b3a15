package slack

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/slack/mrkdwn"
)

// said are the subtypes of messages that somebody says something with. The others are Slack's own: who joined, a new
// topic.
var said = map[string]bool{
	"": true, slackgo.MsgSubTypeBotMessage: true, slackgo.MsgSubTypeMeMessage: true, slackgo.MsgSubTypeFileShare: true,
	slackgo.MsgSubTypeThreadBroadcast: true,
}

// item is something that happened in a room.
type item struct {
	channel string
	m       slackgo.Message
	root    *thread // that it was found in, nil is none
	edited  bool    // the item is that m was edited
	old     bool    // the item is a task from before the fleet's time
	wish    *wish   // the item is that somebody reacted to m, the root of a task
	told    string  // the ts of that reaction, where Slack told of it
}

// spot is where a message stands: its thread, where it is not the root.
func (r *room) spot(it *item) spot {
	s := spot{bot: r.bot, channel: it.channel}
	if it.m.ThreadTimestamp != it.m.Timestamp {
		s.thread = it.m.ThreadTimestamp
	}
	return s
}

// at is the ts that orders items.
func (it *item) at() string {
	switch {
	case it.told != "":
		return it.told
	case it.edited:
		return it.m.Edited.Timestamp
	default:
		return it.m.Timestamp
	}
}

// id is the event's: the same whenever the item is found again.
func (it *item) id(since string) string {
	id := it.channel + "/" + it.m.Timestamp
	switch {
	case it.wish != nil:
		return id + "/" + since + "/" + it.wish.key()
	case it.edited:
		return id + "/" + it.m.Edited.Timestamp
	default:
		return id
	}
}

// event is what an item is to the hub; false is nothing.
func (r *room) event(ctx context.Context, it *item) (backend.Event, bool, error) {
	e := backend.Event{
		ID: it.id(""), Kind: backend.Post, Channel: r.key, Thread: r.thread(it), Ref: r.spot(it).ref(it.m.Timestamp),
		Time: clock(it.at()),
	}
	if it.wish != nil {
		return r.wished(ctx, it, e)
	}
	if !said[it.m.SubType] {
		return e, false, nil
	}
	ours := r.b.ours(&it.m)
	mk := markOf(&it.m)
	if ours && (it.edited || mk.kind != postMark && mk.kind != taskMark && mk.kind != stateMark) {
		return e, false, nil // a claim, or what an effect brought about besides
	}
	if err := r.fill(ctx, it, &e); err != nil {
		return e, false, err
	}
	if ours {
		e.Echo = mk.id
		if mk.part > 1 {
			e.Ref = ""
		}
	}
	return r.asTask(ctx, it, mk, e, ours)
}

// thread is the Thread of the event of a message.
func (r *room) thread(it *item) backend.Ref {
	s := r.spot(it)
	switch {
	case s.thread != "":
		return s.root().ref(s.thread)
	case r.bot != "":
		return s.ref("")
	default:
		return ""
	}
}

// asTask makes the event that of a task, where it is one.
func (r *room) asTask(
	ctx context.Context, it *item, mk mark, e backend.Event, ours bool,
) (backend.Event, bool, error) {
	switch {
	case !r.tasks:
	case ours && mk.kind == stateMark && it.root != nil:
		e.Kind = backend.Update
		if mk.anew && r.b.ours(&it.root.root) {
			e.Task = it.root.task(r.b, plainText(it.root.root.Text))
		}
		e.Task.State, e.Task.Assignee = state(backend.State(mk.state)), mk.assignee
	case r.b.isTask(&it.m):
		return r.asRoot(ctx, it, e)
	}
	return e, !it.old, nil
}

// asRoot makes the event that of a task's own message.
func (r *room) asRoot(ctx context.Context, it *item, e backend.Event) (backend.Event, bool, error) {
	e.Kind, e.Thread = backend.Create, e.Ref
	if it.edited {
		e.Kind = backend.Update
	}
	t := &thread{root: it.m}
	if it.edited || it.old {
		var err error
		t, err = r.b.thread(ctx, spot{channel: it.channel, thread: it.m.Timestamp})
		if errors.Is(err, errNoTask) {
			return e, false, nil // it was deleted
		}
		if err != nil {
			return e, false, err
		}
		t.root = it.m
	}
	e.Task = t.task(r.b, e.Text)
	return e, !it.old || e.Task.State != backend.Done, nil
}

// wished is the event of a reaction. A reaction that the last news of the task took into account is none.
func (r *room) wished(ctx context.Context, it *item, e backend.Event) (backend.Event, bool, error) {
	last, since := it.root.news(r.b)
	text, err := r.plain(ctx, it.m.Text)
	if err != nil {
		return e, false, err
	}
	e.ID, e.Kind, e.Thread, e.Time = it.id(since), backend.Update, e.Ref, time.Now()
	if it.told != "" {
		e.Time = clock(it.told)
	}
	e.Task = it.root.task(r.b, text)
	seen := slices.Contains(strings.Fields(last.seen), it.wish.key()) && !before(since, it.told)
	if seen || e.Task.State == it.wish.state {
		return e, false, nil
	}
	e.Task.State = it.wish.state
	if it.root.other(r.b) {
		e.Task.Title, e.Task.Body = "", ""
	}
	e.From, err = r.b.person(ctx, it.wish.user)
	return e, err == nil, err
}

// fill says who it was and what was said to whom.
func (r *room) fill(ctx context.Context, it *item, e *backend.Event) (err error) {
	if e.From, err = r.from(ctx, &it.m); err != nil {
		return err
	}
	text := content(&it.m)
	e.Text, err = r.plain(ctx, text)
	e.To = r.to(mrkdwn.Parse(text))
	return err
}

func (r *room) from(ctx context.Context, m *slackgo.Message) (backend.Person, error) {
	name := m.Username
	if name == "" && m.BotProfile != nil {
		name = m.BotProfile.Name
	}
	p := backend.Person{ID: or(m.User, m.BotID), Name: or(name, or(m.User, m.BotID)), Bot: true}
	if r.b.ours(m) {
		if agent, _ := r.b.agent(or(m.BotID, m.User)); agent != "" {
			p.Name = r.b.name(agent)
		}
		return p, nil
	}
	if m.User == "" {
		return p, nil
	}
	p, err := r.b.person(ctx, m.User)
	if m.BotID != "" {
		p.Bot, p.Name = true, or(name, p.Name)
	}
	return p, err
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// content is the text of a message, with what Slack keeps elsewhere: names of files, and what other apps attach.
func content(m *slackgo.Message) string {
	parts := []string{m.Text}
	if m.Text == "" {
		for _, a := range m.Attachments {
			parts = append(parts, or(a.Fallback, a.Text))
		}
	}
	for _, f := range m.Files {
		parts = append(parts, fmt.Sprintf("[file: %s]", mrkdwn.Line(or(f.Title, f.Name))))
	}
	return strings.TrimSpace(strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "\n"))
}

// maxNames is how many people are asked for to read one text.
const maxNames = 20

// plain is a text as people see it.
func (r *room) plain(ctx context.Context, text string) (string, error) {
	tokens := mrkdwn.Parse(text)
	names, asked := map[string]string{}, 0
	for _, t := range tokens {
		if t.Kind != mrkdwn.User || names[t.Value] != "" {
			continue
		}
		if agent, ours := r.b.agent(t.Value); ours {
			names[t.Value] = or(agent, "fleet")
			continue
		}
		if _, known := r.b.remembered(t.Value); !known {
			if asked++; asked > maxNames {
				names[t.Value] = t.Value
				continue
			}
		}
		p, err := r.b.person(ctx, t.Value)
		if err != nil {
			return "", err
		}
		names[t.Value] = p.Name
	}
	return mrkdwn.Plain(tokens, func(id string) string { return names[id] }), nil
}

// atKey matches an agent's key after an @ that is not within a word.
var atKey = regexp.MustCompile(`(?i)(?:^|[^\w@.])@([a-z][a-z0-9-]{0,15})`)

// to returns the agents that a message is for: it mentions their bots or @KEY, or was written to their bot. The name
// that a person chose is no mention, whatever it is.
func (r *room) to(tokens []mrkdwn.Token) []string {
	var to []string
	add := func(key string) {
		if _, ok := r.b.agents[key]; ok && !slices.Contains(to, key) {
			to = append(to, key)
		}
	}
	add(strings.TrimPrefix(r.bot, direct))
	for _, t := range tokens {
		switch t.Kind {
		case mrkdwn.User:
			if key, ours := r.b.agent(t.Value); ours {
				add(key)
			}
		case mrkdwn.Text:
			for _, m := range atKey.FindAllStringSubmatch(t.Value, -1) {
				add(strings.TrimRight(strings.ToLower(m[1]), "-"))
			}
		}
	}
	return to
}
