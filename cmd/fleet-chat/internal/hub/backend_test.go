package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// distant is a chat that people read at a backend, but for channel cell.
func distant() *chat.Config {
	c := sample()
	c.Backend = chat.Backend{Kind: chat.GitHub, Repo: "a/b", Token: "TOKEN"}
	for i := range c.Channels {
		if c.Channels[i].Key != "cell" {
			c.Channels[i].ID = "id-" + c.Channels[i].Key
		}
	}
	c.Trusted = []string{"U1"}
	return c
}

var (
	operator = backend.Person{ID: "U1", Name: "Olga"}
	stranger = backend.Person{ID: "U9", Name: "Olga"}
)

// shows waits until messages are shown in a channel.
func (l *lab) shows(f *far, channel string, want ...string) {
	l.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		d := cmp.Diff(want, f.shown(channel))
		if d == "" {
			return
		}
		if time.Now().After(end) {
			l.t.Fatal(d)
		}
	}
}

// An outage loses nothing and changes no order, over restarts too, and what was shown is not shown again.
func TestOutage(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "general", Text: "0"})))
	l.shows(f, "general", " 0")
	f.set(func() { f.down = true })
	want := []string{" 0"}
	for i := 1; i < 20; i++ {
		check(t, ignore(l.Agent("lead").Post(Post{Channel: "general", Text: fmt.Sprint(i)})))
		want = append(want, fmt.Sprint(" ", i))
		if i%5 == 0 {
			l.restart()
		}
	}
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "cell", Text: "only here"})))
	f.set(func() { f.down = false })
	l.restart()
	l.shows(f, "general", want...)
	l.restart()
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "lead", Text: "last"})))
	l.shows(f, "lead", " last")
	l.shows(f, "general", want...)
	if got := f.shown("cell"); len(got) != 0 {
		t.Errorf("shown: %q", got)
	}
	if got := l.said("general", ""); len(got) != 20 {
		t.Errorf("echoes are stored: %q", got)
	}
}

// The process ends while the backend does not answer: what it was asked for is asked for again.
func TestEndWhileItHangs(t *testing.T) {
	f := newFar(t)
	f.hangs = true
	l := newLab(t, distant(), f)
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "general", Text: "0"})))
	for range 3 {
		time.Sleep(10 * time.Millisecond) // it may be asked
		l.restart()
	}
	f.set(func() { f.hangs = false })
	l.restart()
	l.shows(f, "general", " 0")
}

// The process ends when something was brought about and before that is noted: it is not brought about twice.
func TestEndAfterEachEffect(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	made, err := l.Agent("lead").CreateTask(NewTask{Title: "x"})
	check(t, err)
	var want []string
	for i := range 10 {
		var once sync.Once
		dead := make(chan struct{})
		f.set(func() {
			f.after = func() { once.Do(func() { go l.ended(); close(dead) }); time.Sleep(time.Millisecond) }
		})
		check(t, ignore(l.Agent("lead").Post(Post{Channel: "tasks", Thread: "task-1", Text: fmt.Sprint(i)})))
		select {
		case <-dead:
		case <-time.After(30 * time.Second):
			t.Fatal("nothing was brought about")
		}
		f.set(func() { f.after = nil })
		l.restart()
		want = append(want, fmt.Sprint("far-1 ", i))
	}
	l.shows(f, "tasks", want...)
	if got := f.tasks(); len(got) != 1 || made.Number != 1 {
		t.Errorf("%q", got)
	}
}

// What people write is stored once, in order, for whom it is, with whether they are trusted, whatever is repeated.
func TestPeople(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	post, err := l.Agent("worker").Post(Post{Channel: "general", Text: "who?"})
	check(t, err)
	l.shows(f, "general", " who?")
	event := func(e backend.Event) { f.person(e); l.restart() }
	event(backend.Event{Channel: "general", From: operator, Text: "one\x00\x1b[2J @lead", Time: l.clock()})
	event(backend.Event{Channel: "general", From: stranger, Text: "do as I say", Time: time.Now().Add(24 * time.Hour)})
	event(backend.Event{Channel: "general", Thread: "far-1", From: operator, Text: "me"})
	event(backend.Event{Channel: "general", Thread: "elsewhere", From: stranger, To: []string{"cell", "nobody", "lead"}, Text: "in a thread"})
	event(backend.Event{Channel: "general", Thread: "elsewhere", From: stranger, Text: strings.Repeat("x", 5000)})
	event(backend.Event{Channel: "lead", From: backend.Person{ID: "B1", Name: "CI", Bot: true}, Text: "red"})
	eventually(t, "all is stored", func() bool { return len(l.said("lead", "")) == 1 && len(l.said("general", "")) == 6 })
	all, _, err := l.store.History("general", "", 0, store.Bounds{Messages: 100, Bytes: 1 << 20})
	check(t, err)
	var got []string
	for _, m := range all[1:] {
		got = append(got, fmt.Sprintf("%s %t %v %s %.30s %t", m.From.ID, m.From.Untrusted, m.To, m.Thread, m.Text, m.Cut))
		if m.Time.After(l.clock()) || m.Seq <= post.Seq {
			t.Errorf("%v", m)
		}
	}
	want := []string{
		"U1 false [lead]  one[2J @lead false",
		"U9 true []  do as I say false",
		"U1 false [worker] message-1 me false",
		"U9 true [lead] thread-1 in a thread false",
		"U9 true [] thread-1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx true",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	waiting := map[string]string{}
	for _, key := range []string{"lead", "worker", "cell"} {
		talks, err := l.Agent(key).Conversations()
		check(t, err)
		for _, w := range talks {
			waiting[key] += fmt.Sprint(w.Channel, "/", w.Thread, " ", w.Untrusted, "; ")
		}
	}
	if d := cmp.Diff(map[string]string{"lead": "general/message-2 false; general/thread-1 true; ", "worker": "general/message-1 false; "}, waiting); d != "" {
		t.Error(d)
	}
	// The answer goes to where the question is.
	check(t, ignore(l.Agent("lead").Answer(Answer{Channel: "general", Thread: "thread-1", Seen: 5, Text: "no"})))
	check(t, ignore(l.Agent("lead").Answer(Answer{Channel: "general", Thread: "message-2", Seen: 2, Text: "yes"})))
	l.shows(f, "general", " who?", "elsewhere no", "ref-event-1 yes")
}

// Strangers wake an agent now and then, operators always; and strangers fill the agent's conversations with no more than
// their share.
func TestStrangers(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	for i := range 30 {
		f.person(backend.Event{Channel: "lead", From: stranger, Text: fmt.Sprint(i)})
	}
	f.person(backend.Event{Channel: "lead", From: operator, Text: "o"})
	eventually(t, "all is stored", func() bool { return len(l.said("lead", "")) == 31 })
	var got []string
	eventually(t, "the operator wakes", func() bool {
		for _, w := range l.wakes("lead") {
			got = append(got, fmt.Sprint(w.Untrusted))
		}
		return len(got) == 2
	})
	if d := cmp.Diff([]string{"true", "false"}, got); d != "" {
		t.Error(d)
	}
	talks, err := l.Agent("lead").Conversations()
	check(t, err)
	if len(talks) != 11 || talks[10].Untrusted || talks[0].Last != 21 {
		t.Errorf("%v", talks)
	}
}

// What a person writes to a bot is for that agent alone, and answered there.
func TestDirect(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	f.person(backend.Event{Channel: "@lead", Thread: "dm-1", From: operator, To: []string{"lead"}, Text: "to lead"})
	f.person(backend.Event{Channel: "", Thread: "dm-2", From: operator, To: []string{"worker"}, Text: "to worker"})
	f.person(backend.Event{Channel: "@", Thread: "dm-3", From: operator, Text: "hello @worker"})
	f.person(backend.Event{Channel: "@", Thread: "dm-3", From: operator, Text: "again"})
	f.person(backend.Event{Channel: "@", Thread: "dm-4", From: operator, Text: "anybody?"})
	eventually(t, "all is stored", func() bool {
		return len(l.said("@lead", "")) == 1 && len(l.said("@worker", "")) == 3 && len(l.said("general", "")) == 1
	})
	l.restart()
	for i, thread := range []string{"thread-2", "thread-3"} {
		check(t, ignore(l.Agent("worker").Answer(Answer{Channel: "@worker", Thread: thread, Seen: int64(i + 1), Text: "yes"})))
	}
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "@lead", Thread: "thread-1", Text: "well"})))
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "general", Thread: "thread-4", Text: "me"})))
	l.shows(f, "", "dm-2 yes")
	l.shows(f, "@", "dm-3 yes", "dm-4 me")
	l.shows(f, "@lead", "dm-1 well")
	if _, err := l.Agent("lead").Read([]string{"@worker"}, nil, 10); !refusedWith(err, "there is no channel") {
		t.Errorf("%v", err)
	}
	if _, err := l.Agent("lead").Post(Post{Channel: "@lead", Text: "to whom?"}); !refusedWith(err, "in the thread of one") {
		t.Errorf("%v", err)
	}
	r, err := l.Agent("lead").Read(nil, nil, 10)
	check(t, err)
	if d := cmp.Diff([]string{"to lead", "anybody?"}, texts(r.Messages)); d != "" {
		t.Error(d)
	}
	c, err := l.Operators().Chat()
	check(t, err)
	if c.Channels[0].Key != "@lead" || c.Channels[1].Key != "@worker" || c.Channels[2].Key != "alerts" {
		t.Errorf("%v", c.Channels)
	}
}

// What a backend will never show is told to people on this host, and what comes behind it is shown.
func TestFinalError(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	f.set(func() { f.final = errors.New("too rude") })
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "general", Text: "bad"})))
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "general", Thread: "message-1", Text: "good"})))
	l.shows(f, "general", " good")
	eventually(t, "an alert", func() bool { return strings.Contains(strings.Join(l.said("alerts", ""), " "), "too rude") })
}

// A backend that refuses us is told of, and the chat goes on.
func TestRefused(t *testing.T) {
	f := newFar(t)
	f.refuse = errors.New("the token was revoked")
	l := newLab(t, distant(), f)
	eventually(t, "an alert", func() bool { return strings.Contains(strings.Join(l.said("alerts", ""), " "), "revoked") })
	check(t, ignore(l.Agent("lead").Post(Post{Channel: "general", Text: "here"})))
}

// Tasks are the same here and there, whoever changes them.
func TestTasksThere(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	ctx := context.Background()
	check(t, ignore(l.Agent("lead").CreateTask(NewTask{Title: "mine", Body: "b"})))
	eventually(t, "it is shown", func() bool { return len(f.tasks()) == 1 })
	f.person(backend.Event{Kind: backend.Create, Channel: "tasks", Ref: "issue-7", From: operator, Task: backend.Task{Title: "theirs", State: backend.Todo}})
	f.person(backend.Event{Kind: backend.Create, Channel: "tasks", Ref: "issue-8", From: stranger, Task: backend.Task{Title: "evil", Body: "obey", State: backend.Todo}})
	f.person(backend.Event{Kind: backend.Update, Channel: "tasks", Thread: "far-1", From: operator, Task: backend.Task{Title: "mine!", Body: "", State: backend.Blocked, Assignee: "worker"}})
	f.person(backend.Event{Channel: "tasks", Thread: "issue-7", From: operator, Text: "please"})
	list := func() (out []string) {
		all, _, err := l.store.Tasks(store.Filter{States: chat.States, Limit: 10})
		check(t, err)
		for _, k := range all {
			out = append(out, fmt.Sprint(k.Number, k.Title, k.Body, k.State, k.Assignee, k.Untrusted))
		}
		return out
	}
	l.restart()
	want := []string{"2theirstodofalse", "3evilobeytodotrue", "1mine!blockedworkerfalse"}
	eventually(t, "all is taken", func() bool { return cmp.Diff(want, list()) == "" && len(l.said("tasks", "task-2")) == 2 })
	if w := l.wakes("worker"); len(w) == 0 {
		t.Error("the assignee is not woken")
	}
	got, err := l.Agent("worker").ClaimTask(ctx, 0)
	if err != nil || got.Number != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := l.Agent("worker").ClaimTask(ctx, 0); !refusedWith(err, "there is no task to do") {
		t.Errorf("what a stranger wants is chosen: %v", err)
	}
	if got, err := l.Agent("worker").ClaimTask(ctx, 3); err != nil || !got.Untrusted {
		t.Errorf("%v, %v", got, err)
	}
	check(t, ignore(l.Agent("worker").UpdateTask(2, TaskChange{State: ptr(chat.Done), Note: "done it"})))
	l.shows(f, "tasks", "issue-7 the task is done\n\ndone it")
	wantThere := []string{
		"create far-1 mine todo ", "update far-1 mine! blocked worker", "update issue-7 theirs in_progress worker",
		"update issue-8 evil in_progress worker", "update issue-7 theirs done worker",
	}
	if d := cmp.Diff(wantThere, f.tasks()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"created the task: theirs", "please", "claimed the task", "the task is done\n\ndone it"}, l.said("tasks", "task-2")); d != "" {
		t.Error(d)
	}
}

// What was changed here and is not shown yet stands, whatever the backend tells of before.
func TestOwnChangeStands(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	check(t, ignore(l.Agent("lead").CreateTask(NewTask{Title: "x"})))
	eventually(t, "it is shown", func() bool { ref, waits, err := l.store.TaskRef(1); return err == nil && ref != "" && !waits })
	f.set(func() { f.down = true })
	check(t, ignore(l.Agent("lead").UpdateTask(1, TaskChange{State: ptr(chat.Blocked), Title: ptr("y")})))
	f.person(backend.Event{
		Kind: backend.Update, Channel: "tasks", Thread: "far-1", From: operator, Task: backend.Task{Title: "x", State: backend.Todo},
	})
	f.person(backend.Event{Channel: "tasks", Thread: "far-1", From: operator, Text: "then"})
	eventually(t, "it is taken", func() bool { return slices.Contains(l.said("tasks", "task-1"), "then") })
	if got, err := l.store.Task(1); err != nil || got.State != chat.Blocked || got.Title != "y" {
		t.Errorf("%v, %v", got, err)
	}
	f.set(func() { f.down = false })
	eventually(t, "it is shown", func() bool { return len(f.tasks()) == 2 && f.tasks()[1] == "update far-1 y blocked " })
}

// Of agents on two hosts one gets each task, whatever ends when; and a task that was given back can be had again.
func TestClaimsAcrossHosts(t *testing.T) {
	f := newFar(t)
	a, b := newLab(t, distant(), f), newLab(t, distant(), f)
	const tasks = 30
	for i := range tasks {
		f.person(backend.Event{
			Kind: backend.Create, Channel: "tasks", Ref: backend.Ref(fmt.Sprint("issue-", i)), From: operator,
			Task: backend.Task{Title: fmt.Sprint(i), State: backend.Todo},
		})
	}
	for _, l := range []*lab{a, b} {
		eventually(t, "all are here", func() bool { n, _, _ := l.store.Tasks(store.Filter{Limit: 100}); return len(n) == tasks })
	}
	var mu sync.Mutex
	owner := map[string][]string{}
	var wg sync.WaitGroup
	for _, host := range []struct {
		name string
		l    *lab
	}{{"a", a}, {"b", b}} {
		for _, key := range []string{"lead", "worker"} {
			wg.Go(func() {
				for {
					got, err := host.l.Agent(key).ClaimTask(context.Background(), 0)
					if refusedWith(err, "there is no task to do") {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					owner[got.Title] = append(owner[got.Title], host.name+key)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	for title, who := range owner {
		if len(who) != 1 {
			t.Errorf("task %s is of %v", title, who)
		}
	}
	if len(owner) != tasks {
		t.Errorf("%d were claimed", len(owner))
	}
	// One more round with a task that is given back.
	winner, loser := a, b
	if owner["0"][0][0] == 'b' {
		winner, loser = b, a
	}
	key := owner["0"][0][1:]
	if err := ignore(loser.Agent(key).ClaimTask(context.Background(), 1)); !IsRefused(err) {
		t.Errorf("the same key on another host: %v", err)
	}
	check(t, ignore(winner.Agent(key).UpdateTask(1, TaskChange{State: ptr(chat.Todo)})))
	eventually(t, "the other host knows", func() bool { k, err := loser.store.Task(1); return err == nil && k.State == chat.Todo })
	check(t, ignore(winner.Agent(key).ClaimTask(context.Background(), 1)))
	// Given back while the backend is away: who claims it waits until the claim of before is void there.
	f.set(func() { f.down = true })
	check(t, ignore(winner.Agent(key).UpdateTask(1, TaskChange{State: ptr(chat.Todo)})))
	claimed := make(chan error, 1)
	other := map[string]string{"lead": "worker", "worker": "lead"}[key]
	go func() { claimed <- ignore(winner.Agent(other).ClaimTask(context.Background(), 1)) }()
	time.Sleep(20 * time.Millisecond) // it may ask
	f.set(func() { f.down = false })
	check(t, <-claimed)
	f.set(func() { f.down = true })
	if err := ignore(loser.Agent(key).ClaimTask(context.Background(), 1)); !IsRefused(err) {
		t.Errorf("%v", err)
	}
}

// What another host has done is noted and not done once more: done later than its next change, it would undo that.
func TestOtherHostsChangesAreNotRepeated(t *testing.T) {
	f := newFar(t)
	a, b := newLab(t, distant(), f), newLab(t, distant(), f)
	check(t, ignore(a.Agent("lead").CreateTask(NewTask{Title: "x"})))
	check(t, ignore(a.Agent("lead").ClaimTask(context.Background(), 1)))
	eventually(t, "the claim is shown", func() bool { return len(f.tasks()) == 2 })
	check(t, ignore(a.Agent("lead").UpdateTask(1, TaskChange{State: ptr(chat.Done)})))
	eventually(t, "the other host knows", func() bool { k, err := b.store.Task(1); return err == nil && k.State == chat.Done })
	for _, l := range []*lab{a, b} {
		eventually(t, "all is shown", func() bool { keys, err := l.store.Unshown(); return err == nil && len(keys) == 0 })
	}
	if d := cmp.Diff([]string{"create far-1 x todo ", "update far-1 x in_progress lead", "update far-1 x done lead"}, f.tasks()); d != "" {
		t.Error(d)
	}
}

// Restarts between a claim at the backend and its note here: the same agent gets the task when it asks again.
func TestClaimAfterRestart(t *testing.T) {
	f := newFar(t)
	l := newLab(t, distant(), f)
	check(t, ignore(l.Agent("lead").CreateTask(NewTask{Title: "x"})))
	id, err := l.store.ClaimID(1, "worker")
	check(t, err)
	eventually(t, "it is there", func() bool { return len(f.tasks()) == 1 })
	check(t, ignore(f.Claim(context.Background(), "far-1", backend.Claim{ID: id, Agent: "worker"})))
	l.restart()
	if err := ignore(l.Agent("lead").ClaimTask(context.Background(), 1)); !refusedWith(err, "of worker") {
		t.Errorf("%v", err)
	}
	check(t, ignore(l.Agent("worker").ClaimTask(context.Background(), 1)))
	check(t, ignore(l.Operators().UpdateTask(context.Background(), alice, 1, chatctl.Change{State: ptr(chat.Done)})))
}
