package slack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/slackstub"
)

func TestParseTask(t *testing.T) {
	for in, want := range map[string]backend.Task{
		"[TODO] build":                 {Title: "build", State: backend.Todo},
		"[in progress] build\nit\nnow": {Title: "build", Body: "it\nnow", State: backend.InProgress},
		"*[In-Progress]* build":        {Title: "build", State: backend.InProgress},
		"[to do]build":                 {Title: "build", State: backend.Todo},
		"[BLOCKED]\nbuild":             {Title: "build", State: backend.Blocked},
		"  [ done ]  build ":           {Title: "build", State: backend.Done},
		"[DONE] [TODO] x":              {Title: "[TODO] x", State: backend.Done},
		"build":                        {Title: "build"},
		"[LATER] build":                {Title: "[LATER] build"},
		"a [TODO] b":                   {Title: "a [TODO] b"},
		"":                             {},
	} {
		if diff := cmp.Diff(want, parseTask(in)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func FuzzParseTask(f *testing.F) {
	f.Add("[TODO] x\ny")
	f.Add("**[in_progress]** \n\n[DONE]")
	f.Fuzz(func(t *testing.T, in string) {
		task := parseTask(in)
		if strings.Contains(task.Title, "\n") {
			t.Errorf("%q", task.Title)
		}
	})
}

// happened is what a task's events say, of people and of other hosts.
func happened(in *inbox, echoes bool) (all []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, e := range in.events {
		if e.Channel == "tasks" && (e.Echo != "") == echoes {
			all = append(all, fmt.Sprintf("%s %s|%s|%s|%s by %s",
				e.Kind, e.Task.Title, e.Task.Body, e.Task.State, e.Task.Assignee, e.From.Name))
		}
	}
	return all
}

// The life of a task that a person wrote.
func TestTaskOfAPerson(t *testing.T) {
	inBubble(t, func(l *lab) {
		b, _ := l.start()
		ts := l.s.Say("U1", "C0TASKS", "", "[TODO] build &amp; test\nwith care, @ada")
		l.settle(time.Minute)
		ref := l.inbox.of("tasks")[0].Ref
		n := 0
		update := func(s backend.State, assignee string) {
			n++
			l.do(b, backend.Effect{
				ID: id(n), Kind: backend.Update, Channel: "tasks", Thread: ref, Author: backend.Author{Key: "ada", Name: "Ada"},
				Task: backend.Task{Title: "build & test", Body: "with care, @ada", State: s, Assignee: assignee},
			})
			l.settle(time.Minute)
		}
		shown := func() string {
			m := l.s.Find("C0TASKS", ts)
			var ours []string
			for _, r := range m.Reactions {
				if strings.Contains(fmt.Sprint(r.Users), "UFLEET") {
					ours = append(ours, r.Name)
				}
			}
			news := l.s.Messages("C0TASKS", ts)
			return fmt.Sprint(ours, " ", news[len(news)-1].Text)
		}
		update(backend.InProgress, "ada")
		if got := shown(); got != "[hammer_and_wrench] *[IN PROGRESS]* — Ada" {
			t.Error(got)
		}
		l.s.React("U2", "C0TASKS", ts, "white_check_mark", true)
		l.s.React("U2", "C0TASKS", ts, "tada", true)
		l.settle(time.Minute)
		update(backend.Done, "ada")
		if got := shown(); got != "[white_check_mark] *[DONE]* — Ada" {
			t.Error(got)
		}
		update(backend.Todo, "") // put back: the reaction of before is of before
		l.settle(2 * seldom)
		l.s.Edit("C0TASKS", ts, "[TODO] build, test\nwith more care") // the state is not changed by that
		l.settle(time.Minute)
		update(backend.InProgress, "max")
		l.s.Edit("C0TASKS", ts, "[BLOCKED] build, test\nwith more care")
		l.settle(time.Minute)
		l.s.React("U2", "C0TASKS", ts, "white_check_mark", false)
		l.s.React("U2", "C0TASKS", ts, "white_check_mark", true) // anew
		l.settle(2 * seldom)
		want := []string{
			"create build & test|with care, @ada|todo| by Grace",
			"update build & test|with care, @ada|done|ada by bob",
			"update build, test|with more care|todo| by Grace",
			"update build, test|with more care|blocked|max by Grace",
			"update build, test|with more care|done|max by bob",
		}
		got := happened(l.inbox, false)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if text := l.s.Find("C0TASKS", ts).Text; text != "[BLOCKED] build, test\nwith more care" {
			t.Errorf("the person's text is %q", text)
		}
	})
}

// The life of a task that an agent wrote, as another host is told of it.
func TestTaskOfAnAgent(t *testing.T) {
	inBubble(t, func(l *lab) {
		b := l.backend()
		l.start()
		e := task(1, "build *it* <now>", "")
		ref := l.do(b, e)
		l.settle(time.Minute)
		ts := strings.TrimPrefix(string(ref), "C0TASKS/")
		if m := l.s.Find("C0TASKS", ts); m.Text != "[TODO] *build ∗it∗ &lt;now&gt;*\nthe _body_" || m.Username != "Max" {
			t.Errorf("%+v", m)
		}
		e.ID, e.Kind, e.Thread = id(2), backend.Update, ref
		e.Task = backend.Task{Title: "build it", Body: "another body", State: backend.Blocked, Assignee: "ada"}
		l.do(b, e)
		l.do(b, e)
		if m := l.s.Find("C0TASKS", ts); m.Text != "[BLOCKED] *build it* — Ada\nanother body" {
			t.Errorf("%+v", m)
		}
		l.settle(2 * seldom)
		l.s.React("U1", "C0TASKS", ts, "memo", true)
		l.settle(time.Minute)
		want := []string{"create build ∗it∗ <now>|the _body_|todo| by Max", "update build it|another body|blocked|ada by Max"}
		if diff := cmp.Diff(want, happened(l.inbox, true)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"update ||todo|ada by Grace"}, happened(l.inbox, false)); diff != "" {
			t.Error(diff)
		}
	})
}

// A body of any length is in the thread.
func TestLongTask(t *testing.T) {
	inBubble(t, func(l *lab) {
		b := l.backend()
		e := task(1, strings.Repeat("long title & ", 100), backend.Todo)
		e.Task.Body = strings.Repeat("words of a body ", 1000)
		ref := l.do(b, e)
		ts := strings.TrimPrefix(string(ref), "C0TASKS/")
		text := func() string {
			return l.s.Find("C0TASKS", ts).Text + " " + strings.Join(written(l.s.Messages("C0TASKS", ts)), " ")
		}
		if n := strings.Count(text(), "words of a body"); n != 1000 {
			t.Errorf("of 1000 there are %d", n)
		}
		e.Kind, e.ID, e.Thread = backend.Update, id(2), ref
		e.Task.State, e.Task.Body = backend.Done, strings.Repeat("other words ", 1000)
		l.do(b, e)
		l.do(b, e)
		if n := strings.Count(text(), "other words"); n != 1000 {
			t.Errorf("of 1000 there are %d", n)
		}
		if news := l.s.Messages("C0TASKS", ts); news[len(news)-1].Text != "*[DONE]*" {
			t.Errorf("%q", news[len(news)-1].Text)
		}
	})
}

// What stands in the channel for tasks and is none: what agents and other apps say there, answers, what Slack says.
func TestNoTask(t *testing.T) {
	inBubble(t, func(l *lab) {
		b, _ := l.start()
		said := post(1, "I go for lunch")
		said.Channel = "tasks"
		ref := l.do(b, said)
		bot := slackstub.Message{Bot: "B7", App: "A7", Username: "CI", Subtype: "bot_message", Text: "red"}
		red := l.s.Post("C0TASKS", bot)
		gone := l.s.Post("C0TASKS", slackstub.Message{Subtype: "tombstone", User: "USLACKBOT", Text: "This message was deleted."})
		answer := l.s.Say("U1", "C0TASKS", red, "[TODO] mend it")
		for _, ts := range []string{strings.TrimPrefix(string(ref), "C0TASKS/"), red, gone, answer} {
			l.s.React("U1", "C0TASKS", ts, "white_check_mark", true)
		}
		bot.Text = "[TODO] red again"
		l.s.Post("C0TASKS", bot)
		l.settle(2 * seldom)
		var got []string
		for _, e := range l.inbox.events {
			got = append(got, fmt.Sprintf("%s %s%s", e.Kind, e.Text, e.Task.Title))
		}
		want := []string{"post I go for lunch", "post red", "post [TODO] mend it", "create [TODO] red againred again"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Another host is told of a task's text when it is another one. What Slack shows of it is not handed back for it.
func TestTextOfATask(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.start()
		b := l.backend()
		e := task(1, "build", backend.Todo)
		e.Task.Body = "**all** of it"
		ref := l.do(b, e)
		l.settle(time.Minute)
		for n, body := range []string{e.Task.Body, "*more*", "*more*"} {
			e.ID, e.Kind, e.Thread, e.Task.Body = id(2+n), backend.Update, ref, body
			e.Task.State = []backend.State{backend.InProgress, backend.InProgress, backend.Blocked}[n]
			l.do(b, e)
			l.settle(time.Minute)
		}
		want := []string{
			"create build|*all* of it|todo| by Max", "update |||in_progress| by Max", "update build|_more_|in_progress| by Max",
			"update |||blocked| by Max",
		}
		for i := range want {
			want[i] = strings.Replace(want[i], "update |||", "update ||", 1)
		}
		if diff := cmp.Diff(want, happened(l.inbox, true)); diff != "" {
			t.Error(diff)
		}
	})
}

// A person's task that agents gave another text keeps it when somebody reacts.
func TestTextOfAPerson(t *testing.T) {
	inBubble(t, func(l *lab) {
		b, _ := l.start()
		ts := l.s.Say("U1", "C0TASKS", "", "build\nsoon")
		e := task(1, "build the engine", backend.Blocked)
		e.Kind, e.Thread, e.Task.Body = backend.Update, backend.Ref("C0TASKS/"+ts), "by noon"
		l.do(b, e)
		e.ID, e.Task.State = id(2), backend.InProgress
		l.do(b, e)
		l.settle(time.Minute)
		want := []string{"by noon", "*[BLOCKED]* build the engine", "*[IN PROGRESS]* build the engine"}
		if diff := cmp.Diff(want, written(l.s.Messages("C0TASKS", ts))); diff != "" {
			t.Error(diff)
		}
		l.s.React("U1", "C0TASKS", ts, "white_check_mark", true)
		l.settle(time.Minute)
		l.s.Edit("C0TASKS", ts, "build\nlater")
		l.settle(time.Minute)
		l.s.React("U2", "C0TASKS", ts, "no_entry", true)
		l.settle(time.Minute)
		got := happened(l.inbox, false)[1:]
		wantEvents := []string{
			"update ||done| by Grace", "update build|later|in_progress| by Grace", "update build|later|blocked| by bob",
		}
		if diff := cmp.Diff(wantEvents, got[:]); diff != "" {
			t.Error(diff)
		}
	})
}

// An update that was made is not made once more, after another one.
func TestUpdateAgain(t *testing.T) {
	inBubble(t, func(l *lab) {
		b := l.backend()
		ref := l.do(b, task(1, "build", backend.Todo))
		blocked, done := task(2, "build", backend.Blocked), task(3, "build", backend.Done)
		for _, e := range []*backend.Effect{&blocked, &done, &blocked} {
			e.Kind, e.Thread = backend.Update, ref
			l.do(l.backend(), *e)
		}
		m := l.s.Find("C0TASKS", strings.TrimPrefix(string(ref), "C0TASKS/"))
		if !strings.HasPrefix(m.Text, "[DONE]") || fmt.Sprint(m.Reactions) != "[{white_check_mark [UFLEET]}]" {
			t.Errorf("%+v", m)
		}
	})
}

// A reaction to a task that is long past comes, though Slack cannot be asked at once, when it has told of it.
func TestReactionToOldTask(t *testing.T) {
	inBubble(t, func(l *lab) {
		ts := l.s.Say("U1", "C0TASKS", "", "build")
		l.s.Fill("U1", "C0TASKS", many(2*glance, "task %d")...)
		l.settle(time.Hour)
		l.s.Say("U1", "C0TASKS", "", "the last one")
		l.start()
		before := len(l.inbox.of("tasks"))
		l.s.Go(slackstub.Wrong{Method: "conversations.history", Status: 500},
			slackstub.Wrong{Method: "conversations.replies", Status: 500})
		l.s.React("U2", "C0TASKS", ts, "white_check_mark", true)
		l.settle(3 * seldom)
		if diff := cmp.Diff([]string{"update build||done| by bob"}, happened(l.inbox, false)[before:]); diff != "" {
			t.Error(diff)
		}
	})
}
