package slack

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"

	"fleet/cmd/fleet-chat/internal/backend"
)

const (
	// nameTime is how long a name is taken for granted.
	nameTime = time.Hour

	maxPeople = 10_000
)

// people are the users that were asked for.
type people struct {
	mu    sync.Mutex
	known map[string]person
}

type person struct {
	backend.Person
	asked time.Time
}

// person returns who has a user's ID. The ID of somebody of another workspace has that before it, TEAM/USER, as IDs are
// unique within one only; a person whom Slack does not know is of the workspace "?".
func (b *Backend) person(ctx context.Context, id string) (backend.Person, error) {
	if p, ok := b.remembered(id); ok {
		return p, nil
	}
	var p person
	var u *slackgo.User
	err := b.fleet.call(ctx, "users.info", "", func(ctx context.Context) (err error) {
		u, err = b.fleet.api.GetUserInfoContext(ctx, id)
		return err
	})
	var f *fault
	switch {
	case err == nil:
		p = person{Person: b.asPerson(u), asked: time.Now()}
	case errors.As(err, &f) && f.kind == refused:
		p = person{Person: backend.Person{ID: "?/" + id, Name: id}, asked: time.Now()}
	default:
		return backend.Person{}, err
	}
	b.people.mu.Lock()
	defer b.people.mu.Unlock()
	if len(b.people.known) >= maxPeople {
		clear(b.people.known)
	}
	b.people.known[id] = p
	return p.Person, nil
}

// remembered returns who has a user's ID where nobody needs to be asked for that.
func (b *Backend) remembered(id string) (backend.Person, bool) {
	b.people.mu.Lock()
	defer b.people.mu.Unlock()
	p, ok := b.people.known[id]
	return p.Person, ok && time.Since(p.asked) < nameTime
}

func (b *Backend) asPerson(u *slackgo.User) backend.Person {
	p := backend.Person{ID: u.ID, Name: u.ID, Bot: u.IsBot}
	if u.TeamID != "" && u.TeamID != b.team() {
		p.ID = u.TeamID + "/" + u.ID
	}
	for _, name := range []string{u.Name, u.RealName, u.Profile.DisplayName} {
		if name = strings.TrimSpace(name); name != "" {
			p.Name = name
		}
	}
	return p
}

func (b *Backend) team() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fleet.team
}

// known tells whether it was asked who a client is.
func (b *Backend) known(c *client) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.user != ""
}

// identify asks who a client is, once.
func (b *Backend) identify(ctx context.Context, c *client, agent string) error {
	if b.known(c) {
		return nil
	}
	var r *slackgo.AuthTestResponse
	err := c.call(ctx, "auth.test", "", func(ctx context.Context) (err error) {
		r, err = c.api.AuthTestContext(ctx)
		return err
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c.user, c.bot, c.team, c.scopes = r.UserID, r.BotID, r.TeamID, nil
	if header := r.Header.Get("X-OAuth-Scopes"); header != "" {
		c.scopes = map[string]bool{}
		for scope := range strings.SplitSeq(header, ",") {
			c.scopes[strings.TrimSpace(scope)] = true
		}
	}
	for _, id := range []string{r.UserID, r.BotID} {
		if id != "" {
			b.bots[id] = agent
		}
	}
	return nil
}

// ours reports whether one of our own bots wrote a message.
func (b *Backend) ours(m *slackgo.Message) bool {
	_, bot := b.agent(m.BotID)
	_, user := b.agent(m.User)
	return bot || user
}
