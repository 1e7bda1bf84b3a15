package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// refusedWith tells whether an error is a refusal with these words.
func refusedWith(err error, want string) bool {
	return err != nil && IsRefused(err) && strings.Contains(err.Error(), want)
}

// What an agent does not see it can neither read nor write nor call anybody in, and it is not told that it is there.
func TestBounds(t *testing.T) {
	l := newLab(t, sample(), nil)
	cell, hermit, lead := l.Agent("cell"), l.Agent("hermit"), l.Agent("lead")
	_, err := lead.Post(Post{Channel: "general", Text: "secret"})
	check(t, err)
	ctx := context.Background()
	title := "x"
	for name, f := range map[string]func() error{
		"read":        func() error { _, err := cell.Read([]string{"general"}, nil, 10); return err },
		"acknowledge": func() error { _, err := cell.Read(nil, store.Positions{"general": 1}, 10); return err },
		"history":     func() error { _, _, err := cell.History(Place{Channel: "general"}, 10); return err },
		"thread": func() error {
			_, _, err := cell.History(Place{Channel: "general", Thread: "message-1"}, 10)
			return err
		},
		"post": func() error { _, err := cell.Post(Post{Channel: "general", Text: "x"}); return err },
		"answer": func() error {
			_, err := cell.Answer(Answer{Channel: "general", Thread: "message-1", Text: "x"})
			return err
		},
		"tasks":   func() error { _, _, err := cell.Tasks(store.Filter{Limit: 1}); return err },
		"task":    func() error { _, err := cell.Task(1); return err },
		"create":  func() error { _, err := cell.CreateTask(NewTask{Title: "x"}); return err },
		"claim":   func() error { _, err := cell.ClaimTask(ctx, 0); return err },
		"update":  func() error { _, err := cell.UpdateTask(1, TaskChange{Title: &title}); return err },
		"lessons": func() error { _, _, err := cell.Lessons(0, 1); return err },
		"lesson":  func() error { _, err := cell.AddLesson("x", ""); return err },
		"hermit":  func() error { _, err := hermit.Post(Post{Channel: "cell", Text: "x"}); return err },
		"bot":     func() error { _, err := lead.Post(Post{Channel: "@lead", Thread: "thread-1", Text: "x"}); return err },
		"nowhere": func() error { _, err := lead.Post(Post{Channel: "nowhere", Text: "x"}); return err },
	} {
		if err := f(); !refusedWith(err, "there is no channel") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := hermit.Read(nil, nil, 10)
	if err != nil || len(r.Messages) != 0 {
		t.Errorf("%v, %v", r, err)
	}
	for _, to := range []string{"cell", "nobody"} {
		if _, err := lead.Post(Post{Channel: "general", Text: "x", To: []string{to}}); !refusedWith(err, "there is no agent") {
			t.Errorf("%s: %v", to, err)
		}
		if _, err := lead.CreateTask(NewTask{Title: "x", Assignee: to}); !refusedWith(err, "there is no agent") {
			t.Errorf("%s: %v", to, err)
		}
	}
	check(t, ignore(lead.Post(Post{Channel: "general", Text: "@cell and @hermit"}))) // only text
	if w := append(l.wakes("cell"), l.wakes("hermit")...); len(w) != 0 {
		t.Errorf("woken: %v", w)
	}
	all, _, err := cell.Overview("", 10)
	check(t, err)
	want := []Channel{{Key: "cell", Own: true, Agents: []string{"lead", "worker"}}}
	if d := cmp.Diff(want, all); d != "" {
		t.Error(d)
	}
}

func ignore[T any](_ T, err error) error { return err }

func TestWakes(t *testing.T) {
	l := newLab(t, sample(), nil)
	lead, worker := l.Agent("lead"), l.Agent("worker")
	operator := l.Operators()
	say := func(channel, thread, text string, to ...string) {
		t.Helper()
		_, err := operator.Post(context.Background(), alice, chatctl.NewMessage{Channel: channel, Thread: thread, Text: text, To: to})
		check(t, err)
	}
	for _, c := range []struct {
		name string
		do   func()
		want []string // reasons why lead is woken
	}{
		{"nobody", func() { say("general", "", "hello") }, nil},
		{"word", func() { say("general", "", "mail lead@example.org, x@lead, /@lead") }, nil},
		{"mention", func() { say("general", "", "well, @Lead: look") }, []string{"mention"}},
		{"twice", func() { say("general", "", "@lead @lead", "lead") }, []string{"mention"}},
		{"named", func() { say("general", "", "look", "lead") }, []string{"mention"}},
		{"own channel", func() { say("lead", "", "look") }, []string{"channel"}},
		{"agent", func() { check(t, ignore(worker.Post(Post{Channel: "general", Text: "@lead!"}))) }, []string{"mention"}},
		{"agent, own channel", func() { check(t, ignore(worker.Post(Post{Channel: "lead", Text: "x"}))) }, []string{"channel"}},
		{"itself", func() { check(t, ignore(lead.Post(Post{Channel: "lead", Text: "@lead"}))) }, nil},
		{"its thread", func() {
			m, err := lead.Post(Post{Channel: "general", Text: "who knows?"})
			check(t, err)
			say("general", fmt.Sprint("message-", m.Seq), "I do")
		}, []string{"thread"}},
		{"its thread, of an agent", func() {
			m, err := lead.Post(Post{Channel: "general", Text: "who knows?"})
			check(t, err)
			check(t, ignore(worker.Post(Post{Channel: "general", Thread: fmt.Sprint("message-", m.Seq), Text: "I do"})))
		}, nil}, // else two would answer each other for ever
	} {
		c.do()
		var got []string
		for _, w := range l.wakes("lead") {
			got = append(got, w.Reason)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// People's messages wait for an answer until it is there, over restarts; one answer is said once, and what comes meanwhile
// goes on to wait.
func TestConversations(t *testing.T) {
	l := newLab(t, sample(), nil)
	say := func(channel, thread, text string) chat.Message {
		t.Helper()
		m, err := l.Operators().Post(context.Background(), alice, chatctl.NewMessage{Channel: channel, Thread: thread, Text: text})
		check(t, err)
		return m
	}
	waiting := func(key string) (out []string) {
		t.Helper()
		all, err := l.Agent(key).Conversations()
		check(t, err)
		for _, w := range all {
			out = append(out, fmt.Sprint(w.Channel, " ", w.Thread, " ", w.Last))
		}
		return out
	}
	m := say("lead", "", "how are you?")
	say("general", "", "@worker and @lead, hello")
	check(t, ignore(l.Agent("worker").Post(Post{Channel: "lead", Text: "an agent waits for nothing"})))
	l.restart()
	if d := cmp.Diff([]string{"lead message-1 1", "general message-1 1"}, waiting("lead")); d != "" {
		t.Error(d)
	}
	eventually(t, "it is woken after the restart", func() bool {
		return slices.ContainsFunc(l.wakes("lead"), func(w chat.Wake) bool {
			return w.Reason == chat.WakeThread && w.Channel == "lead" && w.Thread == "message-1" && w.Message == 1
		})
	})
	seen := m.Seq
	late := say("lead", "message-1", "and the family?")
	for range 2 {
		a, err := l.Agent("lead").Answer(Answer{Channel: "lead", Thread: "message-1", Seen: seen, Text: "fine\x1b[31m"})
		if err != nil || a.Text != "fine[31m" {
			t.Errorf("%v, %v", a, err)
		}
		l.restart()
	}
	if d := cmp.Diff([]string{"and the family?", "fine[31m"}, l.said("lead", "message-1")); d != "" {
		t.Error(d)
	}
	want := []string{"general message-1 1", fmt.Sprint("lead message-1 ", late.Seq)}
	if d := cmp.Diff(want, waiting("lead")); d != "" {
		t.Error(d)
	}
	for _, a := range []Answer{
		{Channel: "general", Thread: "message-1", Seen: 1}, // nothing to say
		{Channel: "lead", Thread: "message-1", Seen: late.Seq, Text: strings.Repeat("ä", 4096)},
	} {
		got, err := l.Agent("lead").Answer(a)
		if err != nil || got != nil && (len(got.Text) != 4096 || !got.Cut) {
			t.Errorf("%v, %v", got, err)
		}
	}
	if d := cmp.Diff([]string(nil), waiting("lead")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"general message-1 1"}, waiting("worker")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{}, l.said("general", "message-1")); d != "" {
		t.Error(d)
	}
	for _, a := range []Answer{{Channel: "lead", Thread: "x"}, {Channel: "lead", Thread: "message-77", Text: "x"}, {Channel: "nowhere"}} {
		if _, err := l.Agent("lead").Answer(a); !IsRefused(err) {
			t.Errorf("%v: %v", a, err)
		}
	}
}

// What an agent writes too often is refused, whatever it writes, and no other agent feels it.
func TestRate(t *testing.T) {
	c := sample()
	c.Limits.PostsPerMinute = 3
	l := newLab(t, c, nil)
	lead := l.Agent("lead")
	check(t, ignore(lead.Post(Post{Channel: "general", Text: "1"})))
	check(t, ignore(lead.AddLesson("2", "")))
	check(t, ignore(lead.CreateTask(NewTask{Title: "3"})))
	done := chat.Done
	for name, f := range map[string]func() error{
		"post":   func() error { return ignore(lead.Post(Post{Channel: "general", Text: "x"})) },
		"lesson": func() error { return ignore(lead.AddLesson("x", "")) },
		"create": func() error { return ignore(lead.CreateTask(NewTask{Title: "x"})) },
		"claim":  func() error { return ignore(lead.ClaimTask(context.Background(), 1)) },
		"update": func() error { return ignore(lead.UpdateTask(1, TaskChange{State: &done})) },
		"answer": func() error { return ignore(lead.Answer(Answer{Channel: "general", Thread: "message-1", Text: "x"})) },
	} {
		if err := f(); !refusedWith(err, "at most 3 writes a minute") {
			t.Errorf("%s: %v", name, err)
		}
	}
	check(t, ignore(l.Agent("worker").Post(Post{Channel: "general", Text: "x"})))
	check(t, ignore(lead.Read(nil, nil, 10)))
}

func TestTextsThatAreRefused(t *testing.T) {
	l := newLab(t, sample(), nil)
	lead := l.Agent("lead")
	long := strings.Repeat("x", 4097)
	for want, f := range map[string]func() error{
		"text must not be empty":                 func() error { return ignore(lead.Post(Post{Channel: "general", Text: " \x00\u202e\n"})) },
		"text must have at most 4096 bytes":      func() error { return ignore(lead.Post(Post{Channel: "general", Text: long})) },
		"body must have at most 4096 bytes":      func() error { return ignore(lead.CreateTask(NewTask{Title: "x", Body: long})) },
		"note must have at most 4096 bytes":      func() error { return ignore(lead.UpdateTask(1, TaskChange{Note: long})) },
		"title must not be empty":                func() error { return ignore(lead.CreateTask(NewTask{Title: "\t"})) },
		"title must have at most 256 characters": func() error { return ignore(lead.CreateTask(NewTask{Title: long})) },
		"there is no thread":                     func() error { return ignore(lead.Post(Post{Channel: "general", Thread: "message-9", Text: "x"})) },
		"write in the thread of one":             func() error { return ignore(lead.Post(Post{Channel: "tasks", Text: "x"})) },
		"there is no task 7":                     func() error { return ignore(lead.UpdateTask(7, TaskChange{Note: "x"})) },
		"at most 100 agents":                     func() error { return ignore(lead.Post(Post{Channel: "general", Text: "x", To: make([]string, 101)})) },
	} {
		if err := f(); !refusedWith(err, want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if got := l.said("general", ""); len(got) != 0 {
		t.Errorf("said: %q", got)
	}
}

// Alerts that come often are told at most a few times, counted, and none is forgotten over restarts.
func TestAlertsAreGrouped(t *testing.T) {
	l := newLab(t, sample(), nil)
	raise := func(text string) bool {
		t.Helper()
		m, err := l.Operators().Alert(context.Background(), chatctl.Alert{Channel: chat.Alerts, Text: text})
		check(t, err)
		return m != nil
	}
	for i := range 50 {
		if told := raise("lead is stalled"); told != (i == 0) {
			t.Errorf("alert %d told: %t", i, told)
		}
		if i%10 == 0 {
			l.restart()
		}
	}
	for i := range 40 {
		raise(fmt.Sprint("agent ", i, " is dead\nat noon"))
	}
	if got := l.said("alerts", ""); len(got) != 6 {
		t.Errorf("%q", got)
	}
	l.pass(2 * time.Minute)
	check(t, l.tellAlerts())
	got := l.said("alerts", "")
	last := strings.Split(got[len(got)-1], "\n")
	if len(got) != 7 || len(last) != 36 || last[0] != "49 × lead is stalled" || last[1] != "1 × agent 5 is dead …" {
		t.Errorf("%d: %q", len(got), got)
	}
	check(t, l.tellAlerts()) // nothing
	l.pass(time.Hour)
	check(t, l.tellAlerts())
	if !raise("lead is stalled") || len(l.said("alerts", "")) != 8 {
		t.Error("after an hour it is not told")
	}
	for i := range 300 { // a flood of different ones
		raise(fmt.Sprint("flood ", i))
	}
	l.pass(time.Hour)
	check(t, l.tellAlerts())
	got = l.said("alerts", "")
	if !strings.Contains(got[len(got)-1], "× other alerts") {
		t.Errorf("%q", got[len(got)-1])
	}
	m, err := l.Operators().Alert(context.Background(), chatctl.Alert{Channel: "general", Text: "done", Key: "k"})
	if err != nil || m == nil || m.From.Kind != chat.KindFleet {
		t.Errorf("%v, %v", m, err)
	}
}

// Tasks change hands only as they may.
func TestTasks(t *testing.T) {
	l := newLab(t, sample(), nil)
	ctx := context.Background()
	lead, worker, people := l.Agent("lead"), l.Agent("worker"), l.Operators()
	state := func(s string) TaskChange { return TaskChange{State: &s} }
	forWhom := func(key string) TaskChange { return TaskChange{Assignee: &key} }
	made, err := lead.CreateTask(NewTask{Title: "build\nit", Body: "well", Key: "k"})
	check(t, err)
	if again, err := lead.CreateTask(NewTask{Title: "build", Key: "k"}); err != nil || cmp.Diff(made, again) != "" {
		t.Errorf("%v, %v", again, err)
	}
	if w := l.wakes("worker"); len(w) != 1 || w[0].Reason != chat.WakeTask || w[0].Task != 1 {
		t.Errorf("%v", w)
	}
	if made.Title != "build it" || made.State != chat.Todo {
		t.Errorf("%v", made)
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"not mine":        {ignore(worker.UpdateTask(1, state(chat.Done))), "task 1 is of nobody: claim it"},
		"without a claim": {ignore(lead.UpdateTask(1, state(chat.InProgress))), "task 1 is todo: claim it"},
		"no state":        {ignore(lead.UpdateTask(1, state("gone"))), "state must be one of"},
		"no agent":        {ignore(people.ClaimTask(ctx, alice, 1, "nobody")), "there is no agent"},
		"not here":        {ignore(people.ClaimTask(ctx, alice, 1, "hermit")), "does not see"},
		"same name":       {ignore(people.ClaimTask(ctx, chat.Author{Kind: chat.KindPerson, ID: "local", Name: "lead"}, 1, "")), "an agent has your name"},
	} {
		if !refusedWith(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	check(t, ignore(worker.ClaimTask(ctx, 0)))
	if err := ignore(lead.ClaimTask(ctx, 1)); !refusedWith(err, "task 1 is in_progress, of worker") {
		t.Errorf("%v", err)
	}
	check(t, ignore(worker.UpdateTask(1, TaskChange{State: ptr(chat.Blocked), Note: "need a key"})))
	check(t, ignore(people.UpdateTask(ctx, alice, 1, chatctl.Change{Note: "here it is"})))
	if w := l.wakes("worker"); len(w) != 1 || w[0].Thread != "task-1" {
		t.Errorf("%v", w)
	}
	check(t, ignore(worker.UpdateTask(1, state(chat.InProgress))))
	check(t, ignore(worker.UpdateTask(1, state(chat.Todo)))) // given back: whoever
	check(t, ignore(lead.UpdateTask(1, forWhom("worker"))))
	if err := ignore(lead.ClaimTask(ctx, 1)); !refusedWith(err, "meant for worker") {
		t.Errorf("%v", err)
	}
	check(t, ignore(worker.ClaimTask(ctx, 1)))
	done, err := worker.UpdateTask(1, TaskChange{State: ptr(chat.Done), Note: "it is built"})
	if err != nil || done.State != chat.Done || done.Assignee != "worker" {
		t.Errorf("%v, %v", done, err)
	}
	want := []string{
		"created the task: build it", "claimed the task", "the task is blocked\n\nneed a key", "here it is",
		"the task is in progress, of worker", "the task is to do again", "the task is for worker", "claimed the task",
		"the task is done\n\nit is built",
	}
	if d := cmp.Diff(want, l.said("tasks", "task-1")); d != "" {
		t.Error(d)
	}
	if all, err := people.Tasks(chatctl.Filter{States: []string{chat.Done}, Limit: 10}); err != nil || len(all.Tasks) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func ptr[T any](v T) *T { return &v }

// A task for anybody wakes one agent after the other, not all at once, and nobody where it was claimed.
func TestOffers(t *testing.T) {
	c := sample()
	c.Agents = nil
	for i := range 10 {
		c.Agents = append(c.Agents, chat.Agent{Key: fmt.Sprint("a", i), Stdio: fmt.Sprint("s", i)})
	}
	l := newLab(t, c, nil)
	woken := func() (n int) {
		for i := range 10 {
			n += len(l.wakes(fmt.Sprint("a", i)))
		}
		return n
	}
	later := func() {
		l.offers.mu.Lock()
		for _, o := range l.offers.open {
			o.last = o.last.Add(-offerTime)
		}
		l.offers.mu.Unlock()
		l.offerAgain()
	}
	check(t, ignore(l.Agent("a3").CreateTask(NewTask{Title: "x"})))
	for i, want := range []int{1, 2, 4, 2, 0} { // not its maker
		if n := woken(); n != want {
			t.Errorf("round %d: %d", i, n)
		}
		later()
	}
	check(t, ignore(l.Agent("a3").CreateTask(NewTask{Title: "x"})))
	woken()
	check(t, ignore(l.Agent("a5").ClaimTask(context.Background(), 2)))
	later()
	if n := woken(); n != 0 {
		t.Errorf("%d are woken for a task that is claimed", n)
	}
	if n := len(l.offers.open); n != 0 {
		t.Errorf("%d are open", n)
	}
}

// 200 agents over 10,000 tasks: each is claimed once, none is lost.
func TestClaimRace(t *testing.T) {
	const agents, tasks = 200, 10_000
	c := sample()
	c.Agents = nil
	for i := range agents {
		c.Agents = append(c.Agents, chat.Agent{Key: fmt.Sprintf("a%03d", i), Stdio: fmt.Sprint("s", i)})
	}
	c.Limits.KeepMessages, c.Limits.PostsPerMinute = 100, chat.MaxPostsPerMinute
	l := newLab(t, c, nil)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range tasks / 100 {
				if _, _, err := l.store.CreateTask(chat.Task{Title: "x", State: chat.Todo}, "", false, store.Notice{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	mine := make([][]int64, agents)
	for i := range agents {
		wg.Go(func() {
			a := l.Agent(fmt.Sprintf("a%03d", i))
			for {
				got, err := a.ClaimTask(context.Background(), 0)
				if refusedWith(err, "there is no task to do") {
					return
				}
				if err != nil || got.Assignee != a.Key() {
					t.Error(got, err)
					return
				}
				mine[i] = append(mine[i], got.Number)
			}
		})
	}
	wg.Wait()
	owner := map[int64]string{}
	for i, numbers := range mine {
		for _, n := range numbers {
			if other, twice := owner[n]; twice {
				t.Fatalf("task %d is of %s and of agent %d", n, other, i)
			}
			owner[n] = fmt.Sprintf("a%03d", i)
		}
	}
	if len(owner) != tasks {
		t.Fatalf("%d were claimed", len(owner))
	}
	for n, key := range owner {
		if got, err := l.store.Task(n); err != nil || got.Assignee != key || got.State != chat.InProgress {
			t.Fatalf("%v, %v, want %s", got, err, key)
		}
	}
}
