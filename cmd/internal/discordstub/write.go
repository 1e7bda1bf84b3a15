package discordstub

import (
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// form is a message to be sent, "Create Message".
type form struct {
	Content  string `json:"content"`
	Mentions *struct {
		Parse []string `json:"parse"`
	} `json:"allowed_mentions"`
	Flags   int    `json:"flags"`
	Nonce   string `json:"nonce"`
	Enforce bool   `json:"enforce_nonce"`
}

// nonceSpan is Discord's "past few minutes".
const nonceSpan = 3 * time.Minute

// check holds a message to the rules.
func (s *Server) check(c *call, f *form) *refusal {
	n := utf8.RuneCountInString(f.Content)
	switch {
	case !utf8.ValidString(f.Content):
		s.breach("%s: text is not UTF-8", c.route)
	case n > 2000:
		s.breach("%s: a message of %d characters", c.route, n)
		return invalidForm
	case strings.TrimSpace(f.Content) == "":
		s.breach("%s: an empty message", c.route)
		return &refusal{400, 50006, "Cannot send an empty message", 0}
	case len(f.Nonce) > 25:
		s.breach("%s: a nonce of %d characters", c.route, len(f.Nonce))
		return invalidForm
	}
	if f.Mentions == nil || f.Mentions.Parse == nil || len(f.Mentions.Parse) > 0 {
		s.breach("%s: allowed_mentions must be there and name nobody", c.route)
	}
	f.Content = strings.TrimSpace(f.Content)
	return nil
}

func (s *Server) post(c *call, ch *Channel) (any, *refusal) {
	var f form
	if !s.decode(c, &f) {
		return nil, invalidForm
	}
	if no := s.check(c, &f); no != nil {
		return nil, no
	}
	if f.Nonce == "" || !f.Enforce {
		s.breach("%s: no nonce with enforce_nonce", c.route)
	}
	right := int64(SendMessages)
	if ch.isThread() {
		right = SendInThreads
	}
	if ch.Locked {
		right |= ManageThreads
	}
	switch {
	case ch.Type == Forum:
		return nil, &refusal{400, 50008, "Cannot send messages in a non-text channel", 0}
	case s.may(c.user, ch)&right != right:
		return nil, missingRight
	case ch.Archived && ch.Locked:
		return nil, isArchived
	}
	key := c.user.ID + " " + ch.ID + " " + f.Nonce
	if old, ok := s.nonces[key]; ok && time.Since(old.at) < nonceSpan {
		return old.message.view(s, c.user, true), nil
	}
	m := s.add(&Message{Channel: ch.ID, Content: f.Content, Author: c.user, Nonce: f.Nonce, Flags: f.Flags})
	s.nonces[key] = nonce{m, time.Now()}
	return m.view(s, c.user, true), nil
}

// ForgetNonces makes the past few minutes be over.
func (s *Server) ForgetNonces() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.nonces)
}

func (s *Server) openPost(c *call, ch *Channel) (any, *refusal) {
	var in struct {
		Name    string `json:"name"`
		Archive int    `json:"auto_archive_duration"`
		Message form   `json:"message"`
	}
	if !s.decode(c, &in) || ch.Type != Forum || !archiveTimes(in.Archive) {
		return nil, invalidForm
	}
	if no := s.named(c, in.Name); no != nil {
		return nil, no
	}
	if no := s.check(c, &in.Message); no != nil {
		return nil, no
	}
	if s.may(c.user, ch)&SendMessages == 0 {
		return nil, missingRight
	}
	if len(s.threads(c.user, "", false)) >= s.Active {
		return nil, noRoom
	}
	t := s.thread(ch, "", in.Name, c.user)
	m := &Message{ID: t.ID, Channel: t.ID, Content: in.Message.Content, Author: c.user, Flags: in.Message.Flags}
	s.place(m)
	v := t.view()
	v["message"] = m.view(s, c.user, false)
	return v, nil
}

func archiveTimes(minutes int) bool { return slices.Contains([]int{60, 1440, 4320, 10080}, minutes) }

func (s *Server) startThread(c *call, ch *Channel, m *Message) (any, *refusal) {
	var in struct {
		Name    string `json:"name"`
		Archive int    `json:"auto_archive_duration"`
	}
	if !s.decode(c, &in) || ch.Type != Text || !archiveTimes(in.Archive) {
		return nil, invalidForm
	}
	if no := s.named(c, in.Name); no != nil {
		return nil, no
	}
	if s.may(c.user, ch)&CreatePublicThread == 0 {
		return nil, missingRight
	}
	if len(s.threads(c.user, "", false)) >= s.Active {
		return nil, noRoom
	}
	if s.channels[m.ID] != nil {
		return nil, &refusal{400, 160004, "A thread has already been created for this message", 0}
	}
	return s.openAt(ch, m.ID, in.Name, c.user).view(), nil
}

// reactions serves the routes that end in /reactions/EMOJI and so on.
func (s *Server) reactions(c *call, ch *Channel, m *Message) (any, *refusal) {
	if len(c.path) < 6 || c.path[4] != "reactions" {
		s.breach("%s: the stand-in does not know it", c.route)
		return nil, &refusal{404, 0, "404: Not Found", 0}
	}
	emoji, err := url.PathUnescape(c.path[5])
	if err != nil || !utf8.ValidString(emoji) || len(emoji) > 8 {
		s.breach("%s: emoji %q", c.route, c.path[5])
		return nil, &refusal{400, 10014, "Unknown Emoji", 0}
	}
	if c.Method == "GET" {
		users := []any{}
		for _, r := range m.Reactions {
			for _, id := range r.Users {
				if r.Emoji == emoji {
					users = append(users, s.users[id].view())
				}
			}
		}
		return users, nil
	}
	who := c.user
	if len(c.path) == 7 && c.path[6] != "@me" {
		who = s.users[c.path[6]]
	}
	switch {
	case ch.Archived:
		return nil, isArchived
	case who == nil:
		return nil, &refusal{404, 10013, "Unknown User", 0}
	case c.Method == "PUT" && (who != c.user || s.may(c.user, ch)&AddReactions == 0):
		return nil, missingRight
	case c.Method == "DELETE" && who != c.user && s.may(c.user, ch)&ManageMessages == 0:
		return nil, missingRight
	}
	s.react(m, emoji, who, c.Method == "PUT")
	return nil, nil
}
