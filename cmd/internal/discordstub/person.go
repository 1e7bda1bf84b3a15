package discordstub

import "slices"

// Person is somebody with Discord's own program.
type Person struct {
	*User
	s *Server
}

// AddPerson lets somebody into the server.
func (s *Server) AddPerson(name string) *Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &User{ID: s.id(), Name: name, Content: true}
	s.users[u.ID] = u
	return &Person{u, s}
}

// Say writes a message and returns its ID.
func (p *Person) Say(channel, text string) string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.add(&Message{Channel: channel, Content: text, Author: p.User}).ID
}

// Reply answers a message.
func (p *Person) Reply(channel, to, text string) string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.add(&Message{Channel: channel, Type: 19, Content: text, Author: p.User, Replied: p.s.find(channel, to)}).ID
}

// Hook writes a message by a webhook, under any name.
func (p *Person) Hook(channel, name, text string) string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	u := &User{ID: p.s.id(), Name: name, Bot: true}
	return p.s.add(&Message{Channel: channel, Content: text, Author: u, Webhook: true}).ID
}

// Open opens a thread of a forum with its first message, and returns its ID.
func (p *Person) Open(forum, name, text string) string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	t := p.s.thread(p.s.channels[forum], "", name, p.User)
	p.s.place(&Message{ID: t.ID, Channel: t.ID, Content: text, Author: p.User})
	return t.ID
}

// OpenAt opens a thread at a message of a text channel; without a message if that is "".
func (p *Person) OpenAt(channel, message, name string) string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.openAt(p.s.channels[channel], message, name, p.User).ID
}

// Rename gives a thread another name.
func (p *Person) Rename(thread, name string) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.rename(p.s.channels[thread], name, p.User)
}

// React adds a reaction.
func (p *Person) React(channel, message, emoji string) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.react(p.s.find(channel, message), emoji, p.User, true)
}

// Tell writes a direct message to a bot and returns the IDs of the conversation's channel and of the message.
func (p *Person) Tell(bot *User, text string) (channel, message string) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	channel = p.s.talk(p.User, bot)
	return channel, p.s.add(&Message{Channel: channel, Content: text, Author: p.User}).ID
}

// Archive archives a thread, or takes it out again.
func (s *Server) Archive(thread string, archived, locked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archive(s.channels[thread], archived, locked)
}

// Messages returns what is in a channel or thread, the oldest first.
func (s *Server) Messages(channel string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.messages[channel] {
		one := *m
		one.Reactions = nil
		for _, r := range m.Reactions {
			one.Reactions = append(one.Reactions, &Reaction{r.Emoji, slices.Clone(r.Users)})
		}
		all = append(all, one)
	}
	return all
}

// Channel returns a channel or thread as it is.
func (s *Server) Channel(id string) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.channels[id]
}

// Threads returns the IDs of a channel's threads, the oldest first.
func (s *Server) Threads(channel string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for id, c := range s.channels {
		if c.Parent == channel {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return int(int64(number(a)) - int64(number(b))) })
	return all
}

func (s *Server) openAt(c *Channel, message, name string, by *User) *Channel {
	t := s.thread(c, message, name, by)
	if m := s.find(c.ID, message); m != nil {
		s.add(&Message{Channel: t.ID, Type: 21, Author: by, Replied: m})
	} else {
		s.add(&Message{Channel: c.ID, Type: 18, Content: name, Author: by})
	}
	return t
}

// DeleteMessage deletes a message, as a moderator does.
func (s *Server) DeleteMessage(channel, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages[channel] = slices.DeleteFunc(s.messages[channel], func(m *Message) bool { return m.ID == id })
}
