package spec

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// coordination checks the team's chat and each agent's part in it.
func (c *checker) coordination() {
	p, k := place{"coordination"}, &c.fleet.Coordination
	c.duration(place{"retention", "chat"}, c.fleet.Retention.Chat, chatSpan)
	c.chatKeys(p, k)
	c.chatToken(p.in("tokenSecret"), k.TokenSecret)
	c.chatToken(p.in("appTokenSecret"), k.AppTokenSecret)
	if k.API != "" {
		u, err := url.Parse(k.API)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			c.error(p.in("api"), show(k.API)+" is not an address of the web without user, query and fragment", `such as "https://github.example.com/api/v3"`)
		}
	}
	c.chatChannels(p, k)
	for _, key := range c.keys() {
		c.speaker(place{"agents", key}, key)
	}
	if _, taken := c.fleet.Sidecars[model.ChatKey]; taken && k.Backend != fleet.ChatNone {
		c.error(place{"sidecars", model.ChatKey}, `"chat" is the name of the team's chat`, `choose another name, or set coordination.backend: "none"`)
	}
	if c.failedBelow(p) || c.failedBelow(place{"agents"}) {
		return // what follows would say it once more
	}
	if s := model.Chat(c.fleet); s != nil {
		c.refused(s.Box.Policy)
		for _, e := range s.Chat.Check().Entries {
			if e.Path != "project" {
				c.error(append(p.in(), placeOf(strings.TrimPrefix(e.Path, "backend."))...), e.Message, e.Hint)
			}
		}
	}
}

// settings tells which keys each backend takes, those that it cannot do without first.
var settings = map[string]struct{ need, may []string }{
	fleet.ChatLocal:   {},
	fleet.ChatNone:    {},
	fleet.ChatDiscord: {[]string{"server", "tokenSecret"}, []string{"api"}},
	fleet.ChatSlack:   {[]string{"tokenSecret", "appTokenSecret"}, []string{"server", "api"}},
	fleet.ChatGitHub:  {[]string{"repo", "tokenSecret"}, []string{"api"}},
}

func (c *checker) chatKeys(p place, k *fleet.Coordination) {
	of := settings[k.Backend]
	for _, s := range []struct{ key, value, example string }{
		{"server", k.Server, `"112233445566778899"`},
		{"repo", k.Repo, `"acme/board"`},
		{"api", k.API, ""},
		{"tokenSecret", k.TokenSecret, `"CHAT_TOKEN"`},
		{"appTokenSecret", k.AppTokenSecret, `"CHAT_APP_TOKEN"`},
	} {
		need := slices.Contains(of.need, s.key)
		switch {
		case need && s.value == "":
			c.error(p.in(s.key), "is missing, and backend "+k.Backend+" needs it", "write "+s.key+": "+s.example)
		case s.value != "" && !need && !slices.Contains(of.may, s.key):
			c.error(p.in(s.key), "has no effect with backend "+k.Backend, "take it out")
		}
	}
}

// chatToken checks a secret that the chat's daemon holds.
func (c *checker) chatToken(p place, name string) {
	if name == "" {
		return
	}
	c.listed(p, name, "secret", slices.Sorted(maps.Keys(c.fleet.Secrets)))
	if s, known := c.fleet.Secrets[name]; known && s.Disposition != fleet.ForSidecar {
		c.error(p, fmt.Sprintf("%s has disposition %s: the chat's daemon does not hold it", name, s.Disposition), `set disposition: "sidecar" there`)
	}
}

func (c *checker) chatChannels(p place, k *fleet.Coordination) {
	by := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(k.Channels)) {
		at, id := p.in("channels", key), k.Channels[key]
		switch other, twice := by[id]; {
		case k.Backend == fleet.ChatNone:
			c.error(at, "has no effect with backend none", "take it out")
		case id != "" && k.Backend == fleet.ChatLocal:
			c.error(at, "backend local has no identifiers", `write `+key+`: ""`)
		case id != "" && twice:
			c.error(at, "is the channel "+other+" too", "give each an identifier of its own")
		}
		by[id] = key
	}
}

// speaker checks an agent's part in the chat.
func (c *checker) speaker(p place, key string) {
	a := c.fleet.Agents[key]
	backend := c.fleet.Coordination.Backend
	if a.Channels != nil {
		if backend == fleet.ChatNone && len(*a.Channels) > 0 {
			c.error(p.in("channels"), "has no effect: coordination.backend is none", "take it out")
		}
		for i, name := range *a.Channels {
			if backend != fleet.ChatNone {
				c.listed(p.in("channels").at(i), name, "channel", c.channels)
			}
		}
	}
	for _, s := range []struct {
		key, value string
		backends   []string
	}{
		{"chatTokenSecret", a.ChatToken, []string{fleet.ChatDiscord, fleet.ChatSlack, fleet.ChatGitHub}},
		{"chatAppTokenSecret", a.ChatAppToken, []string{fleet.ChatSlack}},
	} {
		switch {
		case s.value == "":
		case !slices.Contains(s.backends, backend):
			c.error(p.in(s.key), "has no effect with backend "+backend, "take it out")
		case !a.HasChat():
			c.error(p.in(s.key), "has no effect: the agent sees no channel", "take it out, or name channels")
		default:
			c.chatToken(p.in(s.key), s.value)
		}
	}
}
