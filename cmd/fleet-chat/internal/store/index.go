package store

import (
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// index finds what the configuration lists, of which there may be many thousands.
type index struct {
	agents   map[string]*chat.Agent // by key
	channels map[string]string      // the backend's ID of each, those of conversations included
	own      map[string]string      // the agent whose own channel it is
	keys     []string               // of the channels, rising
}

func newIndex(c *chat.Config) index {
	x := index{agents: map[string]*chat.Agent{}, channels: map[string]string{}, own: map[string]string{}}
	for i := range c.Agents {
		a := &c.Agents[i]
		x.agents[a.Key] = a
		if a.Channel != "" {
			x.own[a.Channel] = a.Key
		}
		if c.Backend.Kind != chat.Local {
			direct := DirectTo(a.Key)
			x.keys = append(x.keys, direct)
			x.channels[direct], x.own[direct] = "", a.Key
		}
	}
	for _, one := range c.Channels {
		x.keys = append(x.keys, one.Key)
		x.channels[one.Key] = one.ID
	}
	return x
}

// DirectTo is the key of the channel of what people write to an agent's bot and not in a channel. Only this agent sees it.
func DirectTo(agent string) string { return backend.Direct + agent }

// Sees tells whether an agent sees a channel, the one of conversations with its bot included.
func Sees(a *chat.Agent, channel string) bool {
	if strings.HasPrefix(channel, backend.Direct) {
		return channel == DirectTo(a.Key)
	}
	return a.Sees(channel)
}
