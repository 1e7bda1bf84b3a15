//go:build machine

package chat

import (
	"crypto/rand"
	"net/http"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/cmd/internal/discordstub"
)

// Discord gives out the address of its gateway, whose name is another one.
const discordGateway = "gateway.discord.gg"

// discord is a server at Discord: ann is an operator, eve is not.
type discord struct {
	*discordstub.Server
	token    string
	people   map[string]*discordstub.Person
	channels map[string]string // by their keys
}

func newDiscord() *discord {
	d := &discord{Server: discordstub.NewInMemory(discordstub.Usual), token: rand.Text() + "." + rand.Text()}
	d.Gateway = "wss://" + discordGateway
	d.AddBot("fleet", d.token, discordstub.AddReactions|discordstub.ViewChannel|discordstub.SendMessages|
		discordstub.ManageMessages|discordstub.ReadMessageHistory|discordstub.ManageThreads|
		discordstub.CreatePublicThread|discordstub.SendInThreads)
	d.people = map[string]*discordstub.Person{"ann": d.AddPerson("ann"), "eve": d.AddPerson("eve")}
	d.channels = map[string]string{
		"general": d.AddChannel("general", discordstub.Text), "tasks": d.AddChannel("tasks", discordstub.Forum),
	}
	return d
}

func (d *discord) hosts() []origins.Host {
	gateway := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/gateway"
		d.ServeHTTP(w, r)
	})
	return []origins.Host{{Name: "discord.com", Handler: d}, {Name: discordGateway, Handler: gateway}}
}

func (d *discord) facts() map[string]string {
	return map[string]string{
		"ann": d.people["ann"].ID, "DISCORD_CHAT_TOKEN": d.token, "server": d.Guild,
		"general": d.channels["general"], "tasks": d.channels["tasks"],
	}
}

func (d *discord) say(by, place, thread, text string) string {
	if thread == "" {
		thread = d.channels[place]
	}
	return d.people[by].Say(thread, text)
}

func (d *discord) fail(how string) {
	const always = 1 << 30
	d.Clear()
	d.Outage(how == cut)
	switch how {
	case fails:
		d.Inject(discordstub.Fault{Sort: discordstub.Broken, Times: always})
	case late:
		d.Inject(discordstub.Fault{Sort: discordstub.Silent, Route: "POST /channels/ID/messages", Times: always})
	}
}

func (d *discord) restarts() { d.Restarted() }

func (d *discord) broken() []string { return d.Breaches() }

// shown returns what stands in the channels and in their threads. A task is the thread with its name, and the reactions
// at its first message.
func (d *discord) shown() (all []shown) {
	for key, id := range d.channels {
		for _, m := range d.Messages(id) {
			all = append(all, discordMessage(key, "", m))
		}
		for _, thread := range d.Threads(id) {
			for _, m := range d.Messages(thread) {
				one := discordMessage(key, thread, m)
				if key == "tasks" && m.ID == thread {
					one.Thread, one.Text = "", d.Channel(thread).Name
					for _, r := range m.Reactions {
						one.Signs = append(one.Signs, r.Emoji)
					}
				}
				all = append(all, one)
			}
		}
	}
	return all
}

func discordMessage(key, thread string, m discordstub.Message) shown {
	return shown{Place: key, Thread: thread, ID: m.ID, By: m.Author.Name, Text: unmarked(m.Content)}
}
