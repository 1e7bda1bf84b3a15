package access

import (
	"slices"
	"strings"

	"fleet/schemas/manifest"
)

// secrets tells what the credentials are to an agent. That it has the value itself is wider than that its gate has.
func (c *Changes) secrets(key string, old, next *manifest.Manifest) {
	c.list(key, "secret", "%s", having(old, key), having(next, key))
	c.list(key, "sidecar", "may call %s", calling(old, key), calling(next, key))
}

// calling returns what an agent may call.
func calling(m *manifest.Manifest, key string) []string {
	var out []string
	for _, s := range m.Sidecars {
		if find(m, key) != nil && slices.Contains(s.Agents, key) {
			text := "sidecar " + s.Name + " (" + s.Offers + ")"
			if len(s.Secrets) > 0 {
				text += ", which holds " + strings.Join(s.Secrets, ", ")
			}
			out = append(out, text)
		}
	}
	return out
}

// having returns what each secret is to an agent, in words.
func having(m *manifest.Manifest, key string) []string {
	var out []string
	if a := find(m, key); a != nil && a.Login {
		out = append(out, "has the token of its login to an account of "+a.Harness+"'s (expose) and can leak it")
	}
	for _, s := range m.Secrets {
		if find(m, key) == nil || !slices.Contains(s.Agents, key) {
			continue
		}
		if s.Disposition != "broker" {
			out = append(out, "has the value of "+s.Name+" ("+s.Disposition+") and can leak it")
			continue
		}
		for _, host := range s.Hosts {
			out = append(out, "its gate sends "+s.Name+" to "+host+" ("+strings.ReplaceAll(s.Place, ", ", " or ")+")")
		}
	}
	return out
}
