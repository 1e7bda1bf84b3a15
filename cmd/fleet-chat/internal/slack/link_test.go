package slack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/internal/slackstub"
)

// Whatever befalls the connection, what people say comes once and in order.
func TestConnection(t *testing.T) {
	each := func(fates ...slackstub.Fate) func(l *lab) {
		return func(l *lab) {
			n := 0
			l.s.Fail(slackstub.Socket{Event: func(map[string]any) slackstub.Fate { n++; return fates[n%len(fates)] }})
		}
	}
	for name, wrong := range map[string]func(l *lab){
		"nothing":               func(*lab) {},
		"warning":               func(l *lab) { l.s.Disconnect("warning") },
		"refresh_requested":     func(l *lab) { l.s.Disconnect("refresh_requested") },
		"cut":                   func(l *lab) { l.s.Drop() },
		"cut, and no hello":     func(l *lab) { l.s.Fail(slackstub.Socket{NoHello: 3}); l.s.Drop() },
		"cut, and refused":      func(l *lab) { l.s.Fail(slackstub.Socket{Refuse: 4}); l.s.Drop() },
		"no pings":              func(l *lab) { l.s.Fail(slackstub.Socket{NoPings: true}) },
		"acknowledgements lost": func(l *lab) { l.s.Fail(slackstub.Socket{Unhandled: true}) },
		"twice":                 each(slackstub.Twice),
		"out of order":          each(slackstub.Held, slackstub.Held, slackstub.Sent),
		"lost":                  each(slackstub.Lost, slackstub.Sent),
		"all lost":              each(slackstub.Lost),
		"of the future":         each(slackstub.Garbled),
		"all of it":             each(slackstub.Held, slackstub.Twice, slackstub.Lost, slackstub.Garbled, slackstub.Sent),
		"the address gone": func(l *lab) {
			l.s.Go(slackstub.Wrong{Method: "apps.connections.open", Status: 500},
				slackstub.Wrong{Method: "apps.connections.open", Status: 429, Retry: 30},
				slackstub.Wrong{Method: "apps.connections.open", Hang: true},
				slackstub.Wrong{Method: "apps.connections.open", Cut: true},
				slackstub.Wrong{Method: "apps.connections.open", Error: "internal_error"})
			l.s.Drop()
		},
		"the history gone": func(l *lab) {
			for range 3 {
				l.s.Go(slackstub.Wrong{Method: "conversations.history", Status: 500},
					slackstub.Wrong{Method: "conversations.replies", Status: 429, Retry: 20},
					slackstub.Wrong{Method: "conversations.history", Hang: true},
					slackstub.Wrong{Method: "users.info", Cut: true})
			}
			l.s.Drop()
		},
		"the store refuses": func(l *lab) { l.inbox.refuse = 5 },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				root := l.s.Say("U1", "C0GENERAL", "", "before")
				l.start()
				wrong(l)
				var top, in []string
				for n := range 12 {
					l.s.Say("U2", "C0GENERAL", "", fmt.Sprint("top ", n))
					l.s.Say("U1", "C0GENERAL", root, fmt.Sprint("in ", n))
					top, in = append(top, fmt.Sprint("top ", n)), append(in, fmt.Sprint("in ", n))
					l.settle(7 * time.Second)
				}
				l.settle(2*seldom + time.Minute)
				if n := l.s.Connections(l.fleet); n != 1 && name != "no pings" {
					t.Errorf("%d connections", n)
				}
				var gotTop, gotIn []string
				for _, text := range texts(l.inbox.of("general")) {
					switch {
					case strings.HasPrefix(text, "top"):
						gotTop = append(gotTop, text)
					case strings.HasPrefix(text, "in"):
						gotIn = append(gotIn, text)
					}
				}
				if diff := cmp.Diff(top, gotTop); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(in, gotIn); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Where the app is not subscribed to events, all comes for all that, later, and the log says once what to set.
func TestNoEvents(t *testing.T) {
	for name, told := range map[string]int{"none": 0, "one": 1} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				l.s.Fail(slackstub.Socket{Event: func(map[string]any) slackstub.Fate {
					if told--; told >= 0 {
						return slackstub.Sent
					}
					return slackstub.Lost
				}})
				b, _ := l.start()
				l.do(b, post(1, "of our own"))
				l.settle(2 * seldom)
				if strings.Contains(l.logged(), "Event Subscriptions") {
					t.Errorf("too early: %s", l.logged())
				}
				for _, channel := range []string{"C0GENERAL", "C0TASKS", "D0FLEET"} {
					l.s.Say("U1", channel, "", "hello")
				}
				l.settle(2 * seldom)
				if n := strings.Count(l.logged(), "Event Subscriptions"); n != map[string]int{"none": 1, "one": 0}[name] {
					t.Errorf("%d times: %s", n, l.logged())
				}
				if n := len(l.inbox.of("general")) + len(l.inbox.of("tasks")) + len(l.inbox.of("")); n != 3 {
					t.Errorf("%d events", n)
				}
			})
		})
	}
}
