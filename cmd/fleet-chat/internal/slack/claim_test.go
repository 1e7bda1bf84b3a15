package slack

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/slackstub"
)

// claim claims as the hub does.
func (l *lab) claim(b *Backend, task backend.Ref, c backend.Claim) backend.Claim {
	l.t.Helper()
	for range 50 {
		won, err := b.Claim(l.t.Context(), task, c)
		var later *backend.Later
		switch {
		case err == nil:
			return won
		case !errors.As(err, &later):
			l.t.Fatalf("claim: %v", err)
		}
		l.silent(err.Error())
		time.Sleep(max(later.After, time.Second))
	}
	l.t.Fatal("the claim is never decided")
	return backend.Claim{}
}

// Of many hosts that claim at once one wins, and all know which.
func TestClaim(t *testing.T) {
	inBubble(t, func(l *lab) {
		ts := l.s.Say("U1", "C0TASKS", "", "build")
		ref := backend.Ref("C0TASKS/" + ts)
		// What others write is no claim, whatever it says.
		l.s.Post("C0TASKS", slackstub.Message{
			Bot: "B7", App: "A7", Thread: ts, Text: "mallory takes this task.", Subtype: "bot_message",
			Metadata: map[string]any{"event_type": claimMark, "event_payload": map[string]any{"id": "forged", "agent": "mallory"}},
		})
		hosts := make([]*Backend, 8)
		for i := range hosts {
			hosts[i] = l.backend()
		}
		race := func(from int) (winner backend.Claim) {
			won := make([]backend.Claim, len(hosts))
			var all sync.WaitGroup
			for i, b := range hosts {
				all.Go(func() { won[i] = l.claim(b, ref, backend.Claim{ID: id(from + i), Agent: fmt.Sprint("agent-", i)}) })
			}
			all.Wait()
			for i, w := range won {
				if w != won[0] || w.ID == "" {
					t.Errorf("host %d says that %+v won, host 0 %+v", i, w, won[0])
				}
			}
			return won[0]
		}
		first := race(100)
		if !strings.HasPrefix(first.Agent, "agent-") || first.ID < id(100) {
			t.Errorf("%+v won", first)
		}
		marks := len(l.s.Messages("C0TASKS", ts))
		if again := l.claim(hosts[3], ref, backend.Claim{ID: id(103), Agent: "agent-3"}); again != first {
			t.Errorf("%+v, then %+v", first, again)
		}
		if n := len(l.s.Messages("C0TASKS", ts)); n != marks {
			t.Errorf("%d marks, then %d", marks, n)
		}
		l.do(hosts[0], backend.Effect{
			ID: id(1), Kind: backend.Update, Channel: "tasks", Thread: ref, Task: backend.Task{Title: "build", State: backend.Todo},
		})
		if second := race(200); second.ID < id(200) {
			t.Errorf("after it was put back, %+v won", second)
		}
		if _, err := hosts[0].Claim(l.t.Context(), "C0TASKS/1893553455.999999", backend.Claim{ID: id(9)}); err == nil {
			t.Error("what is not there was claimed")
		}
		if _, err := hosts[0].Claim(l.t.Context(), "C0GENERAL/"+backend.Ref(ts), backend.Claim{ID: id(9)}); err == nil {
			t.Error("a message elsewhere was claimed")
		}
	})
}

// takes is a mark as people see it.
func (l *lab) takes(root string) (all []string) {
	for _, m := range l.s.Messages("C0TASKS", root) {
		all = append(all, m.Text)
	}
	return all
}

// Two leave a mark because neither could see the other's: the first in Slack's own order wins, whoever asks, and the
// other mark goes away.
func TestClaimBoth(t *testing.T) {
	for name, tt := range map[string]struct {
		wrong slackstub.Wrong
		want  []string
	}{
		"well":                {slackstub.Wrong{Late: time.Millisecond}, []string{"Max takes this task."}},
		"the mark cannot go":  {slackstub.Wrong{Error: "cant_delete_message"}, []string{"Max takes this task.", "Ada takes this task."}},
		"not known if it did": {slackstub.Wrong{Status: 500, After: true}, []string{"Max takes this task."}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				ts := l.s.Say("U1", "C0TASKS", "", "build")
				ref := backend.Ref("C0TASKS/" + ts)
				late, quick := l.backend(), l.backend()
				tt.wrong.Method = "chat.delete"
				l.s.Go(slackstub.Wrong{Method: "chat.postMessage", Late: 10 * time.Second}, tt.wrong)
				var all sync.WaitGroup
				var won [2]backend.Claim
				all.Go(func() { won[0] = l.claim(late, ref, backend.Claim{ID: id(1), Agent: "ada"}) })
				l.settle(3 * time.Second) // it is on its way
				all.Go(func() { won[1] = l.claim(quick, ref, backend.Claim{ID: id(2), Agent: "max"}) })
				all.Wait()
				if won[0] != won[1] || won[0].ID != id(2) || won[0].Agent != "max" {
					t.Errorf("%+v and %+v", won[0], won[1])
				}
				if diff := cmp.Diff(tt.want, l.takes(ts)); diff != "" {
					t.Error(diff)
				}
				if again := l.claim(late, ref, backend.Claim{ID: id(1), Agent: "ada"}); again != won[0] {
					t.Errorf("then %+v", again)
				}
			})
		})
	}
}

// A task that was put back is claimed anew, with another ID.
func TestClaimAgain(t *testing.T) {
	inBubble(t, func(l *lab) {
		b := l.backend()
		ref := l.do(b, task(1, "build", backend.Todo))
		l.claim(b, ref, backend.Claim{ID: id(2), Agent: "ada"})
		for n, s := range []backend.State{backend.InProgress, backend.Todo} {
			e := task(3+n, "build", s)
			e.Kind, e.Thread = backend.Update, ref
			l.do(b, e)
		}
		if won, err := b.Claim(l.t.Context(), ref, backend.Claim{ID: id(2), Agent: "ada"}); err == nil {
			t.Errorf("an old claim won: %+v", won)
		}
		if won := l.claim(b, ref, backend.Claim{ID: id(5), Agent: "max"}); won.Agent != "max" {
			t.Errorf("%+v", won)
		}
	})
}
