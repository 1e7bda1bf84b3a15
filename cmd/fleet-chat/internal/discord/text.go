package discord

import (
	"regexp"
	"slices"
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
)

var (
	// <@ID> and <@!ID> a user, <@&ID> a role, <#ID> a channel, <:NAME:ID> and <a:NAME:ID> an emoji of the server.
	tokenPattern = regexp.MustCompile(`<(@!?|@&|#)(\d+)>|<a?:(\w+):\d+>`)
	keyPattern   = regexp.MustCompile(`(?i)(?:^|[^\w@./-])@([a-z][a-z0-9-]*)`)
)

// text is what a message says, as people see it, with the addresses of its files.
func (b *Backend) text(m message) string {
	lines := []string{}
	if said := b.resolve(m, b.bare(m)); said != "" {
		lines = append(lines, said)
	}
	for _, f := range m.Files {
		lines = append(lines, "[file "+f.Name+" "+f.URL+"]")
	}
	return strings.Join(lines, "\n")
}

// resolve puts names in the place of mentions.
func (b *Backend) resolve(m message, text string) string {
	return tokenPattern.ReplaceAllStringFunc(text, func(token string) string {
		part := tokenPattern.FindStringSubmatch(token)
		sort, id, emoji := part[1], part[2], part[3]
		if emoji != "" {
			return ":" + emoji + ":"
		}
		if sort == "#" || sort == "@&" {
			return b.nameOf(sort, id)
		}
		if own := b.ours(id); own != nil && own.agent.key != "" {
			return "@" + own.agent.key
		}
		for _, u := range m.Mentions {
			if u.ID == id {
				return "@" + u.name()
			}
		}
		return "@" + id
	})
}

// bare is a message's text without what we add to it.
func (b *Backend) bare(m message) string {
	_, n, ok := b.markIn(m)
	if !ok {
		return m.Content
	}
	_, text := pieceOf(m, n).read()
	return text
}

// speakerOf returns the key of the agent that one of our messages is of, "" if it is of nobody here, and its name.
func (b *Backend) speakerOf(m message) (key, name string) {
	own := b.ours(m.Author.ID)
	_, n, ok := b.markIn(m)
	if own == nil {
		return "", ""
	}
	if own.agent.key != "" {
		return own.agent.key, own.agent.name
	}
	if found := namePattern.FindStringSubmatch(m.Content); ok && n.form.has(named) && found != nil {
		name = found[1]
		for _, a := range b.agents {
			if bareLine(a.name) == name || a.key == name {
				return a.key, name
			}
		}
	}
	return "", name
}

// to returns for whom a message is: agents that are named in it, or that it answers.
func (b *Backend) to(m message) []string {
	var keys []string
	for _, u := range m.Mentions {
		if own := b.ours(u.ID); own != nil && own.agent.key != "" {
			keys = append(keys, own.agent.key)
		}
	}
	for _, found := range keyPattern.FindAllStringSubmatch(b.bare(m), -1) {
		key := strings.TrimRight(strings.ToLower(found[1]), "-")
		if slices.ContainsFunc(b.agents, func(a agent) bool { return a.key == key }) {
			keys = append(keys, key)
		}
	}
	if m.Replied != nil {
		if key, _ := b.speakerOf(*m.Replied); key != "" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// person returns who wrote a message. A webhook's posts are of a bot, whatever name they show.
func (b *Backend) person(m message) backend.Person {
	p := backend.Person{ID: m.Author.ID, Name: m.Author.name(), Bot: m.Author.Bot || m.WebhookID != ""}
	if m.Member != nil && m.Member.Nick != "" {
		p.Name = m.Member.Nick
	}
	if _, name := b.speakerOf(m); name != "" {
		p.Name = name
	}
	return p
}
