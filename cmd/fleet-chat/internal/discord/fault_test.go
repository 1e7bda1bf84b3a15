package discord

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/discordstub"
	"fleet/schemas/chat"
)

// TestOnce proves that an effect is brought about once, whichever fault its requests meet, wherever, and though the
// process ends then and starts anew, when the nonces are forgotten.
func TestOnce(t *testing.T) {
	inForum := []discordstub.Fault{
		{Route: "POST /channels/ID/messages"},
		{Route: "POST /channels/ID/messages", Skip: 1},
		{Route: "POST /channels/ID/threads"},
		{Route: "PATCH /channels/ID"},
		{Route: "PUT /channels/ID/messages/ID/reactions"},
		{Route: "GET /channels/ID"},
	}
	inText := []discordstub.Fault{
		{Route: "POST /channels/ID/messages"}, {Route: "POST /channels/ID/messages/ID/threads"},
	}
	for _, sort := range discordstub.Sorts {
		t.Run(string(sort), func(t *testing.T) {
			inBoth(t, func(t *testing.T, l *lab) {
				l.s.Requests = 1000 // there are many processes within a short time
				faults := inForum
				if l.tasks == l.rooms {
					faults = inText
				}
				var tasks []string
				for _, f := range faults {
					f.Sort, f.After = sort, 20*time.Second
					tasks = append(tasks, l.once(f))
				}
				l.run(l.host()) // a title may come later
				for _, id := range tasks {
					l.looks(id, "[IN PROGRESS] one", "🚧")
				}
			})
		})
	}
}

// once has some effects brought about with a fault at the first tries, and returns the ID of their task.
func (l *lab) once(f discordstub.Fault) string {
	l.t.Helper()
	general := l.texts(l.general)
	threads := len(l.s.Threads(l.tasks))
	long := strings.Repeat("long ", 700)
	said := post(chat.General, "bob", long)
	l.faulty(f, said)
	task := backend.Task{Title: "one", Body: long, State: backend.Todo}
	ref := l.faulty(f, create("ada", task))
	task.State = backend.InProgress
	l.faulty(f, update(ref, "ada", task))
	l.faulty(f, inThread(post(chat.Tasks, "ada", "done soon"), ref))

	if got := len(l.texts(l.general)) - len(general); got != 2 {
		l.t.Errorf("%s at %s %d: %d messages", f.Sort, f.Route, f.Skip, got)
	}
	if got := len(l.s.Threads(l.tasks)) - threads; got != 1 {
		l.t.Errorf("%s at %s %d: %d tasks", f.Sort, f.Route, f.Skip, got)
	}
	var kinds strings.Builder
	for _, m := range l.s.Messages(l.thread(ref)) {
		if mk, _, _, ok := readMark(m.Content); ok {
			fmt.Fprint(&kinds, string(mk.kind), mk.part, " ")
		}
	}
	want := "t0 t1 s0 p0 "
	if l.tasks == l.rooms {
		want = "t1 s0 p0 " // the first one is in the channel
	}
	if got := kinds.String(); got != want {
		l.t.Errorf("%s at %s %d: messages %q, not %q", f.Sort, f.Route, f.Skip, got, want)
	}
	return l.thread(ref)
}

// faulty brings an effect about: a first try with a fault, and then others as after a new start.
func (l *lab) faulty(f discordstub.Fault, e backend.Effect) backend.Ref {
	l.t.Helper()
	l.s.Inject(f)
	ref, err := l.host().Do(context.Background(), e)
	var later *backend.Later
	switch {
	case err != nil && !errors.As(err, &later):
		l.t.Errorf("%s at %s: a final error: %v", f.Sort, f.Route, err)
	case err != nil:
		l.silent("an error", err.Error())
		time.Sleep(later.After)
	}
	l.s.Clear()
	l.s.ForgetNonces()
	l.s.Restarted()
	again := l.do(l.host(), e)
	if err == nil && again != ref {
		l.t.Errorf("%s: %s at first, then %s", e.Kind, ref, again)
	}
	return again
}

// TestKeepsTrying proves that the hub's way to try comes through without a new start, too.
func TestKeepsTrying(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		var want []string
		for _, sort := range discordstub.Sorts {
			for _, author := range []string{"ada", "bob", ""} {
				l.s.Inject(discordstub.Fault{Sort: sort, Route: "POST", After: 3 * time.Second, Times: 2})
				e := post(chat.General, author, string(sort))
				l.do(b, e)
				l.s.Clear()
				want = append(want, e.Text)
			}
			l.s.Inject(discordstub.Fault{Sort: sort, Route: "POST", After: 3 * time.Second})
			l.do(b, create("bob", backend.Task{Title: "one", State: backend.Todo}))
			l.s.Clear()
		}
		if n := len(l.s.Threads(l.tasks)); n != len(discordstub.Sorts) {
			t.Errorf("%d tasks", n)
		}
		var got []string
		for _, text := range l.texts(l.general) {
			got = append(got, strings.TrimPrefix(text, "**Bob**\n"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

// TestBucket proves that a bucket's requests are spread over its windows without a single 429, also when several write.
func TestBucket(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				for range 12 {
					l.do(b, post(chat.General, "bob", fmt.Sprint("from ", i)))
				}
			})
		}
		for range 20 {
			all.Go(func() {
				for err := error(&backend.Later{}); err != nil; time.Sleep(time.Second) {
					_, err = b.fleet.page(t.Context(), l.rooms, "before", "")
				}
			})
			time.Sleep(time.Millisecond) // the first one tells what the bucket is
		}
		all.Wait()
		if n := len(l.texts(l.general)); n != 36 {
			t.Errorf("%d messages", n)
		}
		if n := l.s.Refusals(); n > 0 {
			t.Errorf("%d times 429", n)
		}
	})
}

// TestPerSecond proves that a bot keeps to so many requests in a second, whatever they are for.
func TestPerSecond(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.s.Requests = 1000
		for range 4 {
			l.config.Channels = append(l.config.Channels, chat.Channel{
				Key: fmt.Sprint("c", len(l.config.Channels)), ID: l.s.AddChannel("more", discordstub.Text),
			})
		}
		b := l.host()
		var all sync.WaitGroup
		for _, ch := range b.channels[2:] {
			all.Go(func() {
				for range 60 {
					l.do(b, post(ch.key, "bob", "hello"))
				}
			})
		}
		all.Wait()
		if n := l.s.Refusals(); n > 0 {
			t.Errorf("%d times 429", n)
		}
	})
}

// TestTooMany proves what a 429 holds up: the bucket's requests, all of them, and for how long.
func TestTooMany(t *testing.T) {
	for _, c := range []struct {
		sort  discordstub.Sort
		other bool // another channel can be written to meanwhile
	}{
		{discordstub.Limited, true},
		{discordstub.Globally, false},
		{discordstub.Blocked, false},
	} {
		t.Run(string(c.sort), func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *lab) {
				l.config.Channels = append(l.config.Channels, chat.Channel{Key: "rooms", ID: l.rooms})
				b := l.host()
				l.do(b, post(chat.General, "bob", "before"))
				l.do(b, post("rooms", "bob", "before"))
				l.s.Inject(discordstub.Fault{Sort: c.sort, Route: "POST", After: 99500 * time.Millisecond})
				e := post(chat.General, "bob", "after")
				_, err := b.Do(context.Background(), e)
				var later *backend.Later
				if !errors.As(err, &later) || later.After < 95*time.Second || later.After > 99500*time.Millisecond {
					t.Fatalf("error %v", err)
				}
				time.Sleep(50 * time.Second)
				sent := len(l.s.Log())
				_, err = b.Do(context.Background(), e)
				if !errors.As(err, &later) || later.After < 45*time.Second || later.After > 49500*time.Millisecond {
					t.Errorf("error %v", err)
				}
				if len(l.s.Log()) != sent {
					t.Error("a request was sent before its time")
				}
				if _, err := b.Do(context.Background(), post("rooms", "bob", "other")); (err == nil) != c.other {
					t.Errorf("another channel: %v", err)
				}
				l.do(b, e)
			})
		})
	}
}

// TestOutage proves that what is written while Discord is away comes in order, once, and that what people wrote is
// heard.
func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		l.do(b, post(chat.General, "ada", "before"))
		l.s.Outage(true)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 5 {
				l.do(b, post(chat.General, "bob", fmt.Sprint("meanwhile ", i)))
			}
		}()
		time.Sleep(time.Minute)
		l.eve.Say(l.general, "hello?")
		id := l.open("a task", "of the time of the outage")
		time.Sleep(20 * time.Second)
		l.s.Outage(false)
		<-done
		l.settle()
		var want []string
		want = append(want, "before", "hello?")
		for i := range 5 {
			want = append(want, fmt.Sprint("**Bob**\nmeanwhile ", i))
		}
		if diff := cmp.Diff(want, l.texts(l.general)); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		events := l.inbox.take()
		if len(events) != 2 || events[0].Text != "hello?" || events[1].ID != "task/"+id {
			t.Errorf("events: %+v", events)
		}
	})
}

// TestChaos proves with one in five requests going wrong, in any way, that effects and events are in order, each once.
func TestChaos(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *lab) {
				b := l.host()
				l.run(b)
				l.inbox.echoes()
				l.s.Chaos(seed, 0.2)
				var posts, people []string
				for i := range 12 {
					l.do(b, post(chat.General, "ada", fmt.Sprint("post ", i)))
					posts = append(posts, fmt.Sprint("post ", i))
					people = append(people, fmt.Sprint("person ", i))
					l.eve.Say(l.general, people[i])
					if i%4 == 3 {
						l.s.Drop([]int{0, 4000, 1001}[i%3])
					}
				}
				task := backend.Task{Title: "one", Body: strings.Repeat("body ", 1000), State: backend.Todo}
				ref := l.do(b, create("bob", task))
				task.State = backend.Done
				l.do(b, update(ref, "bob", task))
				time.Sleep(30 * time.Minute)
				l.s.Chaos(0, 0)
				time.Sleep(30 * time.Minute)

				var got []string
				for _, text := range l.texts(l.general) {
					if strings.HasPrefix(text, "post ") {
						got = append(got, text)
					}
				}
				if diff := cmp.Diff(posts, got); diff != "" {
					t.Errorf("messages (-want +got):\n%s", diff)
				}
				if n := len(l.s.Threads(l.tasks)); n != 1 {
					t.Errorf("%d tasks", n)
				}
				l.looks(l.thread(ref), "[DONE] one", "✅")
				if diff := cmp.Diff(people, said(l.inbox.take())); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		})
	}
}
