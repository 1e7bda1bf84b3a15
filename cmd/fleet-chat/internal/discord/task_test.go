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

// inBoth runs a test with the tasks in a forum, and with the tasks in a text channel.
func inBoth(t *testing.T, test func(t *testing.T, l *lab)) {
	t.Run("forum", func(t *testing.T) { inBubble(t, test) })
	t.Run("text", func(t *testing.T) {
		inBubble(t, func(t *testing.T, l *lab) {
			l.inText()
			test(t, l)
		})
	})
}

// thread returns the ID of a task's thread.
func (l *lab) thread(ref backend.Ref) string {
	l.t.Helper()
	channel, id, ok := parseRef(ref)
	if !ok || channel != l.tasks {
		l.t.Fatalf("%q is no task of %s", ref, l.tasks)
	}
	return id
}

// sign returns the emojis at a task's first message, and who put them there.
func (l *lab) sign(task string) (all []string) {
	for _, channel := range []string{task, l.tasks} {
		for _, m := range l.s.Messages(channel) {
			if m.ID != task {
				continue
			}
			for _, r := range m.Reactions {
				all = append(all, fmt.Sprint(r.Emoji, len(r.Users)))
			}
		}
	}
	return all
}

// looks fails if a task does not look so.
func (l *lab) looks(task, name, emoji string) {
	l.t.Helper()
	if got := l.s.Channel(task).Name; got != name {
		l.t.Errorf("the title is %q, not %q", got, name)
	}
	if diff := cmp.Diff([]string{emoji + "1"}, l.sign(task)); diff != "" {
		l.t.Errorf("reactions (-want +got):\n%s", diff)
	}
}

func TestTask(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		task := backend.Task{Title: "Mend the *door*", Body: "It squeaks.", State: backend.Todo}
		ref := l.do(b, create("ada", task))
		id := l.thread(ref)
		l.looks(id, "[TODO] Mend the *door*", "📋")

		task.State, task.Assignee = backend.InProgress, "bob"
		if got := l.do(b, update(ref, "bob", task)); got != ref {
			t.Errorf("the reference is %s, not %s", got, ref)
		}
		l.looks(id, "[IN PROGRESS] Mend the *door*", "🚧")
		if _, err := l.try(b, post(chat.Tasks, "bob", "no")); (err == nil) != (l.tasks == l.rooms) {
			t.Errorf("a post beside the tasks: %v", err)
		}
		said := post(chat.Tasks, "bob", "I need oil")
		said.Thread = ref
		l.do(b, said)

		task.State, task.Body = backend.Blocked, "It squeaks.\n\nNo oil."
		l.do(b, update(ref, "bob", task))
		l.looks(id, "[BLOCKED] Mend the *door*", "⛔")

		var lines []string
		for _, text := range l.texts(id) {
			if text != "" && !strings.HasPrefix(text, "[") && text != "It squeaks." {
				lines = append(lines, text)
			}
		}
		want := []string{
			"**Bob**\n➜ [IN PROGRESS] Mend the \\*door\\* · `bob`", "**Bob**\nI need oil",
			"**Bob**\n➜ [BLOCKED] Mend the \\*door\\* · `bob`\n\nIt squeaks.\n\nNo oil.",
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

// TestTitleLimit proves that Discord's limit for new titles holds nothing else up, and that the last title comes.
func TestTitleLimit(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		task := backend.Task{Title: "one", State: backend.Todo}
		ref := l.do(b, create("ada", task))
		l.s.Grace = 0
		began := time.Now()
		for _, state := range []backend.State{
			backend.InProgress, backend.Blocked, backend.InProgress, backend.Todo, backend.Done,
		} {
			task.State = state
			l.do(b, update(ref, "ada", task))
		}
		l.do(b, create("ada", backend.Task{Title: "two"}))
		l.s.Archive(l.thread(ref), true, true) // another change of the thread has another limit
		l.do(b, inThread(post(chat.Tasks, "bob", "wait"), ref))
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("it took %s of Discord's time", took)
		}
		id := l.thread(ref)
		if diff := cmp.Diff([]string{"✅1"}, l.sign(id)); diff != "" {
			t.Errorf("reactions (-want +got):\n%s", diff)
		}
		time.Sleep(25 * time.Minute)
		l.looks(id, "[DONE] one", "✅")
	})
}

// TestTitleAfterCrash proves that a title that waited for its limit comes after a new start.
func TestTitleAfterCrash(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		r := l.run(b)
		task := backend.Task{Title: "one", State: backend.Todo}
		ref := l.do(b, create("ada", task))
		for _, state := range []backend.State{backend.InProgress, backend.Blocked, backend.Done} {
			task.State = state
			l.do(b, update(ref, "ada", task))
		}
		time.Sleep(10 * time.Second)
		r.stop()
		if got := l.name(ref); got != "[BLOCKED] one" {
			t.Fatalf("the title is %q already", got)
		}
		l.s.Restarted()
		l.run(l.host())
		time.Sleep(15 * time.Minute)
		l.looks(l.thread(ref), "[DONE] one", "✅")
	})
}

func TestTaskForms(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("a word ", 60))
	code := "```sh\n" + strings.Repeat("  ls\n", 600) + "```"
	for name, task := range map[string]backend.Task{
		"no text":     {Title: "bare"},
		"long title":  {Title: long, Body: "short"},
		"only title":  {Title: long},
		"long text":   {Title: "t", Body: strings.Repeat("line of `text`\n", 400) + code},
		"both":        {Title: long, Body: strings.Repeat("wörd ", 1500)},
		"odd":         {Title: "[DONE] **a** `b` _c_ · `d` … \\", Body: "➜ [DONE] x"},
		"assigned":    {Title: "t", Body: "b", Assignee: "ada", State: backend.InProgress},
		"a person's":  {Title: "t", Body: "b", Assignee: "Grace `G` Hopper", State: backend.Blocked},
		"only spaces": {Title: " t  t ", Body: " "},
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, l *lab) {
				b, other := l.host(), l.host()
				l.run(b)
				elsewhere := newInbox()
				l.start(other, elsewhere)
				l.settle()
				author := []string{"ada", "bob"}[len(name)%2]
				ref := l.do(b, create(author, task))
				l.settle()
				want := task
				if want.State == "" {
					want.State = backend.Todo
				}
				want.Title, want.Body = oneLine(want.Title), strings.TrimSpace(want.Body)
				want.Assignee = strings.ReplaceAll(want.Assignee, "`", "'")
				if got := lastTask(elsewhere, ref); cmp.Diff(want, got) != "" {
					t.Errorf("%s: the other host has (-want +got):\n%s", author, cmp.Diff(want, got))
				}
				// A person changes the state, by the title as far as it is shown.
				_, shown := parseName(l.name(ref))
				l.grace.Rename(l.thread(ref), "[done] "+shown)
				l.settle()
				want.State = backend.Done
				for _, in := range []*inbox{elsewhere, l.inbox} {
					if got := lastTask(in, ref); cmp.Diff(want, got) != "" {
						t.Errorf("%s: after the new title (-want +got):\n%s", author, cmp.Diff(want, got))
					}
				}
			})
		})
	}
}

// lastTask returns a task as an inbox was told of it last.
func lastTask(in *inbox, ref backend.Ref) (t backend.Task) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, e := range in.events {
		if e.Thread == ref && e.Kind != backend.Post {
			t = e.Task
		}
	}
	return t
}

// TestPersonsTask proves that a thread that a person opens is a task, and that it gets a title and a reaction.
func TestPersonsTask(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		l.run(l.host())
		id := l.open("Paint the wall", "In blue, @bob")
		l.settle()
		l.looks(id, "[TODO] Paint the wall", "📋")
		ref := refOf(l.tasks, id)
		events := l.inbox.take()
		if l.tasks == l.rooms { // the message was there before its thread
			events = events[1:]
		}
		if len(events) != 1 {
			t.Fatalf("%d events: %+v", len(events), events)
		}
		e := events[0]
		want := backend.Event{
			ID: "task/" + id, Kind: backend.Create, Channel: chat.Tasks, Thread: ref, Ref: ref, Time: e.Time,
			From: backend.Person{ID: l.grace.ID, Name: "grace"}, To: []string{"bob"},
			Task: backend.Task{Title: "Paint the wall", Body: "In blue, @bob", State: backend.Todo},
		}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
		l.eve.Say(id, "why blue?")
		l.settle()
		events = l.inbox.take()
		if len(events) != 1 || events[0].Kind != backend.Post || events[0].Thread != ref || events[0].Text != "why blue?" {
			t.Errorf("events: %+v", events)
		}
	})
}

// open has grace open a task.
func (l *lab) open(name, text string) string {
	if l.tasks == l.rooms {
		return l.grace.OpenAt(l.tasks, l.grace.Say(l.tasks, text), name)
	}
	return l.grace.Open(l.tasks, name, text)
}

// TestReaction proves that a person sets a task's state by a reaction: the event is told, the reaction is taken away,
// and the task looks so.
func TestReaction(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		ref := l.do(b, create("ada", backend.Task{Title: "one", Body: "text", State: backend.InProgress, Assignee: "ada"}))
		id, home := l.thread(ref), l.tasks
		if l.tasks != l.rooms {
			home = l.thread(ref)
		}
		l.settle()
		l.inbox.echoes()
		for _, step := range []struct {
			emoji, name string
			want        backend.Task
		}{
			{"✅", "[DONE] one", backend.Task{State: backend.Done, Assignee: "ada"}},
			{"🚧\ufe0f", "[IN PROGRESS] one", backend.Task{State: backend.InProgress, Assignee: "ada"}},
			{"✅", "[DONE] one", backend.Task{State: backend.Done, Assignee: "ada"}},
			{"📋", "[TODO] one", backend.Task{State: backend.Todo}},
		} {
			l.eve.React(home, id, step.emoji)
			l.eve.React(home, id, "🎉")
			time.Sleep(25 * time.Minute)
			events := l.inbox.take()
			if len(events) != 1 || events[0].From.ID != l.eve.ID || events[0].From.Name != "eve" {
				t.Fatalf("%s: events: %+v", step.emoji, events)
			}
			step.want.Title, step.want.Body = "one", "text"
			if diff := cmp.Diff(step.want, events[0].Task); diff != "" {
				t.Errorf("%s: the task (-want +got):\n%s", step.emoji, diff)
			}
			s, _ := signBy(step.emoji)
			signs := slices.DeleteFunc(l.sign(id), func(r string) bool { return r == "🎉1" })
			if diff := cmp.Diff([]string{s.emoji + "1"}, signs); diff != "" || l.name(ref) != step.name {
				t.Errorf("%s: title %q, reactions:\n%s", step.emoji, l.name(ref), diff)
			}
		}
	})
}

// TestRename proves that a person's title changes state and title, and frees the task that is to do again.
func TestRename(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		ref := l.do(b, create("ada", backend.Task{Title: "one", Body: "text", State: backend.Blocked, Assignee: "ada"}))
		id := l.thread(ref)
		for name, want := range map[string]backend.Task{
			"[DONE] one":        {Title: "one", Body: "text", State: backend.Done, Assignee: "ada"},
			"[in progress] two": {Title: "two", Body: "text", State: backend.InProgress, Assignee: "ada"},
			"three":             {Title: "three", Body: "text", State: backend.Todo},
		} {
			l.do(b, update(ref, "ada", backend.Task{Title: "one", Body: "text", State: backend.Blocked, Assignee: "ada"}))
			l.settle()
			l.inbox.echoes()
			l.grace.Rename(id, name)
			time.Sleep(25 * time.Minute)
			events := l.inbox.take()
			if len(events) != 1 || events[0].Kind != backend.Update || events[0].From.ID != l.grace.ID {
				t.Fatalf("%s: events: %+v", name, events)
			}
			if diff := cmp.Diff(want, events[0].Task); diff != "" {
				t.Errorf("%s: the task (-want +got):\n%s", name, diff)
			}
			l.looks(id, threadName(want.State, want.Title), signOf(want.State).emoji)
		}
	})
}

// TestArchived proves that an archived task is taken out of the archive, and that one that was locked too stays locked.
func TestArchived(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		task := backend.Task{Title: "one", State: backend.Todo}
		for _, locked := range []bool{false, true} {
			ref := l.do(b, create("bob", task))
			l.s.Archive(l.thread(ref), true, locked)
			task.State = backend.Done
			l.do(b, update(ref, "bob", task))
			l.looks(l.thread(ref), "[DONE] one", "✅")
			if c := l.s.Channel(l.thread(ref)); c.Archived || c.Locked != locked {
				t.Errorf("archived %t, locked %t of %t", c.Archived, c.Locked, locked)
			}
			task.State = backend.Todo
		}
	})
}

// TestUpdateAgain proves that a task that looks as it should is left alone, and that an effect that is tried again does
// not undo what a person did after it.
func TestUpdateAgain(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		task := backend.Task{Title: "one", Body: "text", State: backend.Todo}
		ref := l.do(l.host(), create("bob", task))
		task.State = backend.InProgress
		first := update(ref, "bob", task)
		l.do(l.host(), first)
		count := len(l.s.Messages(l.thread(ref)))
		l.do(l.host(), update(ref, "bob", task))
		if n := len(l.s.Messages(l.thread(ref))); n != count {
			t.Errorf("%d messages more", n-count)
		}
		l.grace.Rename(l.thread(ref), "[DONE] one")
		l.do(l.host(), first)
		l.looks(l.thread(ref), "[DONE] one", "✅")
	})
}

// TestLookAgain proves that title and reaction of a person's task come in spite of faults.
func TestLookAgain(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		l.run(l.host())
		for _, route := range []string{"PATCH", "PUT", "GET /channels/ID/messages"} {
			l.s.Inject(discordstub.Fault{Sort: discordstub.Broken, Route: route, Times: 3})
			id := l.open("one", "text")
			l.settle()
			l.looks(id, "[TODO] one", "📋")
		}
	})
}

// TestRoom proves that tasks that are done make room for new ones where a server has as many threads as it can, the
// oldest first, and that it is said where there are none.
func TestRoom(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		l.s.Active = 3
		b := l.host()
		var refs []backend.Ref
		for _, state := range []backend.State{backend.Todo, backend.Done, backend.Done} {
			refs = append(refs, l.do(b, create("bob", backend.Task{Title: "one", State: state})))
		}
		l.do(b, create("bob", backend.Task{Title: "another"}))
		var archived []bool
		for _, ref := range refs {
			archived = append(archived, l.s.Channel(l.thread(ref)).Archived)
		}
		if diff := cmp.Diff([]bool{false, true, true}, archived); diff != "" {
			t.Errorf("archived (-want +got):\n%s", diff)
		}
		l.do(b, create("bob", backend.Task{Title: "a third"}))
		_, err := l.try(b, create("bob", backend.Task{Title: "a fourth"}))
		if err == nil || !strings.Contains(err.Error(), "Maximum number of active threads") {
			t.Errorf("the error is %v", err)
		}
	})
}

// TestFlooded proves that a thread with very many messages ends neither the hub's connection nor the task's changes,
// and that nobody is told to have it who may not.
func TestFlooded(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		b.pace.review = 200
		l.run(b)
		task := backend.Task{Title: "one", State: backend.Todo}
		ref := l.do(b, create("bob", task))
		for range 400 {
			l.eve.Say(l.thread(ref), "spam")
		}
		l.grace.Rename(l.thread(ref), "[BLOCKED] one")
		time.Sleep(time.Minute)
		if got := lastTask(l.inbox, ref).State; got != backend.Blocked {
			t.Errorf("the task is %s", got)
		}
		task.State = backend.Done
		l.do(b, update(ref, "bob", task))
		l.looks(l.thread(ref), "[DONE] one", "✅")
		c := backend.Claim{ID: effect(backend.Effect{}).ID, Agent: "bob"}
		if _, err := l.claim(b, ref, c); err == nil || !strings.Contains(err.Error(), "too many messages") {
			t.Errorf("the claim's error is %v", err)
		}
	})
}

// TestDeleted proves that a task whose thread was deleted is a final error, and that one without its first message
// goes on.
func TestDeleted(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		task := backend.Task{Title: "one", State: backend.Todo}
		ref := l.do(b, create("bob", task))
		l.s.DeleteMessage(l.thread(ref), l.thread(ref))
		task.State = backend.Done
		l.do(b, update(ref, "bob", task))
		if got := l.name(ref); got != "[DONE] one" {
			t.Errorf("the title is %q", got)
		}
		l.s.Delete(l.thread(ref))
		task.State = backend.Todo
		_, err := l.try(b, update(ref, "bob", task))
		want := "coordination.channels.tasks: the channel, thread or message is not there any more"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v", err)
		}
	})
}
