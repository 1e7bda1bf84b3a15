package reportmd

import (
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/chat"
)

// team says where agents and people speak, and who sees what of it.
func team(b *strings.Builder, m *model.Fleet) {
	if !m.HasChat() {
		return
	}
	s := &m.Sidecars[0]
	holds := "no token"
	if len(s.Secrets) > 0 {
		holds = list(s.Secrets)
	}
	b.WriteString("\n## Chat\n\n" + text(where(&s.Chat.Backend)) + " The daemon runs as " + text(s.Box.User) + " and holds " +
		text(holds) + ".\n\n")
	table(b, []string{"channel", "shown in", "seen by"})
	// Each agent has a channel: where all see all, nobody is looked for in each of them.
	limited := slices.ContainsFunc(s.Chat.Agents, func(a chat.Agent) bool { return a.Channels != nil })
	for _, c := range s.Chat.Channels {
		seen := "all"
		if limited || len(s.Chat.Agents) == 0 {
			seen = seers(s.Chat, c.Key)
		}
		at := c.ID
		if at == "" {
			at = "this host alone"
		}
		row(b, c.Key, at, seen)
	}
	for _, a := range enabled(m) {
		if a.Notify != "" {
			b.WriteString("\nAgent " + text(a.Key) + " tells in " + text(a.Notify) + " how its sessions end.\n")
		}
	}
	if s.Chat.Backend.Kind != chat.Local && len(s.Chat.Trusted) == 0 {
		b.WriteString("\nNobody is in operators.chatIds: agents are told to trust no person who writes there.\n")
	}
}

// seers are the agents that see a channel.
func seers(c *chat.Config, channel string) string {
	var out []string
	for i := range c.Agents {
		if c.Agents[i].Sees(channel) {
			out = append(out, c.Agents[i].Key)
		}
	}
	if len(out) == len(c.Agents) && len(out) > 0 {
		return "all"
	}
	return list(out)
}

func where(at *chat.Backend) string {
	switch at.Kind {
	case chat.Discord:
		return "The team speaks on Discord, server " + at.Server + "."
	case chat.Slack:
		return "The team speaks on Slack."
	case chat.GitHub:
		return "The team speaks in the issues of " + at.Repo + " on GitHub."
	}
	return "The team speaks on this host; people by fleet chat and fleet tasks."
}
