package spec

import (
	"fmt"
	"slices"

	"fleet/schemas/chat"
	"fleet/schemas/fleet"
)

// notify checks a channel that an agent tells how something ended.
func (c *checker) notify(p place, key string, a fleet.Agent, channel string) {
	_, known := slices.BinarySearch(c.channels, channel)
	switch {
	case channel == "":
	case c.fleet.Coordination.Backend == fleet.ChatNone:
		c.error(p, "has no effect: coordination.backend is none", "take it out")
	case channel == chat.Tasks || channel == chat.Lessons:
		c.error(p, fmt.Sprintf("channel %s is for nothing else than %s", channel, channel), `such as "general"`)
	case !known:
		c.listed(p, channel, "channel", c.channels)
	case a.Channels != nil && channel != key && !slices.Contains(*a.Channels, channel):
		c.error(p, fmt.Sprintf("the agent does not see channel %s", channel), "add it to channels")
	}
}
