package slack

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/slackstub"
)

// An agent with a bot of its own posts as it, is talked to through it, and its troubles are no one else's.
func TestOwnBot(t *testing.T) {
	ada := func(n int, text string) backend.Effect {
		e := post(n, text)
		e.Author = backend.Author{Key: "ada", Name: "Ada"}
		return e
	}
	bots := func(l *lab) (all []string) {
		for _, m := range l.s.Messages("C0GENERAL", "") {
			all = append(all, m.Text+" by "+m.Bot+m.Username)
		}
		return all
	}
	byFleet := []string{"one by BFLEETAda", "two by BFLEETMax", "three by BFLEETAda"}
	for name, tt := range map[string]struct {
		wrong func(l *lab)
		want  []string
	}{
		"well":           {func(*lab) {}, []string{"one by BADA", "two by BFLEETMax", "three by BADA"}},
		"refused token":  {func(l *lab) { l.ada.BotToken = "xoxb-2-other" }, byFleet},
		"not in channel": {func(l *lab) { l.s.Kick("UADA", "C0GENERAL") }, byFleet},
		"no scope":       {func(l *lab) { l.ada.Scopes = []string{"im:history"} }, byFleet},
		"no app token":   {func(l *lab) { l.ada.AppToken = "xapp-2-other" }, []string{"one by BADA", "two by BFLEETMax", "three by BADA"}},
		"5xx for a while": {
			func(l *lab) {
				l.s.Go(slackstub.Wrong{Method: "chat.postMessage", Status: 500, After: true},
					slackstub.Wrong{Method: "auth.test", Status: 500})
			},
			[]string{"one by BADA", "two by BFLEETMax", "three by BADA"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				l.own()
				tt.wrong(l)
				b, _ := l.start()
				l.do(b, ada(1, "one"))
				l.do(b, post(2, "two"))
				l.do(b, ada(3, "three"))
				if diff := cmp.Diff(tt.want, bots(l)); diff != "" {
					t.Error(diff)
				}
				l.s.Say("U1", "C0GENERAL", "", "<@UADA> hi")
				l.settle(2 * seldom)
				if diff := cmp.Diff([]string{id(1), id(2), id(3)}, l.inbox.echoes("general")); diff != "" {
					t.Error(diff)
				}
				if name != "well" {
					return
				}
				if e := l.inbox.of("general")[0]; e.Text != "@ada hi" || fmt.Sprint(e.To) != "[ada]" {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}

// What is written to a bot is for its agent, and is answered there.
func TestDirect(t *testing.T) {
	for name, app := range map[string]string{"socket mode": adaApp, "only a bot's token": ""} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				l.ada.AppToken = app
				l.own()
				if app == "" {
					l.config.Agents[0].AppToken = ""
				}
				b, _ := l.start()
				ts := l.s.Say("U1", "D0ADA", "", "hello Ada")
				l.s.Say("U1", "D0ADA", ts, "and here")
				l.s.Say("U1", "D0FLEET", "", "hello fleet, and @max")
				l.settle(time.Minute)
				got := map[string]backend.Event{}
				for _, e := range l.inbox.of("") {
					got[e.Text] = e
				}
				for text, want := range map[string]string{
					"hello Ada":             "@ada/D0ADA [ada]",
					"and here":              "@ada/D0ADA/" + ts + " [ada]",
					"hello fleet, and @max": "@/D0FLEET [max]",
				} {
					if s := fmt.Sprintf("%s %v", got[text].Thread, got[text].To); s != want {
						t.Errorf("got %s, want %s", s, want)
					}
				}
				answer := post(1, "hello Grace")
				answer.Thread, answer.Author = got["hello Ada"].Thread, backend.Author{Key: "ada"}
				l.do(b, answer)
				answer.ID, answer.Thread = id(2), got["and here"].Thread
				l.do(b, answer)
				answer.ID, answer.Thread, answer.Author = id(3), got["hello Ada"].Thread, backend.Author{Key: "max", Name: "Max"}
				l.do(b, answer)
				answer.ID, answer.Thread = id(4), got["hello fleet, and @max"].Thread
				l.do(b, answer)
				l.settle(2 * seldom)
				want := []string{"hello Ada", "hello Grace", "*Max*\nhello Grace"}
				if diff := cmp.Diff(want, written(l.s.Messages("D0ADA", ""))); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff([]string{"and here", "hello Grace"}, written(l.s.Messages("D0ADA", ts))); diff != "" {
					t.Error(diff)
				}
				fleet := l.s.Messages("D0FLEET", "")
				if m := fleet[len(fleet)-1]; m.Text != "hello Grace" || m.Username != "Max" {
					t.Errorf("%+v", m)
				}
				want = []string{id(1), id(2), id(3), id(4)}
				if diff := cmp.Diff(want, slices.Sorted(slices.Values(l.inbox.echoes("")))); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// What an agent's own bot wrote before this process began is ours, too.
func TestOwnBotBefore(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.own()
		e := post(1, "hello")
		e.Author = backend.Author{Key: "ada", Name: "Ada"}
		l.do(l.backend(), e)
		l.s.Go(slackstub.Wrong{Method: "auth.test", Late: time.Millisecond}, // that of the fleet's bot
			slackstub.Wrong{Method: "auth.test", Late: 20 * time.Second})
		l.run(l.backend(), l.inbox)
		l.settle(time.Minute)
		if diff := cmp.Diff([]string{id(1)}, l.inbox.echoes("general")); diff != "" {
			t.Error(diff)
		}
		if got := l.inbox.of("general"); len(got) != 0 {
			t.Errorf("of others: %+v", got)
		}
	})
}

// Conversations go on where they were, each bot's for itself.
func TestDirectAway(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.own()
		_, stop := l.start()
		l.s.Say("U1", "D0ADA", "", "one")
		l.s.Say("U1", "D0FLEET", "", "two")
		l.settle(time.Minute)
		stop()
		l.settle(time.Hour)
		want := many(250, "more %d")
		l.s.Fill("U1", "D0ADA", want...)
		l.s.Say("U1", "D0FLEET", "", "three")
		l.settle(40 * time.Hour)
		l.start()
		l.settle(time.Minute)
		var ada, fleet []string
		for _, e := range l.inbox.of("") {
			if e.Thread == "@/D0FLEET" {
				fleet = append(fleet, e.Text)
			} else {
				ada = append(ada, e.Text)
			}
		}
		if diff := cmp.Diff(append([]string{"one"}, want...), ada); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"two", "three"}, fleet); diff != "" {
			t.Error(diff)
		}
	})
}

// A conversation that has an end holds up nothing else.
func TestDirectEnds(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.own()
		for n := range 300 { // more than are listed at once
			l.s.Add(&slackstub.Channel{ID: fmt.Sprint("D1", n), Members: []string{"UADA", "U1"}})
		}
		b, _ := l.start()
		l.s.Say("U1", "D1299", "", "the last one")
		l.s.Kick("UADA", "D0ADA")
		l.settle(15 * time.Minute) // all are looked at, as fast as may be
		if diff := cmp.Diff([]string{"the last one"}, texts(l.inbox.of(""))); diff != "" {
			t.Error(diff)
		}
		l.s.Go(slackstub.Wrong{Method: "conversations.history", Error: "channel_not_found"})
		l.s.Say("U1", "D1298", "", "before the last")
		before := l.s.Calls("conversations.history")
		l.settle(time.Hour)
		if n := l.s.Calls("conversations.history") - before; n > 1000 {
			t.Errorf("%d calls in an hour", n)
		}
		if diff := cmp.Diff([]string{"the last one", "before the last"}, texts(l.inbox.of(""))); diff != "" {
			t.Error(diff)
		}
		e := post(1, "hello")
		e.Thread, e.Author = "@ada/D0ADA", backend.Author{Key: "ada"}
		var later *backend.Later
		if _, err := b.Do(l.t.Context(), e); err == nil || errors.As(err, &later) {
			t.Errorf("%v", err)
		}
	})
}
