package discordstub

import (
	"slices"
	"strings"
	"time"
)

// Permissions, as Discord numbers them.
const (
	AddReactions       = 1 << 6
	ViewChannel        = 1 << 10
	SendMessages       = 1 << 11
	ManageMessages     = 1 << 13
	ReadMessageHistory = 1 << 16
	ManageThreads      = 1 << 34
	CreatePublicThread = 1 << 35
	SendInThreads      = 1 << 38
)

// Types of channels.
const (
	Text   = 0
	DM     = 1
	Thread = 11
	Forum  = 15
)

// Channel is a channel or a thread.
type Channel struct {
	ID, Guild, Name, Parent, Owner, Last string
	Type                                 int
	Archived, Locked                     bool

	archivedAt, created time.Time
	renames             []time.Time
	fixed, told         time.Time     // no new name before, and when that was told
	unseen              time.Duration // of the next message
	denied              map[string]int64
	members             []string // of direct messages
}

// Message is a message.
type Message struct {
	ID, Channel, Content, Nonce string
	Type                        int
	Author                      *User
	Mentions                    []*User
	Replied                     *Message
	Reactions                   []*Reaction
	Webhook                     bool
	Flags                       int

	seen time.Time // in the history
}

// Reaction is one emoji at a message.
type Reaction struct {
	Emoji string
	Users []string
}

type nonce struct {
	message *Message
	at      time.Time
}

func (u *User) view() map[string]any {
	return map[string]any{
		"id": u.ID, "username": u.Name, "global_name": nil, "bot": u.Bot, "discriminator": "0", "avatar": nil,
	}
}

func (c *Channel) isThread() bool { return c.Type == Thread }

func (c *Channel) view() map[string]any {
	v := map[string]any{"id": c.ID, "type": c.Type, "last_message_id": nil}
	if c.Last != "" {
		v["last_message_id"] = c.Last
	}
	if c.Guild == "" {
		return v
	}
	v["guild_id"], v["name"] = c.Guild, c.Name
	var overwrites []map[string]any
	for id, bits := range c.denied {
		overwrites = append(overwrites, map[string]any{"id": role(id), "type": 0, "allow": "0", "deny": str(bits)})
	}
	v["permission_overwrites"] = overwrites
	if c.isThread() {
		v["parent_id"], v["owner_id"] = c.Parent, c.Owner
		v["thread_metadata"] = map[string]any{
			"archived": c.Archived, "locked": c.Locked, "auto_archive_duration": 10080,
			"archive_timestamp": c.archivedAt.UTC().Format(time.RFC3339Nano),
			"create_timestamp":  c.created.UTC().Format(time.RFC3339Nano),
		}
	}
	return v
}

// view shows a message to a bot. What it says is only for those that may know; see "Message Content Intent".
func (m *Message) view(s *Server, to *User, told bool) map[string]any {
	content := m.Content
	free := s.channels[m.Channel].Guild == "" || m.Author == to || slices.Contains(m.Mentions, to)
	if to != nil && !to.Content && !free {
		content = ""
	}
	v := map[string]any{
		"id": m.ID, "channel_id": m.Channel, "type": m.Type, "content": content, "author": m.Author.view(),
		"timestamp": when(m.ID).UTC().Format(time.RFC3339Nano), "edited_timestamp": nil, "tts": false, "pinned": false,
		"mention_everyone": false, "mention_roles": []string{}, "embeds": []any{}, "attachments": []any{}, "flags": m.Flags,
		// discordgo cannot read messages with such a component.
		"components": []any{map[string]any{"type": 9, "components": []any{}}},
	}
	mentions := []any{}
	for _, u := range m.Mentions {
		mentions = append(mentions, u.view())
	}
	v["mentions"] = mentions
	if m.Webhook {
		v["webhook_id"] = m.Author.ID
	}
	if m.Replied != nil {
		v["referenced_message"] = m.Replied.view(s, to, false)
	}
	if told && m.Nonce != "" {
		v["nonce"] = m.Nonce
	}
	var reactions []any
	for _, r := range m.Reactions {
		me := to != nil && slices.Contains(r.Users, to.ID)
		reactions = append(reactions, map[string]any{
			"emoji": map[string]any{"id": nil, "name": r.Emoji}, "count": len(r.Users), "me": me,
		})
	}
	if reactions != nil {
		v["reactions"] = reactions
	}
	return v
}

// role is the ID of the role of one bot.
func role(bot string) string { return str(int64(number(bot)) - 1) }

// may tells what a user may do in a channel.
func (s *Server) may(u *User, c *Channel) int64 {
	if c.Guild == "" {
		if slices.Contains(c.members, u.ID) {
			return ViewChannel | SendMessages | ReadMessageHistory | AddReactions
		}
		return 0
	}
	if c.isThread() {
		c = s.channels[c.Parent]
	}
	if !u.Bot {
		return -1
	}
	bits := u.grants &^ c.denied[u.ID]
	if bits&ViewChannel == 0 {
		return 0
	}
	return bits
}

func (s *Server) find(channel, id string) *Message {
	for _, m := range s.messages[channel] {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// add puts a message into a channel and tells it.
func (s *Server) add(m *Message) *Message {
	m.ID = s.id()
	s.place(m)
	return m
}

func (s *Server) place(m *Message) {
	c := s.channels[m.Channel]
	for _, u := range s.users {
		if strings.Contains(m.Content, "<@"+u.ID+">") {
			m.Mentions = append(m.Mentions, u)
		}
	}
	if m.Replied != nil {
		m.Mentions = append(m.Mentions, m.Replied.Author)
	}
	if m.Author.Bot {
		m.seen = time.Now().Add(c.unseen)
		c.unseen = 0
	}
	s.messages[m.Channel] = append(s.messages[m.Channel], m)
	c.Last = m.ID
	if c.Archived && !c.Locked {
		s.archive(c, false, false)
	}
	s.dispatch("MESSAGE_CREATE", nil, c, m)
}

func (s *Server) archive(c *Channel, archived, locked bool) {
	if c.Archived != archived {
		c.archivedAt = time.Now()
	}
	c.Archived, c.Locked = archived, locked
	s.dispatch("THREAD_UPDATE", c.view(), c, nil)
}

// thread opens one, with an ID of its own or that of the message at which it is opened.
func (s *Server) thread(parent *Channel, id, name string, owner *User) *Channel {
	if id == "" {
		id = s.id()
	}
	t := &Channel{
		ID: id, Guild: s.Guild, Type: Thread, Name: name, Parent: parent.ID, Owner: owner.ID,
		created: time.Now(), archivedAt: time.Now(),
	}
	s.channels[t.ID] = t
	if parent.Type == Forum {
		parent.Last = t.ID
	}
	v := t.view()
	v["newly_created"] = true
	s.dispatch("THREAD_CREATE", v, t, nil)
	return t
}

// rename gives a thread another name, of which Discord tells in the thread itself.
func (s *Server) rename(t *Channel, name string, by *User) {
	if t.Name == name {
		return
	}
	t.Name = name
	s.dispatch("THREAD_UPDATE", t.view(), t, nil)
	s.add(&Message{Channel: t.ID, Type: 4, Content: name, Author: by})
}

// react adds or takes a reaction.
func (s *Server) react(m *Message, emoji string, u *User, add bool) {
	i := slices.IndexFunc(m.Reactions, func(r *Reaction) bool { return r.Emoji == emoji })
	if i < 0 {
		if !add {
			return
		}
		m.Reactions = append(m.Reactions, &Reaction{Emoji: emoji})
		i = len(m.Reactions) - 1
	}
	r := m.Reactions[i]
	if has := slices.Contains(r.Users, u.ID); has == add {
		return
	}
	kind := "MESSAGE_REACTION_ADD"
	if add {
		r.Users = append(r.Users, u.ID)
	} else {
		kind = "MESSAGE_REACTION_REMOVE"
		r.Users = slices.DeleteFunc(r.Users, func(id string) bool { return id == u.ID })
		m.Reactions = slices.DeleteFunc(m.Reactions, func(r *Reaction) bool { return len(r.Users) == 0 })
	}
	s.dispatch(kind, map[string]any{
		"user_id": u.ID, "channel_id": m.Channel, "message_id": m.ID, "guild_id": s.Guild,
		"emoji": map[string]any{"id": nil, "name": emoji}, "member": map[string]any{"nick": nil, "user": u.view()},
	}, s.channels[m.Channel], nil)
}
