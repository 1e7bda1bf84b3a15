package slackstub

import (
	"fmt"
)

func (c *call) open() answer {
	switch {
	case c.app.NoConnections:
		return answer{"ok": false, "error": "missing_scope", "needed": "connections:write", "provided": ""}
	case c.app.NoSocketMode:
		return no("access_denied")
	}
	c.s.next++
	ticket := fmt.Sprintf("t%d-secret", c.s.next)
	c.s.tickets[ticket] = c.app
	return answer{"url": c.s.Link + "?ticket=" + ticket + "&app_id=" + c.app.ID}
}

func (c *call) authTest() answer {
	return answer{
		"url": "https://home.slack.com/", "team": "Home", "team_id": Team, "user": c.app.Name, "user_id": c.app.User,
		"bot_id": c.app.Bot,
	}
}

func (c *call) userInfo() answer {
	id := c.args.Get("user")
	for _, a := range c.s.apps {
		if a.User == id {
			return answer{"user": map[string]any{"id": id, "team_id": Team, "name": a.Name, "is_bot": true}}
		}
	}
	u := c.s.users[id]
	if u == nil {
		return no("user_not_found")
	}
	team := u.Team
	if team == "" {
		team = Team
	}
	return answer{"user": map[string]any{
		"id": id, "team_id": team, "name": u.Name, "profile": map[string]any{"display_name": u.Display},
	}}
}
