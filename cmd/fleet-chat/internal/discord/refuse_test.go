package discord

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/discordstub"
	"fleet/schemas/chat"
)

// TestRefused proves that Run ends with what a person has to mend, by its place in the spec and in Discord's settings.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(l *lab)
		late  func(l *lab) // when Run goes on
		want  []string
	}{
		{"the token", func(l *lab) { l.s.Revoke(fleetToken) }, nil, []string{
			"coordination.tokenSecret: Discord refuses the token", "sudo fleet secret set DISCORD_TOKEN",
		}},
		{"the token, later", nil, func(l *lab) {
			l.s.Revoke(fleetToken)
			l.s.Drop(4000)
		}, []string{"coordination.tokenSecret: Discord refuses the token"}},
		{"the intent", func(l *lab) { l.fleet.Content = false }, nil, []string{
			"coordination.tokenSecret: ", `"Message Content Intent"`,
		}},
		{"another server", func(l *lab) { l.config.Backend.Server = "12345678" }, nil, []string{
			"coordination.channels.general: the channel " + "CHANNEL" + " is of the server ", "coordination.channels.tasks: ",
		}},
		{"no channel", func(l *lab) { l.config.Channels[1].ID = "12345678" }, nil, []string{
			"coordination.channels.general: there is no channel 12345678, or the bot cannot see it",
			"https://discord.com/oauth2/authorize?client_id=",
		}},
		{"no forum for talk", func(l *lab) { l.config.Channels[1].ID = l.tasks; l.config.Channels[3].ID = "" }, nil, []string{
			"coordination.channels.general: the channel CHANNEL must be a text channel: only tasks can be in a forum",
		}},
		{"permissions", func(l *lab) {
			l.s.Deny(l.general, l.fleet.ID, discordstub.SendMessages)
			l.s.Deny(l.tasks, l.fleet.ID, discordstub.ManageThreads|discordstub.AddReactions)
		}, nil, []string{
			`coordination.channels.general: the bot lacks "Send Messages": `,
			`coordination.channels.tasks: the bot lacks "Add Reactions", "Manage Threads": `,
		}},
		{"a channel, later", nil, func(l *lab) { l.s.Delete(l.general) }, []string{
			"coordination.channels.general: the channel CHANNEL has been deleted",
		}},
		{"out of the server", nil, func(l *lab) { l.s.Kick(l.fleet) }, []string{
			"coordination.server: the bot is not in the server ", "https://discord.com/oauth2/authorize?client_id=",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *lab) {
				// One bot alone: where another one's connection ends just when it stands, two goroutines of discordgo wait for
				// each other's mutex for a second, of which a bubble does not see the end.
				l.config.Agents[0].Token = ""
				if c.fault != nil {
					c.fault(l)
				}
				r := l.start(l.host(), l.inbox)
				l.settle()
				if c.late != nil {
					c.late(l)
				}
				err := r.failed()
				for _, want := range c.want {
					want = strings.ReplaceAll(want, "CHANNEL", l.config.Channels[1].ID)
					if !strings.Contains(err.Error(), want) {
						t.Errorf("the error has no %q: %v", want, err)
					}
				}
			})
		})
	}
}

// TestWaits proves that Run does not end for what comes from before Discord's interface, such as a gate that does not
// let it through yet.
func TestWaits(t *testing.T) {
	for _, sort := range discordstub.Sorts {
		t.Run(string(sort), func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *lab) {
				l.s.Inject(discordstub.Fault{Sort: sort, After: 3 * time.Second, Times: 12})
				l.start(l.host(), l.inbox)
				time.Sleep(40 * time.Minute)
				l.s.Clear()
				l.eve.Say(l.general, "hello")
				l.settle()
				if events := l.inbox.take(); len(events) != 1 {
					t.Errorf("events: %+v; the log:\n%s", events, l.logged())
				}
			})
		})
	}
}

// TestTokenKept proves that an effect outlives a token that is refused: it comes with the next one.
func TestTokenKept(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		ref := l.do(b, create("bob", backend.Task{Title: "one"}))
		l.s.Revoke(fleetToken)
		e := post(chat.General, "bob", "hello")
		for range 2 {
			_, err := b.Do(t.Context(), e)
			var later *backend.Later
			if !errors.As(err, &later) || !strings.Contains(err.Error(), "coordination.tokenSecret") {
				t.Errorf("the error is %v", err)
			}
		}
		sent := len(l.s.Log())
		c := backend.Claim{ID: e.ID, Agent: "bob"}
		_, err := b.Claim(t.Context(), ref, c)
		var later *backend.Later
		if !errors.As(err, &later) {
			t.Errorf("the claim's error is %v", err)
		}
		if len(l.s.Log()) != sent {
			t.Error("the refused token is sent again")
		}
		l.s.Renew(l.fleet, "fleet.TOKEN.new")
		l.tokens["DISCORD_TOKEN"] = "fleet.TOKEN.new"
		l.do(l.host(), e)
	})
}

// TestOwnBot proves that an agent whose own bot is kept out speaks through the fleet's, and that this is told once.
func TestOwnBot(t *testing.T) {
	for name, fault := range map[string]func(l *lab){
		"token":   func(l *lab) { l.s.Revoke(adaToken) },
		"channel": func(l *lab) { l.s.Deny(l.general, l.ada.ID, discordstub.ViewChannel) },
		"words":   func(l *lab) { l.s.Deny(l.general, l.ada.ID, discordstub.SendMessages) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *lab) {
				fault(l)
				b := l.host()
				l.run(b)
				for range 3 {
					l.do(b, post(chat.General, "ada", "hello"))
				}
				l.settle()
				for _, m := range l.s.Messages(l.general) {
					_, _, text, _ := readMark(m.Content)
					if m.Author != l.fleet || text != "**Ada**\nhello" {
						t.Errorf("%s says %q", m.Author.Name, text)
					}
				}
				if n := strings.Count(l.logged(), "until then ada speaks through the fleet's bot"); n != 1 {
					t.Errorf("it is told %d times:\n%s", n, l.logged())
				}
				for _, e := range l.inbox.all() {
					if e.From.Name != "Ada" {
						t.Errorf("event %+v", e)
					}
				}
			})
		})
	}
}

// TestFinal proves which errors of effects are final, and what they say.
func TestFinal(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		ref := l.do(b, create("bob", backend.Task{Title: "one"}))
		noID, noKind := post(chat.General, "bob", "hello"), post(chat.General, "bob", "hello")
		noID.ID, noKind.Kind = "short", "sing"
		for want, e := range map[string]backend.Effect{
			"26 letters and digits":                noID,
			`"sing" is not known`:                  noKind,
			"must not be empty":                    post(chat.General, "bob", "\u2061 \x00"),
			`"nowhere" must be one of`:             post("nowhere", "bob", "hello"),
			`"alerts" must be one of`:              post(chat.Alerts, "bob", "hello"),
			"not longer than 4095 messages":        {},
			"must be one of the channel":           inThread(post(chat.General, "bob", "hello"), ref),
			`must be one of the channel "general"`: inThread(post(chat.General, "bob", "x"), refOf(l.general, l.thread(ref))),
			`/` + l.tasks + `" must be one of`:     inThread(post(chat.General, "bob", "hello"), refOf(l.general, l.tasks)),
			"not there any more":                   inThread(post(chat.General, "bob", "hello"), refOf(l.general, "12345678")),
			`must be a thread of the channel`:      update(refOf(l.tasks, l.general), "bob", backend.Task{Title: "one"}),
			`"" must be one of the channel`:        update("", "bob", backend.Task{Title: "one"}),
		} {
			if e.ID == "" {
				e = post(chat.General, "bob", strings.Repeat("x", 2000*4100))
				want = "must not be longer than 4095 messages"
			}
			_, err := b.Do(t.Context(), e)
			var later *backend.Later
			if err == nil || errors.As(err, &later) || !strings.Contains(err.Error(), want) {
				t.Errorf("not %q but %v", want, err)
			}
		}
		l.s.Deny(l.general, l.fleet.ID, discordstub.SendMessages)
		_, err := b.Do(t.Context(), post(chat.General, "bob", "hello"))
		want := "coordination.channels.general: the bot must be given its permissions (326417591360)"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not %q but %v", want, err)
		}
	})
}

// TestNew proves that a configuration that cannot be is refused, with all its faults, and without a token.
func TestNew(t *testing.T) {
	good := func() (*chat.Config, Options) {
		c := &chat.Config{
			Backend:  chat.Backend{Kind: chat.Discord, Server: "1234567", Token: "DISCORD_TOKEN"},
			Channels: []chat.Channel{{Key: "general", ID: "123"}, {Key: "local"}},
			Agents:   []chat.Agent{{Key: "ada", Token: "ADA_TOKEN"}},
		}
		return c, Options{Tokens: Tokens{"DISCORD_TOKEN": fleetToken, "ADA_TOKEN": adaToken}, Log: logrus.New()}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		change func(c *chat.Config, o *Options)
		want   []string
	}{
		"IDs": {func(c *chat.Config, o *Options) {
			c.Backend.Server, c.Channels[0].ID, c.Trusted = "0", "general", []string{"grace"}
		}, []string{"coordination.server", "coordination.channels.general", "operators.chatIds"}},
		"too long": {
			func(c *chat.Config, o *Options) { c.Backend.Server = "99999999999999999999" }, []string{"coordination.server"},
		},
		"address": {func(c *chat.Config, o *Options) { c.Backend.API = "nowhere" }, []string{"coordination.api"}},
		"no token": {
			func(c *chat.Config, o *Options) { o.Tokens = nil },
			[]string{"coordination.tokenSecret", "sudo fleet secret set DISCORD_TOKEN"},
		},
		"bad token": {
			func(c *chat.Config, o *Options) { o.Tokens["ADA_TOKEN"] += "\n" }, []string{"agents.ada.chatTokenSecret"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, o := good()
			x.change(c, &o)
			_, err := New(c, o)
			for _, want := range x.want {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "TOKEN.") {
					t.Errorf("not %q but %v", want, err)
				}
			}
		})
	}
}

// TestTokensHidden proves that tokens do not get out by being printed.
func TestTokensHidden(t *testing.T) {
	o := Options{Tokens: Tokens{"DISCORD_TOKEN": fleetToken}}
	text, err := json.Marshal(o.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb+verb, o, o.Tokens) + string(text); strings.Contains(got, "TOKEN.") ||
			strings.Contains(got, fmt.Sprintf("%x", "TOKEN")) {
			t.Errorf("%s: %s", verb, got)
		}
	}
}
