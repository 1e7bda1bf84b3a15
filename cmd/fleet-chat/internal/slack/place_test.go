package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/slackstub"
)

// What a process before this one has posted is found, however much was written since, and no more is read than need be.
func TestFoundAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		timed bool
		pages int // of history that are read
	}{
		"with a time":     {true, 2},
		"since all times": {false, 4},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				l.s.Fill("U1", "C0GENERAL", many(2000, "long ago %d")...)
				l.settle(48 * time.Hour)
				e := post(1, strings.Repeat("many words ", 900))
				if tt.timed {
					e.Time = time.Now()
				}
				l.s.Go(slackstub.Wrong{Method: "chat.postMessage", Late: time.Millisecond},
					slackstub.Wrong{Method: "chat.postMessage", Cut: true, After: true})
				if _, err := l.backend().Do(l.t.Context(), e); err == nil {
					t.Fatal("no error")
				}
				l.s.Fill("U1", "C0GENERAL", many(1500, "since then %d")...)
				b, before := l.backend(), l.s.Calls("conversations.history")
				first := l.do(b, e)
				if n := l.s.Calls("conversations.history") - before; n != tt.pages {
					t.Errorf("%d pages", n)
				}
				l.do(b, e)
				var ours []string
				for _, m := range l.s.Messages("C0GENERAL", "") {
					if m.Bot != "" {
						ours = append(ours, m.TS)
					}
				}
				if len(ours) != 3 || string(first) != "C0GENERAL/"+ours[0] {
					t.Errorf("%d messages, the first is %s: %v", len(ours), first, ours)
				}
			})
		})
	}
}

// What is forgotten of a place is looked for again.
func TestForgotten(t *testing.T) {
	inBubble(t, func(l *lab) {
		b := l.backend()
		first := l.do(b, post(1, "one"))
		at, err := b.where("general", "")
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.places.enter(l.t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		for n := range maxFound {
			p.add(fmt.Sprint(n), stamp(time.Now().Add(time.Duration(n)*time.Millisecond)))
		}
		p.leave()
		if n := len(p.found); n > maxFound/2 {
			t.Errorf("%d are remembered", n)
		}
		if again := l.do(b, post(1, "one")); again != first {
			t.Errorf("%s, then %s", first, again)
		}
	})
}

// What others write is not taken for ours, whatever it says of itself.
func TestForged(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.s.Post("C0GENERAL", slackstub.Message{
			Bot: "B7", App: "A7", Subtype: "bot_message", Text: "gotcha",
			Metadata: map[string]any{"event_type": postMark, "event_payload": map[string]any{"id": id(1), "part": "1"}},
		})
		b, _ := l.start()
		l.do(b, post(1, "hello"))
		l.settle(2 * seldom)
		if diff := cmp.Diff([]string{"gotcha", "hello"}, written(l.s.Messages("C0GENERAL", ""))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"gotcha"}, texts(l.inbox.of("general"))); diff != "" {
			t.Error(diff)
		}
	})
}

// While Slack is away, all is asked for again, and afterwards it is there in order, and what people said, too.
func TestOutage(t *testing.T) {
	inBubble(t, func(l *lab) {
		b, _ := l.start()
		l.s.Outage(true)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for n := range 5 {
				e := post(n, fmt.Sprint("text ", n))
				e.Time = time.Now()
				for {
					_, err := b.Do(l.t.Context(), e)
					var later *backend.Later
					if err == nil {
						break
					}
					if !errors.As(err, &later) {
						t.Errorf("the error is final: %v", err)
						return
					}
					time.Sleep(max(later.After, 30*time.Second))
				}
			}
		}()
		l.s.Say("U1", "C0GENERAL", "", "is anybody there?")
		l.settle(5 * time.Hour)
		if got := written(l.s.Messages("C0GENERAL", "")); len(got) != 1 {
			t.Fatalf("%q", got)
		}
		l.s.Outage(false)
		<-ended
		l.settle(2 * seldom)
		want := []string{"is anybody there?", "text 0", "text 1", "text 2", "text 3", "text 4"}
		if diff := cmp.Diff(want, written(l.s.Messages("C0GENERAL", ""))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want[:1], texts(l.inbox.of("general"))); diff != "" {
			t.Error(diff)
		}
		if n := len(l.inbox.echoes("general")); n != 5 {
			t.Errorf("%d echoes", n)
		}
	})
}

// The end of the process is no end of an effect.
func TestInterrupted(t *testing.T) {
	inBubble(t, func(l *lab) {
		b := l.backend()
		ref := l.do(b, task(1, "build", backend.Todo))
		ctx, cancel := context.WithCancel(l.t.Context())
		cancel()
		var later *backend.Later
		update := task(3, "build", backend.Done)
		update.Kind, update.Thread = backend.Update, ref
		for _, e := range []backend.Effect{post(2, "hello"), task(4, "test", backend.Todo), update} {
			if _, err := b.Do(ctx, e); !errors.As(err, &later) {
				t.Errorf("%s: %v", e.Kind, err)
			}
		}
		if _, err := b.Claim(ctx, ref, backend.Claim{ID: id(5), Agent: "ada"}); !errors.As(err, &later) {
			t.Errorf("claim: %v", err)
		}
	})
}

// A task that somebody has deleted is gone for good, and holds up nothing.
func TestDeletedTask(t *testing.T) {
	inBubble(t, func(l *lab) {
		b, _ := l.start()
		ts := l.s.Say("U1", "C0TASKS", "", "build")
		l.settle(time.Minute)
		l.s.Go(slackstub.Wrong{Method: "conversations.replies", Late: 10 * time.Second})
		l.s.Edit("C0TASKS", ts, "[DONE] build")
		l.s.React("U1", "C0TASKS", ts, "memo", true)
		l.settle(5 * time.Second) // it was looked at, and its thread is about to be
		l.s.Delete("C0TASKS", ts)
		update := task(1, "build", backend.Blocked)
		update.Kind, update.Thread = backend.Update, backend.Ref("C0TASKS/"+ts)
		var later *backend.Later
		if _, err := b.Do(l.t.Context(), update); err == nil || errors.As(err, &later) {
			t.Errorf("update: %v", err)
		}
		claim := backend.Claim{ID: id(2), Agent: "ada"}
		if _, err := b.Claim(l.t.Context(), update.Thread, claim); err == nil || errors.As(err, &later) {
			t.Errorf("claim: %v", err)
		}
		l.s.Say("U1", "C0TASKS", "", "test")
		l.settle(2 * seldom)
		got := l.inbox.of("tasks")
		if e := got[len(got)-1]; e.Task.Title != "test" {
			t.Errorf("%+v", e)
		}
	})
}
