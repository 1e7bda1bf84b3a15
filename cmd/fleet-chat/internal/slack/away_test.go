package slack

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/internal/slackstub"
)

// What was said while the fleet was away, at any length, comes when it is back: new messages, answers to old ones,
// edits and reactions.
func TestAway(t *testing.T) {
	inBubble(t, func(l *lab) {
		old := l.s.Say("U1", "C0GENERAL", "", "old")
		todo := l.s.Say("U1", "C0TASKS", "", "build")
		build2 := l.s.Say("U1", "C0TASKS", "", "test")
		l.s.Fill("U1", "C0GENERAL", many(30, "some %d")...)
		_, stop := l.start()
		l.settle(time.Minute)
		stop()
		before := len(l.inbox.of("general"))
		l.settle(100 * time.Hour)
		var want []string
		for n := range 5 {
			text := many(460, fmt.Sprint("new ", n, " %d"))
			l.s.Fill("U1", "C0GENERAL", text...)
			l.s.Say("U2", "C0GENERAL", old, fmt.Sprint("answer ", n))
			want = append(append(want, text...), fmt.Sprint("answer ", n))
		}
		l.s.Edit("C0GENERAL", old, "old, but better")
		l.s.React("U2", "C0TASKS", todo, "white_check_mark", true)
		l.s.Edit("C0TASKS", build2, "[blocked] test")
		want = append(want, "old, but better")
		l.start()
		l.settle(2 * seldom)
		if diff := cmp.Diff(want, texts(l.inbox.of("general"))[before:]); diff != "" {
			t.Error(diff)
		}
		var got []string
		for _, e := range l.inbox.of("tasks") {
			got = append(got, fmt.Sprintf("%s %s %s %s", e.Kind, e.Task.Title, e.Task.State, e.From.Name))
		}
		wantTasks := []string{
			"create build todo Grace", "create test todo Grace", "update build done bob", "update test blocked Grace",
		}
		if diff := cmp.Diff(wantTasks, got); diff != "" {
			t.Error(diff)
		}
		if l.inbox.twice > 40 {
			t.Errorf("%d events came twice", l.inbox.twice)
		}
	})
}

// At a first start there is nothing to go on from: what is a day old counts, and tasks that are not done.
func TestFirstStart(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.s.Say("U1", "C0GENERAL", "", "long ago")
		l.s.Say("U1", "C0TASKS", "", "[TODO] old task")
		l.s.Say("U1", "C0TASKS", "", "[DONE] old work")
		l.settle(30 * time.Hour)
		l.s.Say("U1", "C0GENERAL", "", "just now")
		l.s.Say("U1", "C0TASKS", "", "[DONE] new work")
		l.start()
		if diff := cmp.Diff([]string{"just now"}, texts(l.inbox.of("general"))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"[TODO] old task", "[DONE] new work"}, texts(l.inbox.of("tasks"))); diff != "" {
			t.Error(diff)
		}
	})
}

// Several hosts with the same app: Slack gives each event to one of them, and all are told of it.
func TestHosts(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.start()
		other := newInbox()
		b := l.backend()
		l.run(b, other)
		l.settle(10 * time.Second)
		if n := l.s.Connections(l.fleet); n != 2 {
			t.Fatalf("%d connections", n)
		}
		// A third host has them all.
		l.s.Fail(slackstub.Socket{Event: func(map[string]any) slackstub.Fate { return slackstub.Foreign }})
		var want []string
		l.do(b, post(1, "from the other host"))
		for n, wait := range []time.Duration{seldom, 2 * often} { // from then on they know of each other
			for m := range 10 {
				l.s.Say("U1", "C0GENERAL", "", fmt.Sprint(n, m))
				want = append(want, fmt.Sprint(n, m))
			}
			l.settle(2 * often)
			if diff := cmp.Diff(want, texts(other.of("general"))); diff != "" { // it came second, and knows of the first
				t.Error(diff)
			}
			l.settle(wait)
		}
		for _, in := range []*inbox{l.inbox, other} {
			if diff := cmp.Diff(want, texts(in.of("general"))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{id(1)}, in.echoes("general")); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// What was missed while there was no connection comes with the next one, at old messages, too.
func TestReconnect(t *testing.T) {
	inBubble(t, func(l *lab) {
		root := l.s.Say("U1", "C0GENERAL", "", "old")
		l.s.Fill("U1", "C0GENERAL", many(2*glance, "some %d")...)
		l.settle(time.Hour)
		l.s.Say("U1", "C0GENERAL", "", "the last one")
		l.start()
		before := len(l.inbox.of("general"))
		l.s.Outage(true)
		l.s.Say("U2", "C0GENERAL", root, "an answer")
		l.settle(time.Hour)
		l.s.Outage(false)
		l.settle(3 * time.Minute)
		if diff := cmp.Diff([]string{"an answer"}, texts(l.inbox.of("general"))[before:]); diff != "" {
			t.Error(diff)
		}
	})
}

// Old conversations are not read again and again.
func TestOldConversation(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.s.Fill("U1", "D0FLEET", many(5000, "old %d")...)
		l.settle(48 * time.Hour)
		l.start()
		l.s.Say("U1", "D0FLEET", "", "new")
		l.settle(time.Minute)
		if diff := cmp.Diff([]string{"new"}, texts(l.inbox.of(""))); diff != "" {
			t.Error(diff)
		}
		if n := l.s.Calls("conversations.history"); n > 12 {
			t.Errorf("%d calls", n)
		}
	})
}
