package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
)

// far is a place where people read along, in memory, which does what can go wrong there. Several hosts can use it.
type far struct {
	t  testing.TB
	mu sync.Mutex

	things []*thing // in the order in which they came to be
	log    []logged // what happened
	claims map[backend.Ref][]backend.Claim
	came   chan struct{} // closed when the log grows

	down   bool   // nothing is done
	hangs  bool   // nothing is done either, and no answer comes
	refuse error  // what Run returns
	final  error  // what Do returns for texts with "bad"
	after  func() // is called when something was brought about, before the hub knows
}

// thing is a message or a task.
type thing struct {
	effect backend.Effect
	ref    backend.Ref
}

type logged struct {
	channel string
	event   backend.Event
}

func newFar(t testing.TB) *far {
	return &far{t: t, claims: map[backend.Ref][]backend.Claim{}, came: make(chan struct{})}
}

var errDown = errors.New("503")

func (f *far) Do(ctx context.Context, e backend.Effect) (backend.Ref, error) {
	f.mu.Lock()
	if f.hangs {
		f.mu.Unlock()
		<-ctx.Done()
		return "", ctx.Err()
	}
	if f.down {
		f.mu.Unlock()
		return "", &backend.Later{After: time.Millisecond, Err: errDown}
	}
	if f.final != nil && e.Text == "bad" {
		f.mu.Unlock()
		return "", f.final
	}
	t := f.find(e.ID)
	if t == nil {
		t = &thing{e, backend.Ref("far-" + strconv.Itoa(len(f.things)+1))}
		f.things = append(f.things, t)
		if e.Kind == backend.Update {
			t.ref = e.Thread
			if e.Task.State == backend.Todo {
				f.claims[e.Thread] = nil
			}
		}
		f.happen(e.Channel, backend.Event{
			ID: "echo-" + e.ID, Kind: e.Kind, Channel: e.Channel, Thread: e.Thread, Ref: t.ref, Echo: e.ID,
			From: backend.Person{ID: "bot", Bot: true}, Text: e.Text, Task: e.Task,
		})
	}
	after := f.after
	f.mu.Unlock()
	if after != nil {
		after()
	}
	return t.ref, ctx.Err()
}

func (f *far) find(id string) *thing {
	for _, t := range f.things {
		if t.effect.ID == id {
			return t
		}
	}
	return nil
}

// happen notes an event. mu is held.
func (f *far) happen(channel string, e backend.Event) {
	f.log = append(f.log, logged{channel, e})
	close(f.came)
	f.came = make(chan struct{})
}

// person does something there.
func (f *far) person(e backend.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.ID == "" {
		e.ID = "event-" + strconv.Itoa(len(f.log))
	}
	if e.Kind == "" {
		e.Kind = backend.Post
	}
	if e.Ref == "" {
		e.Ref = backend.Ref("ref-" + e.ID)
	}
	f.happen(e.Channel, e)
}

// Run hands each channel's events on from its mark, each twice, and those before it too.
func (f *far) Run(ctx context.Context, in backend.Inbox) error {
	at := map[string]int{}
	for {
		f.mu.Lock()
		if err := f.refuse; err != nil {
			f.mu.Unlock()
			return err
		}
		log, came := slices.Clone(f.log), f.came
		f.mu.Unlock()
		for n, l := range log {
			if _, begun := at[l.channel]; !begun {
				mark, _ := strconv.Atoi(in.Mark(l.channel))
				at[l.channel] = max(0, mark-3)
			}
			if n < at[l.channel] {
				continue
			}
			for range 2 {
				if err := in.Take(ctx, l.event, strconv.Itoa(n+1)); err != nil {
					return fmt.Errorf("take: %w", err)
				}
			}
			at[l.channel] = n + 1
			if ctx.Err() != nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-came:
		}
	}
}

func (f *far) Claim(ctx context.Context, task backend.Ref, c backend.Claim) (backend.Claim, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return c, &backend.Later{Err: errDown}
	}
	if !slices.ContainsFunc(f.claims[task], func(have backend.Claim) bool { return have.ID == c.ID }) {
		f.claims[task] = append(f.claims[task], c)
	}
	return f.claims[task][0], ctx.Err()
}

func (f *far) set(g func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g()
}

// shown returns what messages are there in a channel, in their order: the text, behind the ref of their thread.
func (f *far) shown(channel string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []string{}
	for _, t := range f.things {
		if e := t.effect; e.Channel == channel && e.Kind == backend.Post {
			out = append(out, string(e.Thread)+" "+e.Text)
		}
	}
	return out
}

// tasks returns what is there of tasks, in the order in which it came.
func (f *far) tasks() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []string{}
	for _, t := range f.things {
		if e := t.effect; e.Kind != backend.Post {
			out = append(out, fmt.Sprint(e.Kind, " ", t.ref, " ", e.Task.Title, " ", e.Task.State, " ", e.Task.Assignee))
		}
	}
	return out
}
