//go:build machine

package chat

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"sync/atomic"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/cmd/internal/slackstub"
)

// Slack gives out the address of socket mode, whose name is none of the Web API's.
const slackSocket = "wss-primary.slack.com"

// Channels at Slack, by their keys.
var slackChannels = map[string]string{"general": "C0GENERAL", "tasks": "C0TASKS"}

// slack is a workspace: ann, U1, is an operator, eve, U2, is not.
type slack struct {
	*slackstub.Server
	app  *slackstub.App
	host atomic.Pointer[slackstub.Host]
}

func newSlack() *slack {
	s := &slack{Server: slackstub.New(), app: &slackstub.App{
		ID: "A1", Name: "fleet", User: "UFLEET", Bot: "BFLEET",
		BotToken: "xoxb-" + rand.Text() + rand.Text(), AppToken: "xapp-" + rand.Text() + rand.Text(),
	}}
	s.Link = "wss://" + slackSocket + "/link/"
	s.Add(s.app, &slackstub.User{ID: "U1", Name: "ann"}, &slackstub.User{ID: "U2", Name: "eve"})
	for key, id := range slackChannels {
		s.Add(&slackstub.Channel{ID: id, Name: key, Members: []string{"UFLEET", "U1", "U2"}})
	}
	s.restarts()
	return s
}

func (s *slack) hosts() []origins.Host {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.host.Load().ServeHTTP(w, r) })
	return []origins.Host{{Name: "slack.com", Handler: handler}, {Name: slackSocket, Handler: handler}}
}

func (s *slack) facts() map[string]string {
	return map[string]string{
		"ann": "U1", "SLACK_CHAT_TOKEN": s.app.BotToken, "SLACK_APP_TOKEN": s.app.AppToken,
		"general": slackChannels["general"], "tasks": slackChannels["tasks"],
	}
}

func (s *slack) say(by, place, thread, text string) string {
	return s.Say(map[string]string{"ann": "U1", "eve": "U2"}[by], slackChannels[place], thread, text)
}

func (s *slack) fail(how string) {
	s.Outage(how == cut)
	s.Chaos(func(method string) *slackstub.Wrong {
		if how == fails || how == late && method == "chat.postMessage" {
			return &slackstub.Wrong{Status: http.StatusServiceUnavailable, After: how == late}
		}
		return nil
	})
}

func (s *slack) restarts() { s.host.Store(s.Host()) }

func (s *slack) broken() []string { return s.Faults() }

// shown returns what stands in the channels and in their threads.
func (s *slack) shown() (all []shown) {
	for key, id := range slackChannels {
		for _, m := range s.Messages(id, "") {
			one := slackMessage(key, m)
			for _, r := range m.Reactions {
				one.Signs = append(one.Signs, r.Name)
			}
			one.Signs = sorted(one.Signs)
			all = append(all, one)
			for _, answer := range s.Messages(id, m.TS) {
				all = append(all, slackMessage(key, answer))
			}
		}
	}
	return all
}

func slackMessage(key string, m slackstub.Message) shown {
	return shown{Place: key, Thread: m.Thread, ID: m.TS, By: cmp.Or(m.Username, m.User), Text: m.Text}
}
