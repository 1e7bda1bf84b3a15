package slackstub

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var (
	tsForm = regexp.MustCompile(`^[0-9]{10}\.[0-9]{6}$`)

	// escapes are what a text may have that is not plain: entities, and links.
	escapes = regexp.MustCompile(`&(amp|lt|gt);|<(https?://|mailto:)[^<>|\s]+(\|[^<>|\n]+)?>`)
)

const (
	maxText   = 4000   // characters that a text should have at most, and one of chat.update may have
	cutText   = 40_000 // what chat.postMessage cuts texts to
	maxBlock  = 3000   // of the text of a section
	maxBlocks = 50
)

// text checks a text against the rules, and that it calls nobody.
func (c *call) text(name string) answer {
	text := c.args.Get("text")
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "" && !c.args.Has("blocks"):
		return no("no_text")
	case n > maxText && name == "chat.update":
		return no("msg_too_long")
	case n > cutText:
		c.s.fault("%s: text has %d characters and is cut", name, n)
		c.args.Set("text", string([]rune(text)[:cutText]))
	case n > maxText:
		c.s.fault("%s: text has %d characters", name, n)
	}
	if rest := escapes.ReplaceAllString(text, ""); strings.ContainsAny(rest, "&<>") {
		c.s.fault("%s: text is not escaped: %q", name, text)
	}
	if c.args.Get("parse") != "none" || c.args.Get("link_names") != "false" {
		c.s.fault("%s: names in the text would be live", name)
	}
	return c.blocks()
}

// blocks checks blocks against the rules.
func (c *call) blocks() answer {
	if !c.args.Has("blocks") {
		return nil
	}
	var blocks []struct {
		Type string `json:"type"`
		Text struct {
			Text string `json:"text"`
		} `json:"text"`
	}
	if json.Unmarshal([]byte(c.args.Get("blocks")), &blocks) != nil || len(blocks) > maxBlocks {
		return no("invalid_blocks")
	}
	for _, b := range blocks {
		if b.Type == "" || utf8.RuneCountInString(b.Text.Text) > maxBlock {
			return no("invalid_blocks")
		}
	}
	return nil
}

func (c *call) metadata(name string) map[string]any {
	m := map[string]any{}
	if raw := c.args.Get("metadata"); raw != "" {
		if err := json.Unmarshal([]byte(raw), &m); err != nil {
			c.s.fault("%s: metadata: %v", name, err)
		}
		if kind, _ := m["event_type"].(string); !regexp.MustCompile(`^\w+$`).MatchString(kind) {
			c.s.fault("%s: metadata has no event_type: %s", name, raw)
		}
		if _, ok := m["event_payload"].(map[string]any); !ok {
			c.s.fault("%s: metadata has no event_payload: %s", name, raw)
		}
	}
	return m
}

func (c *call) postMessage() answer {
	const name = "chat.postMessage"
	ch, bad := c.channel(true)
	if bad != nil {
		return bad
	}
	if bad := c.text(name); bad != nil {
		return bad
	}
	if c.args.Get("unfurl_links") != "false" || c.args.Get("unfurl_media") != "false" {
		c.s.fault("%s: Slack would fetch what the text links to", name)
	}
	thread := c.args.Get("thread_ts")
	if thread != "" {
		root := ch.find(thread)
		switch {
		case !tsForm.MatchString(thread):
			c.s.fault("%s: thread_ts %q", name, thread)
			return no("invalid_thread_ts")
		case root == nil:
			return no("thread_not_found")
		case root.Thread != "" && root.Thread != thread:
			c.s.fault("%s: thread_ts %s is an answer itself", name, thread)
		}
	}
	m := &Message{
		Thread: thread, User: c.app.User, Bot: c.app.Bot, App: c.app.ID, Text: c.args.Get("text"),
		Metadata: c.metadata(name),
	}
	if username := c.args.Get("username"); username != "" {
		if !slices.Contains(c.app.Scopes, "chat:write.customize") {
			return answer{"ok": false, "error": "missing_scope", "needed": "chat:write.customize", "provided": ""}
		}
		m.Username, m.Subtype, m.User = username, "bot_message", ""
	}
	c.s.post(ch, m)
	return answer{"channel": ch.ID, "ts": m.TS, "message": c.s.render(ch, m, false)}
}

func (c *call) updateMessage() answer {
	ch, bad := c.channel(true)
	if bad != nil {
		return bad
	}
	m := ch.find(c.args.Get("ts"))
	switch {
	case m == nil:
		return no("message_not_found")
	case m.App != c.app.ID:
		c.s.fault("chat.update: of a message of another's")
		return no("cant_update_message")
	}
	if bad := c.text("chat.update"); bad != nil {
		return bad
	}
	if c.args.Has("metadata") {
		m.Metadata = c.metadata("chat.update")
	}
	c.s.edit(ch, m, c.app.User, c.args.Get("text"))
	return answer{"channel": ch.ID, "ts": m.TS, "text": m.Text}
}

func (c *call) deleteMessage() answer {
	ch, bad := c.channel(true)
	if bad != nil {
		return bad
	}
	m := ch.find(c.args.Get("ts"))
	switch {
	case m == nil:
		return no("message_not_found")
	case m.App != c.app.ID:
		c.s.fault("chat.delete: of a message of another's")
		return no("cant_delete_message")
	}
	c.s.remove(ch, m.TS)
	return answer{"channel": ch.ID, "ts": m.TS}
}
