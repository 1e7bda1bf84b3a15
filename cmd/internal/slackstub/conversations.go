package slackstub

import (
	"slices"
	"strconv"
)

// channel returns the channel that the call is for, of which the bot must be a member.
func (c *call) channel(member bool) (*Channel, answer) {
	ch := c.s.channels[c.args.Get("channel")]
	switch {
	case ch == nil, ch.ID[0] != 'C' && !ch.has(c.app.User):
		return nil, no("channel_not_found")
	case member && !ch.has(c.app.User):
		return nil, no("not_in_channel")
	case member && ch.Archived:
		return nil, no("is_archived")
	}
	return ch, nil
}

func (c *call) info() answer {
	ch, bad := c.channel(false)
	if bad != nil {
		return bad
	}
	return answer{"channel": map[string]any{
		"id": ch.ID, "name": ch.Name, "is_channel": true, "is_member": ch.has(c.app.User), "is_archived": ch.Archived,
	}}
}

func (c *call) list() answer {
	const name = "conversations.list"
	if c.args.Get("types") != "im" {
		c.s.fault("%s: types %q", name, c.args.Get("types"))
	}
	var ids []string
	for id, ch := range c.s.channels {
		if id[0] == 'D' && ch.has(c.app.User) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	begin, end, next, bad := c.page(name, len(ids), func(i int) string { return ids[i] })
	if bad != nil {
		return bad
	}
	all := []map[string]any{}
	for _, id := range ids[begin:end] {
		all = append(all, map[string]any{"id": id, "is_im": true})
	}
	return answer{"channels": all, "response_metadata": map[string]any{"next_cursor": next}}
}

// page is the part of n things that the call asks for, and the cursor of the next, "" at the end. Things have names.
func (c *call) page(name string, n int, thing func(i int) string) (begin, end int, next string, bad answer) {
	limit, err := strconv.Atoi(c.args.Get("limit"))
	if err != nil || limit < 1 || limit > 999 {
		c.s.fault("%s: limit %q", name, c.args.Get("limit"))
		limit = 100
	}
	if cursor := c.args.Get("cursor"); cursor != "" {
		for begin < n && "next:"+thing(begin) != cursor {
			begin++
		}
		if begin == n {
			return 0, 0, "", no("invalid_cursor")
		}
	}
	if end = min(begin+limit, n); end < n {
		next = "next:" + thing(end)
	}
	return begin, end, next, nil
}

// within reports whether a ts is in the range that the call gives.
func (c *call) within(ts string) bool {
	oldest, latest := c.args.Get("oldest"), c.args.Get("latest")
	on := c.args.Get("inclusive") == "1" && (ts == oldest || ts == latest)
	return on || (oldest == "" || ts > oldest) && (latest == "" || ts < latest)
}

// cut returns the page that the call asks for.
func (c *call) cut(name string, all []*Message, ch *Channel) answer {
	for _, key := range []string{"oldest", "latest"} {
		if v := c.args.Get(key); v != "" && !tsForm.MatchString(v) {
			c.s.fault("%s: %s %q", name, key, v)
		}
	}
	begin, end, next, bad := c.page(name, len(all), func(i int) string { return all[i].TS })
	if bad != nil {
		return bad
	}
	messages := []map[string]any{}
	for _, m := range all[begin:end] {
		r := c.s.render(ch, m, true)
		if m.Metadata != nil {
			meta := map[string]any{"event_type": m.Metadata["event_type"]}
			if c.args.Get("include_all_metadata") == "1" {
				meta = m.Metadata
			}
			r["metadata"] = meta
		}
		messages = append(messages, r)
	}
	return answer{
		"messages": messages, "has_more": next != "", "response_metadata": map[string]any{"next_cursor": next},
	}
}

func (c *call) history() answer {
	ch, bad := c.channel(true)
	if bad != nil {
		return bad
	}
	var all []*Message
	for _, m := range ch.messages {
		top := m.Thread == "" || m.Thread == m.TS || m.Subtype == "thread_broadcast"
		if top && c.within(m.TS) {
			all = append(all, m)
		}
	}
	slices.Reverse(all)
	return c.cut("conversations.history", all, ch)
}

func (c *call) replies() answer {
	ch, bad := c.channel(true)
	if bad != nil {
		return bad
	}
	ts := c.args.Get("ts")
	if ch.find(ts) == nil {
		return no("thread_not_found")
	}
	var all []*Message
	for _, m := range ch.messages {
		// The root is there whatever the range is.
		if m.TS == ts || m.Thread == ts && c.within(m.TS) {
			all = append(all, m)
		}
	}
	return c.cut("conversations.replies", all, ch)
}
