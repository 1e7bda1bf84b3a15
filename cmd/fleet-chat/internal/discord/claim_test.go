package discord

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/discordstub"
)

// claims has agents on hosts of their own claim a task at once, and returns who won in the eyes of each. A host that
// meets a fault tries again.
func (l *lab) claims(hosts []*Backend, task backend.Ref) []string {
	l.t.Helper()
	won := make([]string, len(hosts))
	var all sync.WaitGroup
	for i, b := range hosts {
		c := backend.Claim{ID: effect(backend.Effect{}).ID, Agent: fmt.Sprint("agent-", i), Time: time.Now()}
		all.Go(func() {
			got, err := l.claim(b, task, c)
			if err != nil {
				l.t.Errorf("host %d: %v", i, err)
			}
			won[i] = got.Agent
		})
	}
	all.Wait()
	return won
}

func (l *lab) claim(b *Backend, task backend.Ref, c backend.Claim) (backend.Claim, error) {
	for range 100 {
		got, err := b.Claim(context.Background(), task, c)
		var later *backend.Later
		if !errors.As(err, &later) {
			return got, err
		}
		time.Sleep(max(later.After, time.Second))
	}
	return backend.Claim{}, errors.New("is never claimed")
}

// one fails unless all agree on one of them.
func (l *lab) one(won []string) string {
	l.t.Helper()
	for _, who := range won {
		if who != won[0] || who == "" {
			l.t.Fatalf("won: %q", won)
		}
	}
	return won[0]
}

// TestClaim proves that of many agents that claim a task at once on as many hosts one wins, and that all are told
// which; and that the task can be claimed anew when it is to do again, and not before.
func TestClaim(t *testing.T) {
	inBoth(t, func(t *testing.T, l *lab) {
		l.s.Shared = true
		var hosts []*Backend
		for range 8 {
			hosts = append(hosts, l.host())
		}
		task := backend.Task{Title: "one", State: backend.Todo}
		ref := l.do(hosts[0], create("bob", task))
		first := l.one(l.claims(hosts, ref))
		if again := l.one(l.claims(hosts, ref)); again != first {
			t.Errorf("%s has it after %s", again, first)
		}
		// The marks of those who lost are gone.
		if n := l.marks(ref); n != 1 {
			t.Errorf("%d marks", n)
		}
		// Another title is no release.
		l.grace.Rename(l.thread(ref), "[TODO] one and a half")
		sent := l.posts()
		if again := l.one(l.claims(hosts, ref)); again != first {
			t.Errorf("%s has it after %s, with another title", again, first)
		}
		if n := l.posts() - sent; n > 0 {
			t.Errorf("%d marks were left for what was lost already", n)
		}
		task.Assignee, task.State = first, backend.InProgress
		l.do(hosts[1], update(ref, "bob", task))
		if again := l.one(l.claims(hosts, ref)); again != first {
			t.Errorf("%s has it after %s, in progress", again, first)
		}
		task.Assignee, task.State = "", backend.Todo
		l.do(hosts[2], update(ref, "bob", task))
		// Anew, under other names.
		second := l.one(l.claims(hosts[:3], ref))
		if n := l.marks(ref); n != 2 {
			t.Errorf("%d marks", n)
		}
		// The title comes late, and is no release.
		l.run(hosts[0])
		time.Sleep(25 * time.Minute)
		if got := l.name(ref); got != "[TODO] one" {
			t.Fatalf("the title is %q", got)
		}
		if again := l.one(l.claims(hosts, ref)); again != second {
			t.Errorf("%s has it after %s, with the late title", again, second)
		}
		// A person retitles a task that is claimed: no release. To do again: a release.
		task.Assignee, task.State = second, backend.InProgress
		l.do(hosts[0], update(ref, "bob", task))
		l.grace.Rename(l.thread(ref), "[IN PROGRESS] two")
		if again := l.one(l.claims(hosts, ref)); again != second {
			t.Errorf("%s has it after %s, with another title", again, second)
		}
		l.grace.Rename(l.thread(ref), "[TODO] two")
		l.one(l.claims(hosts, ref))
		if n := l.marks(ref); n != 3 {
			t.Errorf("%d marks", n)
		}
		l.settle()
		for _, e := range l.inbox.all() {
			if strings.Contains(e.Text, "takes this task") {
				t.Errorf("a mark is told: %+v", e)
			}
		}
	})
}

// posts returns how many messages were to be sent.
func (l *lab) posts() (n int) {
	for _, route := range l.s.Log() {
		if route == "POST /channels/ID/messages" {
			n++
		}
	}
	return n
}

// marks returns how many marks of claims are in a thread.
func (l *lab) marks(task backend.Ref) (n int) {
	for _, m := range l.s.Messages(l.thread(task)) {
		if mk, _, _, ok := readMark(m.Content); ok && mk.kind == ofClaim {
			n++
		}
	}
	return n
}

// TestClaimLate proves that a mark with an earlier ID that comes into sight after a later one still wins in the eyes
// of both.
func TestClaimLate(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.s.Shared = true
		slow, quick := l.host(), l.host()
		ref := l.do(slow, create("bob", backend.Task{Title: "one", State: backend.Todo}))
		l.s.Unseen(l.thread(ref), time.Second)
		var all sync.WaitGroup
		var won [2]string
		for i, b := range []*Backend{slow, quick} {
			c := backend.Claim{ID: effect(backend.Effect{}).ID, Agent: fmt.Sprint("agent-", i), Time: time.Now()}
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				got, err := l.claim(b, ref, c)
				if err != nil {
					t.Error(err)
				}
				won[i] = got.Agent
			})
		}
		all.Wait()
		if l.one(won[:]) != "agent-0" {
			t.Errorf("%s won", won[0])
		}
	})
}

// TestClaimAgain proves that a claim whose end was unknown leaves one mark, whatever went wrong with whichever request.
func TestClaimAgain(t *testing.T) {
	routes := []string{"POST /channels/ID/messages", "GET /channels/ID/messages", "GET /channels/ID"}
	inBubble(t, func(t *testing.T, l *lab) {
		l.s.Shared = true
		for _, sort := range discordstub.Sorts {
			for _, route := range routes {
				ref := l.do(l.host(), create("bob", backend.Task{Title: "one", State: backend.Todo}))
				c := backend.Claim{ID: effect(backend.Effect{}).ID, Agent: "ada", Time: time.Now()}
				l.s.Inject(discordstub.Fault{Sort: sort, Route: route, After: 3 * time.Second})
				_, err := l.host().Claim(context.Background(), ref, c)
				l.s.Clear()
				l.s.ForgetNonces()
				l.s.Restarted()
				got, err2 := l.claim(l.host(), ref, c)
				if err2 != nil || got.ID != c.ID || got.Agent != "ada" || got.Time.IsZero() {
					t.Errorf("%s at %s: %+v, %v after %v", sort, route, got, err2, err)
				}
				if n := l.marks(ref); n != 1 {
					t.Errorf("%s at %s: %d marks", sort, route, n)
				}
			}
		}
	})
}

func TestClaimRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		ref := l.do(b, create("bob", backend.Task{Title: "one"}))
		good := backend.Claim{ID: effect(backend.Effect{}).ID, Agent: "ada"}
		for name, c := range map[string]struct {
			task  backend.Ref
			claim backend.Claim
		}{
			"no task":         {"", good},
			"another channel": {refOf(l.general, l.thread(ref)), good},
			"a channel":       {refOf(l.tasks, l.general), good},
			"no ID":           {ref, backend.Claim{Agent: "ada"}},
			"no agent":        {ref, backend.Claim{ID: good.ID}},
			"a strange agent": {ref, backend.Claim{ID: good.ID, Agent: "a`b"}},
		} {
			if got, err := l.claim(b, c.task, c.claim); err == nil {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if got := l.texts(l.general); len(got) > 0 {
			t.Errorf("in the channel: %q", got)
		}
	})
}
