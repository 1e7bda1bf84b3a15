package slackstub

import (
	"slices"
)

// emoji are some of the names that every workspace has.
var emoji = []string{
	"ballot_box_with_check", "clipboard", "construction", "hammer_and_wrench", "heavy_check_mark", "memo", "no_entry",
	"no_entry_sign", "octagonal_sign", "tada", "white_check_mark",
}

func (c *call) reacted() (*Channel, *Message, answer) {
	ch, bad := c.channel(true)
	if bad != nil {
		return nil, nil, bad
	}
	if !slices.Contains(emoji, c.args.Get("name")) {
		c.s.fault("no emoji has the name %q", c.args.Get("name"))
		return nil, nil, no("invalid_name")
	}
	m := ch.find(c.args.Get("timestamp"))
	if m == nil {
		return nil, nil, no("message_not_found")
	}
	return ch, m, nil
}

func (c *call) addReaction() answer {
	ch, m, bad := c.reacted()
	if bad == nil && !c.s.react(ch, m, c.app.User, c.args.Get("name"), true) {
		bad = no("already_reacted")
	}
	return or(bad)
}

func (c *call) removeReaction() answer {
	ch, m, bad := c.reacted()
	if bad != nil {
		return bad
	}
	has := slices.ContainsFunc(m.Reactions, func(r Reaction) bool {
		return r.Name == c.args.Get("name") && slices.Contains(r.Users, c.app.User)
	})
	if !has {
		return no("no_reaction")
	}
	c.s.react(ch, m, c.app.User, c.args.Get("name"), false)
	return answer{}
}

func or(bad answer) answer {
	if bad == nil {
		return answer{}
	}
	return bad
}
