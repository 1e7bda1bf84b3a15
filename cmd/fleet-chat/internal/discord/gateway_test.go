package discord

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/discordstub"
)

// TestGateway proves for each fault of the gateway that all that people write is told, in order, each message once,
// and how the connection comes back: by going on with the session, or by a new login with a look at the history.
func TestGateway(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   func(l *lab)
		after   func(l *lab)
		logins  int  // of the two bots, the first ones among them
		resumes bool // the session went on
	}{
		{"a cut without a word", func(l *lab) { l.s.Drop(0) }, nil, 2, true},
		{"an unknown error", func(l *lab) { l.s.Drop(4000) }, nil, 2, true},
		{"a session timed out", func(l *lab) { l.s.Drop(4009) }, nil, 2, true},
		{"a restart of Discord's", func(l *lab) { l.s.Drop(1001) }, nil, 2, true},
		{"op 7", (*lab).reconnect, nil, 2, true},
		{"op 9 on the connection", func(l *lab) { l.s.Invalidate() }, nil, 4, false},
		{"op 9 when going on", func(l *lab) { l.s.Forget() }, nil, 4, false},
		{"a sequence that is refused", func(l *lab) {
			l.s.Reject(4007)
			l.s.Drop(0)
		}, nil, 4, false},
		{"going on that fails for ever", func(l *lab) {
			l.s.Reject(4000)
			l.s.Drop(0)
		}, nil, 4, false},
		{"going on that fails once", func(l *lab) {
			l.s.Reject(4000)
			l.s.Drop(0)
			time.AfterFunc(5*time.Second, func() { l.s.Reject(0) })
		}, nil, 2, true},
		{"going on that fails for a while", func(l *lab) {
			l.s.Reject(1006)
			l.s.Drop(0)
		}, func(l *lab) { l.s.Reject(0) }, 2, true},
		{"events that are held back", func(l *lab) { l.s.Hold(true) }, func(l *lab) {
			l.s.Hold(false)
			l.s.Drop(0)
		}, 2, true},
		{"events twice", func(l *lab) { l.s.Twice(true) }, nil, 2, false},
		{"no HELLO", func(l *lab) {
			l.s.Mute(true)
			l.s.Drop(0)
		}, func(l *lab) { l.s.Mute(false) }, 2, true},
		{"heartbeats without an answer", func(l *lab) {
			l.s.Deaf(true)
			l.s.Hold(true)
		}, func(l *lab) {
			l.s.Deaf(false)
			l.s.Hold(false)
		}, 2, true},
		{"an outage", func(l *lab) { l.s.Outage(true) }, func(l *lab) { l.s.Outage(false) }, 2, true},
		{"an outage, and the session forgotten", func(l *lab) { l.s.Outage(true) }, func(l *lab) {
			l.s.Forget()
			l.s.Outage(false)
		}, 4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *lab) {
				l.run(l.host())
				l.inbox.take()
				talk, _ := l.eve.Tell(l.ada, "hi")
				l.settle()
				l.inbox.take()
				var want, direct []string
				say := func(n int) {
					for i := range n {
						text := fmt.Sprint(len(want), " ", i)
						l.eve.Say(l.general, text)
						want = append(want, text)
						l.eve.Tell(l.ada, "direct "+text)
						direct = append(direct, "direct "+text)
						time.Sleep(time.Second)
					}
				}
				say(2)
				c.fault(l)
				say(3)
				time.Sleep(5 * time.Minute)
				if c.after != nil {
					c.after(l)
				}
				say(2)
				time.Sleep(15 * time.Minute)
				say(1)
				l.settle()
				var here, there []string
				for _, e := range l.inbox.take() {
					if e.Channel == backend.Direct+"ada" {
						there = append(there, e.Text)
					} else {
						here = append(here, e.Text)
					}
				}
				if diff := cmp.Diff(want, here); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(direct, there); diff != "" {
					t.Errorf("direct messages in %s (-want +got):\n%s", talk, diff)
				}
				if identified, resumed := l.s.Logins(); identified != c.logins || (resumed > 0) != c.resumes {
					t.Errorf("%d logins, %d times gone on; the log:\n%s", identified, resumed, l.logged())
				}
			})
		})
	}
}

func (l *lab) reconnect() { l.s.Reconnect() }

// TestSwapped proves that of events in the wrong order none is lost, that the task ends as its thread says, and that
// the mark does not go back.
func TestSwapped(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		r := l.run(b)
		id := l.open("one", "text")
		l.settle()
		l.inbox.take()
		l.s.Swap(true)
		for i := range 4 {
			l.eve.Say(l.general, fmt.Sprint(i))
		}
		l.grace.Rename(id, "[BLOCKED] one")
		l.grace.Rename(id, "[DONE] two")
		l.s.Swap(false)
		l.settle()
		events := l.inbox.take()
		var last backend.Event
		got := map[string]bool{}
		for _, e := range events {
			got[e.Text] = true
			if e.Kind == backend.Update {
				last = e
			}
		}
		if !got["0"] || !got["1"] || !got["2"] || !got["3"] {
			t.Errorf("events: %q", said(events))
		}
		if last.Task.State != backend.Done || last.Task.Title != "two" {
			t.Errorf("the last event: %+v", last)
		}
		all := l.s.Messages(l.general)
		if got := l.inbox.Mark("general"); got != all[len(all)-1].ID {
			t.Errorf("the mark is %s", got)
		}
		r.stop()
		l.run(l.host())
		if events := l.inbox.take(); len(events) > 0 {
			t.Errorf("told again under other IDs: %+v", events)
		}
	})
}

// TestOverflow proves that more events than are kept are read from the history.
func TestOverflow(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		b.pace.queue = 10
		l.inbox.marks["general"] = l.general // so that all of it was missed
		l.inbox.slow = make(chan struct{})
		l.run(b)
		var want []string
		for i := range 300 {
			want = append(want, fmt.Sprint(i))
			l.eve.Say(l.general, want[i])
		}
		time.Sleep(time.Second)
		close(l.inbox.slow)
		l.settle()
		if diff := cmp.Diff(want, said(l.inbox.take())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// TestHeartbeat proves that heartbeats come when they should; the stand-in ends a connection without them.
func TestHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.run(l.host())
		before := l.s.Beats()
		time.Sleep(time.Hour)
		if n := l.s.Beats() - before; n < 2*80 || n > 2*90 {
			t.Errorf("%d heartbeats of two bots in an hour", n)
		}
		if identified, resumed := l.s.Logins(); identified != 2 || resumed != 0 {
			t.Errorf("%d logins, %d times gone on", identified, resumed)
		}
	})
}

// TestSilence proves that a connection on which nothing comes any more is given up before Discord forgets the session.
func TestSilence(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.run(l.host())
		l.s.Deaf(true)
		l.s.Hold(true)
		time.Sleep(150 * time.Second)
		if _, resumed := l.s.Logins(); resumed < 2 {
			t.Errorf("%d of two bots have gone on", resumed)
		}
		l.s.Deaf(false)
		l.s.Hold(false)
	})
}

// TestNoLogins proves that a bot that Discord throws out again and again does not use up its logins.
func TestNoLogins(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.run(l.host())
		for range 1200 {
			l.s.Forget()
			time.Sleep(3 * time.Second)
		}
		if identified, _ := l.s.Logins(); identified > 2*40 {
			t.Errorf("%d logins in an hour", identified)
		}
	})
}

// TestHasty proves that a connection that is to be closed before its session stands does not hold the bot for ever:
// discordgo waits for itself then. It takes time, since a bubble does not see who waits for a mutex.
func TestHasty(t *testing.T) {
	rules := discordstub.Usual
	rules.Login = time.Millisecond
	l := newLab(t, discordstub.New(rules))
	defer l.end()
	b := l.host()
	b.pace.connect, b.pace.login, b.pace.pause = 300*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond
	l.s.Hasty(true)
	l.start(b, l.inbox)
	l.until("tries", func() bool { return strings.Count(l.logged(), "no session within the time for it") > 1 })
	l.s.Hasty(false)
	l.until("a connection", func() bool { return l.s.Connected() == 2 })
	l.until("a mark", func() bool { return l.inbox.Mark("general") != "" })
	l.eve.Say(l.general, "hello")
	l.until("the event", func() bool { return len(l.inbox.take()) == 1 })
}

// until waits for a condition.
func (l *lab) until(what string, is func() bool) {
	l.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: not within a minute; the log:\n%s", what, l.logged())
		}
	}
}
