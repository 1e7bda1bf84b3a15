package slackstub

import (
	"fmt"
	"slices"
	"time"
)

// Say posts a message of a person's and returns its ts.
func (s *Server) Say(user, channel, thread, text string) string {
	return s.Post(channel, Message{User: user, Thread: thread, Text: text})
}

// Fill posts many messages that no event tells of, as if nobody had been there to be told.
func (s *Server) Fill(user, channel string, texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[channel]
	for _, text := range texts {
		c.messages = append(c.messages, &Message{TS: c.stamp(), User: user, Text: text})
	}
}

// Post posts a message as it is, but for its ts, which it returns.
func (s *Server) Post(channel string, m Message) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.post(s.channels[channel], &m).TS
}

func (s *Server) post(c *Channel, m *Message) *Message {
	m.TS = c.stamp()
	c.messages = append(c.messages, m)
	event := s.render(c, m, false)
	event["channel"], event["channel_type"], event["event_ts"] = c.ID, c.kind(), m.TS
	s.tell(c, event)
	return m
}

// Edit changes the text of a message as its author.
func (s *Server) Edit(channel, ts, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[channel]
	m := c.find(ts)
	s.edit(c, m, m.User, text)
}

func (s *Server) edit(c *Channel, m *Message, by, text string) {
	old := s.render(c, m, false)
	m.Text, m.EditedBy, m.Edited = text, by, c.stamp()
	s.tell(c, map[string]any{
		"type": "message", "subtype": "message_changed", "hidden": true, "channel": c.ID, "channel_type": c.kind(),
		"ts": m.Edited, "event_ts": m.Edited, "message": s.render(c, m, false), "previous_message": old,
	})
}

// Delete deletes a message.
func (s *Server) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(s.channels[channel], ts)
}

func (s *Server) remove(c *Channel, ts string) {
	c.messages = slices.DeleteFunc(c.messages, func(m *Message) bool { return m.TS == ts })
	now := c.stamp()
	s.tell(c, map[string]any{
		"type": "message", "subtype": "message_deleted", "hidden": true, "channel": c.ID, "channel_type": c.kind(),
		"ts": now, "event_ts": now, "deleted_ts": ts,
	})
}

// React adds a reaction of a person's, or takes it away.
func (s *Server) React(user, channel, ts, name string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[channel]
	s.react(c, c.find(ts), user, name, on)
}

// react reports whether it was otherwise before.
func (s *Server) react(c *Channel, m *Message, user, name string, on bool) bool {
	i := slices.IndexFunc(m.Reactions, func(r Reaction) bool { return r.Name == name })
	if i < 0 {
		m.Reactions = append(m.Reactions, Reaction{Name: name})
		i = len(m.Reactions) - 1
	}
	r := &m.Reactions[i]
	has := slices.Contains(r.Users, user)
	kind := "reaction_added"
	switch {
	case on && !has:
		r.Users = append(r.Users, user)
	case !on && has:
		kind = "reaction_removed"
		r.Users = slices.DeleteFunc(r.Users, func(u string) bool { return u == user })
	}
	if len(r.Users) == 0 {
		m.Reactions = slices.Delete(m.Reactions, i, i+1)
	}
	if on != has {
		s.tell(c, map[string]any{
			"type": kind, "user": user, "reaction": name, "item_user": m.User, "event_ts": c.stamp(),
			"item": map[string]any{"type": "message", "channel": c.ID, "ts": m.TS},
		})
	}
	return on != has
}

// Messages returns what stands in a channel, or in a thread of it without its root, oldest first.
func (s *Server) Messages(channel, thread string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.channels[channel].messages {
		if m.Thread == thread && (thread != "" || m.Thread == "") {
			all = append(all, *m)
		}
	}
	return all
}

// Find returns a message.
func (s *Server) Find(channel, ts string) Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.channels[channel].find(ts)
}

func (c *Channel) find(ts string) *Message {
	for _, m := range c.messages {
		if m.TS == ts {
			return m
		}
	}
	return nil
}

// stamp is a new ts, later than all others in the channel.
func (c *Channel) stamp() string {
	c.last = max(c.last+1, time.Now().UnixMicro())
	return fmt.Sprintf("%d.%06d", c.last/1e6, c.last%1e6)
}

func (c *Channel) kind() string {
	switch c.ID[0] {
	case 'D':
		return "im"
	case 'G':
		return "group"
	default:
		return "channel"
	}
}

func (c *Channel) has(user string) bool { return slices.Contains(c.Members, user) }

// render is a message as Slack writes it. The history has what an event has not: answers and reactions.
func (s *Server) render(c *Channel, m *Message, history bool) map[string]any {
	r := map[string]any{"type": "message", "text": m.Text, "ts": m.TS, "team": Team}
	for key, value := range map[string]string{
		"subtype": m.Subtype, "user": m.User, "bot_id": m.Bot, "app_id": m.App, "username": m.Username,
		"thread_ts": m.Thread,
	} {
		if value != "" {
			r[key] = value
		}
	}
	if m.Edited != "" {
		r["edited"] = map[string]any{"user": m.EditedBy, "ts": m.Edited}
	}
	if m.File != "" {
		r["files"] = []map[string]any{{"id": "F1", "name": "file", "title": m.File}}
	}
	if !history {
		return r
	}
	replies := 0
	for _, other := range c.messages {
		if other.Thread == m.TS && other != m {
			replies++
			r["latest_reply"], r["thread_ts"] = other.TS, m.TS
		}
	}
	if replies > 0 {
		r["reply_count"] = replies
	}
	var reactions []map[string]any
	for _, re := range m.Reactions {
		reactions = append(reactions, map[string]any{"name": re.Name, "users": re.Users, "count": len(re.Users)})
	}
	if reactions != nil {
		r["reactions"] = reactions
	}
	return r
}
