package discord

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/discordstub"
	"fleet/schemas/chat"
)

// TestFirst proves that a first start hands on the tasks that stand and no message from before, and that what is
// written while the hub is away is heard though nothing happened before.
func TestFirst(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		l.grace.Say(l.general, "long ago")
		id := l.open("[IN PROGRESS] old", "an old task")
		l.eve.Say(id, "said of it")
		gone := l.open("gone", "an archived task")
		l.s.Archive(gone, true, false)
		r := l.run(l.host())
		events := l.inbox.take()
		want := []backend.Task{{Title: "old", Body: "an old task", State: backend.InProgress}}
		if diff := cmp.Diff(want, tasks(events)); diff != "" || len(events) != 1 {
			t.Errorf("tasks (-want +got):\n%s\nof events %q", diff, said(events))
		}
		r.stop()
		l.grace.Say(l.general, "while you were away")
		r = l.run(l.host())
		if diff := cmp.Diff([]string{"while you were away"}, said(l.inbox.take())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		r.stop()
		l.run(l.host())
		if events := l.inbox.take(); len(events) > 0 {
			t.Errorf("a third start: %+v", events)
		}
	})
}

func tasks(events []backend.Event) (all []backend.Task) {
	for _, e := range events {
		if e.Kind != backend.Post {
			all = append(all, e.Task)
		}
	}
	return all
}

// TestFirstBroken proves that a first start that ends half-way is one again.
func TestFirstBroken(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		for i := range 3 {
			l.open(fmt.Sprint("task ", i), "text")
		}
		l.inbox.broken = 1000
		r := l.run(l.host())
		if mark := l.inbox.Mark(chat.Tasks); mark != "" {
			t.Errorf("the mark is %q already", mark)
		}
		r.stop()
		l.inbox.broken = 0
		l.inbox.stop = 2 // the process is killed after so many Takes
		r = l.run(l.host())
		r.stop()
		l.inbox.stop = 0
		l.run(l.host())
		if n := len(tasks(l.inbox.take())); n != 3 {
			t.Errorf("%d tasks", n)
		}
	})
}

// TestAway proves that all kinds of things that people did while the hub was away are heard, each once.
func TestAway(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		b := l.host()
		r := l.run(b)
		ref := l.do(b, create("ada", backend.Task{Title: "one", Body: "text", State: backend.InProgress, Assignee: "ada"}))
		other := l.do(b, create("ada", backend.Task{Title: "two", Body: "text", State: backend.InProgress}))
		third := l.do(b, create("ada", backend.Task{Title: "three", Body: "text", State: backend.Todo}))
		first := l.do(b, post(chat.General, "bob", "a conversation"))
		time.Sleep(time.Hour)
		r.stop()
		l.inbox.echoes()

		home := l.tasks
		if home != l.rooms {
			home = l.thread(ref)
		}
		l.grace.Rename(l.thread(other), "[DONE] two")
		l.eve.Say(l.thread(other), "well done")
		l.eve.React(home, l.thread(ref), "✅")
		for i := range 250 { // more than two pages
			l.eve.Say(l.general, fmt.Sprint(i))
		}
		_, message, _ := parseRef(first)
		talk := l.eve.OpenAt(l.general, message, "about that")
		l.eve.Say(talk, "in a thread")
		l.eve.Say(l.thread(third), "in the archive")
		l.s.Archive(l.thread(third), true, false)
		id := l.open("four", "a new one")
		time.Sleep(48 * time.Hour)

		l.run(l.host())
		events := l.inbox.take()
		var posts []string
		updates := map[backend.Ref]backend.Task{}
		for _, e := range events {
			if e.Kind == backend.Post && e.Text != "a new one" {
				posts = append(posts, fmt.Sprint(e.Channel, " ", e.Thread, " ", e.Text))
			} else if e.Kind != backend.Post {
				updates[e.Thread] = e.Task
			}
		}
		want := []string{fmt.Sprint("general ", refOf(l.general, talk), " in a thread")}
		for i := range 250 {
			want = append(want, fmt.Sprint("general  ", i))
		}
		want = append(want, fmt.Sprint("tasks ", other, " well done"), fmt.Sprint("tasks ", third, " in the archive"))
		slices.Sort(want)
		slices.Sort(posts)
		if diff := cmp.Diff(want, posts); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[backend.Ref]backend.Task{
			ref:                {Title: "one", Body: "text", State: backend.Done, Assignee: "ada"},
			other:              {Title: "two", Body: "text", State: backend.Done},
			refOf(l.tasks, id): {Title: "four", Body: "a new one", State: backend.Todo},
		}, updates); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		for i := 1; i < len(events); i++ {
			if x, y := events[i-1], events[i]; x.Channel == y.Channel && y.Time.Before(x.Time) && !y.Time.IsZero() {
				t.Errorf("%+v comes after %+v", y, x)
			}
		}
		l.looks(l.thread(ref), "[DONE] one", "✅")
		l.looks(id, "[TODO] four", "📋")
	})
}

// TestKilled proves that nothing is lost nor told under another ID when the process ends after any event.
func TestKilled(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		r := l.run(l.host())
		r.stop()
		var want []string
		for i := range 6 {
			want = append(want, fmt.Sprint(i))
			l.eve.Say(l.general, want[i])
		}
		id := l.open("one", "text")
		l.grace.Rename(id, "[BLOCKED] one")
		for range 10 {
			l.inbox.mu.Lock()
			l.inbox.stop = l.inbox.takes + 1
			l.inbox.mu.Unlock()
			r := l.run(l.host())
			r.stop()
		}
		l.inbox.stop = 0
		l.run(l.host())
		events := l.inbox.take()
		got := slices.DeleteFunc(said(events), func(text string) bool { return text == "" })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		all := tasks(events)
		if len(all) != 2 || all[1].State != backend.Blocked {
			t.Errorf("tasks: %+v", all)
		}
	})
}

// TestInboxFails proves that an event that could not be stored is handed over again, before later ones.
func TestInboxFails(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.run(l.host())
		l.inbox.mu.Lock()
		l.inbox.broken = 5
		l.inbox.mu.Unlock()
		var want []string
		for i := range 3 {
			want = append(want, fmt.Sprint(i))
			l.eve.Say(l.general, want[i])
		}
		l.settle()
		if diff := cmp.Diff(want, said(l.inbox.take())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if !strings.Contains(l.logged(), "the disk is full") {
			t.Error("nobody is told")
		}
	})
}

// TestHosts proves that two hosts on one server have the same tasks and messages, whoever changed them.
func TestHosts(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		l.s.Shared = true
		one, two := l.host(), l.host()
		l.run(one)
		elsewhere := newInbox()
		l.start(two, elsewhere)
		l.settle()
		task := backend.Task{Title: "one", Body: strings.Repeat("body ", 1000), State: backend.Todo}
		ref := l.do(one, create("ada", task))
		task.State, task.Assignee = backend.InProgress, "bob"
		l.do(two, update(ref, "bob", task))
		home := l.tasks
		if home != l.rooms {
			home = l.thread(ref)
		}
		l.settle()
		l.eve.React(home, l.thread(ref), "⛔") // both hear it, and both would tell
		l.do(two, inThread(post(chat.Tasks, "bob", "help"), ref))
		time.Sleep(30 * time.Minute)
		task.State, task.Body = backend.Blocked, strings.TrimSpace(task.Body)
		for name, in := range map[string]*inbox{"one": l.inbox, "two": elsewhere} {
			if diff := cmp.Diff(task, lastTask(in, ref)); diff != "" {
				t.Errorf("host %s has the task (-want +got):\n%s", name, diff)
			}
			n := 0
			for _, e := range in.all() {
				if e.Kind == backend.Post && e.Text == "help" && e.From.Name == "Bob" && e.Thread == ref {
					n++
				}
			}
			if n != 1 {
				t.Errorf("host %s has the message %d times", name, n)
			}
		}
		n := 0
		for _, m := range l.s.Messages(l.thread(ref)) {
			if mk, _, _, ok := readMark(m.Content); ok && mk.kind == ofPress {
				n++
			}
		}
		if n != 1 {
			t.Errorf("the reaction is told in %d lines", n)
		}
		l.looks(l.thread(ref), "[BLOCKED] one", "⛔")
	})
}

// TestVanished proves that a task that is deleted while it is looked at ends nothing, at a first start nor at a later
// one.
func TestVanished(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		id := l.open("one", "text")
		for _, later := range []bool{false, true} {
			for skip := range 4 {
				l.s.Inject(discordstub.Fault{Sort: discordstub.Vanished, Route: "GET", ID: id, Skip: skip})
				in := newInbox()
				if later {
					in.marks = map[string]string{chat.General: l.general, chat.Tasks: l.tasks}
				}
				r := l.start(l.host(), in)
				l.settle()
				r.stop()
				l.s.Clear()
				if in.Mark(chat.Tasks) == "" {
					t.Errorf("at %d: no mark; the log:\n%s", skip, l.logged())
				}
			}
		}
	})
}

// TestGone proves that what is deleted before its event is taken up is left out, and ends nothing.
func TestGone(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		l.run(l.host())
		id := l.open("one", "text")
		l.settle()
		l.inbox.take()
		slow := make(chan struct{})
		l.inbox.slow = slow
		l.eve.Say(l.general, "before")
		time.Sleep(time.Second)
		l.grace.Rename(id, "[DONE] one")
		l.grace.React(home(channel{id: l.tasks}, id, l.tasks != l.rooms), id, "✅")
		other := l.open("two", "text")
		l.s.Delete(id)
		l.s.Delete(other)
		close(slow)
		l.eve.Say(l.general, "after")
		l.settle()
		var got []string
		for _, e := range l.inbox.take() {
			if e.Channel == chat.General {
				got = append(got, e.Text)
			}
		}
		if diff := cmp.Diff([]string{"before", "after"}, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
