package github

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

func (p *place) person(u *github.User) backend.Person {
	if u.GetID() == 0 {
		return backend.Person{Name: u.GetLogin()}
	}
	return backend.Person{
		ID: strconv.FormatInt(u.GetID(), 10), Name: u.GetLogin(), Bot: u.GetType() == "Bot" || p.ours(u),
	}
}

// edited is somebody whose words another may have changed: nobody that is known.
func edited(by backend.Person) backend.Person {
	return backend.Person{Name: by.Name + " (edited)", Bot: by.Bot}
}

// author is who speaks in an entry of ours.
func (p *place) author(u *github.User, e entry) backend.Person {
	person := p.person(u)
	if e.author != "" {
		person.Name = e.author
	}
	return person
}

// named finds who is addressed, as GitHub does: not within a word or an address.
var named = regexp.MustCompile(`(?:^|[^A-Za-z0-9_@/.-])@([A-Za-z0-9]+(?:-[A-Za-z0-9]+)*)`)

// mentioned are the agents that a text names by key, name or account, and the one that has the task.
func (b *Backend) mentioned(text, assignee string) []string {
	names := map[string]bool{}
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		names[lower(m[1])] = true
	}
	var keys []string
	for i := range b.config.Agents {
		a := &b.config.Agents[i]
		own := b.agents[a.Key]
		if names[a.Key] || names[lower(a.Title())] || a.Key == assignee || own != nil && names[lower(own.name())] {
			keys = append(keys, a.Key)
		}
	}
	slices.Sort(keys)
	return keys
}
