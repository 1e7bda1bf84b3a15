package github

import (
	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/split"
)

// entries are what is written for a text. An empty text has one.
func (b *Backend) entries(p *place, e *backend.Effect, text string) []entry {
	name := ""
	if b.agents[e.Author.Key] == nil {
		name = plain(e.Author.Name)
	}
	room := b.body - maxMark - split.Runes(nameLine(name)) - spare
	parts := split.Text(b.harmless(text, p.trusted), room, split.Runes)
	if len(parts) == 0 {
		parts = []split.Part{{}}
	}
	all := make([]entry, len(parts))
	for i, part := range parts {
		all[i] = entry{
			id: e.ID, part: i + 1, of: len(parts), author: name, text: b.harmless(part.String(), p.trusted),
		}
	}
	return all
}

// harmless is as the function, and takes care of links to where people see this GitHub.
func (b *Backend) harmless(text string, trusted map[string]bool) string {
	text = harmless(text, trusted)
	if b.links == nil {
		return text
	}
	return b.links.ReplaceAllString(text, "$1"+guard+"$2")
}
