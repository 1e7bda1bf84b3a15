package discordstub

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	unknownChannel = &refusal{404, 10003, "Unknown Channel", 0}
	unknownMessage = &refusal{404, 10008, "Unknown Message", 0}
	missingAccess  = &refusal{403, 50001, "Missing Access", 0}
	missingRight   = &refusal{403, 50013, "Missing Permissions", 0}
	invalidForm    = &refusal{400, 50035, "Invalid Form Body", 0}
	noRoom         = &refusal{400, 160006, "Maximum number of active threads reached", 0}
	isArchived     = &refusal{400, 50083, "Thread is archived", 0}
)

// answer carries a request out.
func (s *Server) answer(w http.ResponseWriter, c *call) {
	v, no := s.act(c)
	switch {
	case no != nil && no.after > 0:
		s.tooMany(w, nil, no.after, false)
	case no != nil:
		refuse(w, *no)
	case v == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

func (s *Server) act(c *call) (any, *refusal) {
	switch c.route {
	case "GET /gateway":
		if s.Gateway != "" {
			return map[string]any{"url": s.Gateway}, nil
		}
		scheme := "ws://"
		if c.TLS != nil {
			scheme = "wss://"
		}
		return map[string]any{"url": scheme + c.Host + "/gateway"}, nil
	case "GET /users/@me":
		return c.user.view(), nil
	case "POST /users/@me/channels":
		return s.meet(c)
	case "GET /users/ID":
		if u := s.users[c.path[1]]; u != nil {
			return u.view(), nil
		}
		return nil, &refusal{404, 10013, "Unknown User", 0}
	}
	if c.path[0] == "guilds" {
		return s.guild(c)
	}
	if c.path[0] != "channels" || len(c.path) < 2 {
		s.breach("%s: the stand-in does not know it", c.route)
		return nil, &refusal{404, 0, "404: Not Found", 0}
	}
	ch := s.channels[c.path[1]]
	if ch == nil {
		return nil, unknownChannel
	}
	if s.may(c.user, ch)&ViewChannel == 0 {
		return nil, missingAccess
	}
	return s.inChannel(c, ch)
}

func (s *Server) guild(c *call) (any, *refusal) {
	if c.path[1] != s.Guild {
		return nil, &refusal{404, 10004, "Unknown Guild", 0}
	}
	switch c.route {
	case "GET /guilds/ID":
		return s.guildView(c.user), nil
	case "GET /guilds/ID/members/ID":
		u := s.users[c.path[3]]
		return map[string]any{"user": u.view(), "roles": []string{role(u.ID)}, "nick": nil}, nil
	case "GET /guilds/ID/threads/active":
		return map[string]any{"threads": s.threads(c.user, "", false), "members": []any{}}, nil
	}
	s.breach("%s: the stand-in does not know it", c.route)
	return nil, &refusal{404, 0, "404: Not Found", 0}
}

func (s *Server) guildView(u *User) map[string]any {
	return map[string]any{
		"id": s.Guild, "name": "guild", "owner_id": "1", "roles": []any{
			map[string]any{"id": s.Guild, "name": "@everyone", "permissions": "0"},
			map[string]any{"id": role(u.ID), "name": u.Name, "permissions": str(u.grants)},
		},
	}
}

// threads returns what a bot sees: of all channels, or of one.
func (s *Server) threads(u *User, parent string, archived bool) []any {
	var of []*Channel
	for _, t := range s.channels {
		if t.isThread() && t.Archived == archived && (parent == "" || t.Parent == parent) && s.may(u, t)&ViewChannel != 0 {
			of = append(of, t)
		}
	}
	slices.SortFunc(of, func(a, b *Channel) int { return b.archivedAt.Compare(a.archivedAt) })
	all := []any{}
	for _, t := range of {
		all = append(all, t.view())
	}
	return all
}

func (s *Server) inChannel(c *call, ch *Channel) (any, *refusal) {
	switch c.route {
	case "GET /channels/ID":
		return ch.view(), nil
	case "PATCH /channels/ID":
		return s.patch(c, ch)
	case "GET /channels/ID/messages":
		return s.history(c, ch)
	case "POST /channels/ID/messages":
		return s.post(c, ch)
	case "POST /channels/ID/threads":
		return s.openPost(c, ch)
	case "GET /channels/ID/threads/archived/public":
		return s.archived(c, ch)
	}
	if len(c.path) < 4 || c.path[2] != "messages" {
		s.breach("%s: the stand-in does not know it", c.route)
		return nil, &refusal{404, 0, "404: Not Found", 0}
	}
	m := s.find(ch.ID, c.path[3])
	if m == nil {
		return nil, unknownMessage
	}
	switch c.route {
	case "GET /channels/ID/messages/ID":
		return m.view(s, c.user, false), nil
	case "DELETE /channels/ID/messages/ID":
		return s.remove(c, ch, m)
	case "POST /channels/ID/messages/ID/threads":
		return s.startThread(c, ch, m)
	}
	return s.reactions(c, ch, m)
}

func (s *Server) patch(c *call, t *Channel) (any, *refusal) {
	var in struct {
		Name     *string `json:"name"`
		Archived *bool   `json:"archived"`
		Locked   *bool   `json:"locked"`
	}
	if !s.decode(c, &in) || !t.isThread() {
		return nil, invalidForm
	}
	if s.may(c.user, t)&ManageThreads == 0 && (t.Owner != c.user.ID || in.Locked != nil) {
		return nil, missingRight
	}
	if in.Name != nil {
		if t.Archived && (in.Archived == nil || *in.Archived) {
			return nil, isArchived
		}
		if no := s.named(c, *in.Name); no != nil {
			return nil, no
		}
		if no := s.renamed(c, t); no != nil {
			return nil, no
		}
		s.rename(t, *in.Name, c.user)
	}
	if in.Archived != nil || in.Locked != nil {
		archived, locked := t.Archived, t.Locked
		if in.Archived != nil {
			archived = *in.Archived
		}
		if in.Locked != nil {
			locked = *in.Locked
		}
		s.archive(t, archived, locked)
	}
	return t.view(), nil
}

func (s *Server) named(c *call, name string) *refusal {
	if n := utf8.RuneCountInString(name); n < 1 || n > 100 || strings.TrimSpace(name) == "" {
		s.breach("%s: a name of %d characters", c.route, n)
		return invalidForm
	}
	return nil
}

// meet opens the conversation with a user, "Create DM".
func (s *Server) meet(c *call) (any, *refusal) {
	var in struct {
		Recipient string `json:"recipient_id"`
	}
	if !s.decode(c, &in) {
		return nil, invalidForm
	}
	u := s.users[in.Recipient]
	if u == nil {
		return nil, &refusal{400, 50033, "Invalid Recipient(s)", 0}
	}
	return s.channels[s.talk(u, c.user)].view(), nil
}

// talk returns the ID of the channel of two users' messages.
func (s *Server) talk(a, b *User) string {
	for _, c := range s.channels {
		if c.Type == DM && slices.Contains(c.members, a.ID) && slices.Contains(c.members, b.ID) {
			return c.ID
		}
	}
	id := s.id()
	s.channels[id] = &Channel{ID: id, Type: DM, members: []string{a.ID, b.ID}}
	return id
}

// renamed keeps to the limit that no header tells of. It is of new names alone.
func (s *Server) renamed(c *call, t *Channel) *refusal {
	now := time.Now()
	if now.Before(t.fixed) && now.Sub(t.told) > s.Grace {
		s.breach("%s: a new name %s before the end of Retry-After", c.route, t.fixed.Sub(now))
	}
	t.renames = slices.DeleteFunc(t.renames, func(at time.Time) bool { return now.Sub(at) > s.RenameSpan })
	if len(t.renames) >= s.Renames {
		t.fixed, t.told = t.renames[0].Add(s.RenameSpan), now
		return &refusal{status: 429, after: t.fixed.Sub(now)}
	}
	t.renames = append(t.renames, now)
	return nil
}

func (s *Server) history(c *call, ch *Channel) (any, *refusal) {
	q := c.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 100 {
		s.breach("%s: limit=%q", c.route, q.Get("limit"))
		return nil, invalidForm
	}
	page := []any{}
	if s.may(c.user, ch)&ReadMessageHistory == 0 {
		return page, nil
	}
	now := time.Now()
	all := slices.DeleteFunc(slices.Clone(s.messages[ch.ID]), func(m *Message) bool { return now.Before(m.seen) })
	if after := q.Get("after"); after != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(m *Message) bool { return number(m.ID) <= number(after) })
		all = all[:min(len(all), limit)]
	} else if before := q.Get("before"); before != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(m *Message) bool { return number(m.ID) >= number(before) })
	}
	for _, m := range slices.Backward(all) {
		if len(page) < limit {
			page = append(page, m.view(s, c.user, false))
		}
	}
	return page, nil
}

func (s *Server) archived(c *call, ch *Channel) (any, *refusal) {
	all := s.threads(c.user, ch.ID, true)
	if at := c.URL.Query().Get("before"); at != "" {
		before, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			s.breach("%s: before=%q", c.route, at)
		}
		all = slices.DeleteFunc(all, func(v any) bool {
			return !s.channels[v.(map[string]any)["id"].(string)].archivedAt.Before(before)
		})
	}
	limit, _ := strconv.Atoi(c.URL.Query().Get("limit"))
	return map[string]any{"threads": all[:min(len(all), limit)], "members": []any{}, "has_more": len(all) > limit}, nil
}

func (s *Server) remove(c *call, ch *Channel, m *Message) (any, *refusal) {
	switch {
	case m.Type == 4:
		return nil, &refusal{403, 50021, "Cannot execute action on a system message", 0}
	case m.Author != c.user && s.may(c.user, ch)&ManageMessages == 0:
		return nil, missingRight
	}
	s.messages[ch.ID] = slices.DeleteFunc(s.messages[ch.ID], func(x *Message) bool { return x == m })
	return nil, nil
}
