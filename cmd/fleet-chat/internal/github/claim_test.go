package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/github"
	"fleet/cmd/internal/githubstub"
)

func claim(t *testing.T, b *github.Backend, n int, agent string) (backend.Claim, error) {
	t.Helper()
	return again(t, func() (backend.Claim, error) {
		return b.Claim(t.Context(), "1", backend.Claim{ID: id(n), Agent: agent})
	})
}

func mustWin(t *testing.T, b *github.Backend, n int, agent string, want int) backend.Claim {
	t.Helper()
	won, err := claim(t, b, n, agent)
	if err != nil || won.ID != id(want) {
		t.Fatalf("claim %d: %v won, %v", n, won, err)
	}
	return won
}

// marks are the claims that are to be seen at an issue.
func (l *lab) marks() (n int) {
	for _, c := range l.Issue(1).Comments {
		if strings.Contains(c.Body, " claim=") {
			n++
		}
	}
	return n
}

func TestClaim(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b := l.host()
		l.Open("ann", "a", "", "fleet:todo")
		won := mustWin(t, b, 1, "scout", 1)
		if won.Agent != "scout" || won.Time.IsZero() {
			t.Errorf("got %v", won)
		}
		mustWin(t, b, 1, "scout", 1)
		mustWin(t, b, 2, "lead", 1)
		said := "\n**Scout \\*1\\***\n\ntakes this."
		if c := l.Issue(1).Comments; len(c) != 1 || c[0].By != "fleet-bot" || !strings.HasSuffix(c[0].Body, said) {
			t.Errorf("got %+v", c)
		}
		done(t, b, update(3, "1", scout, backend.Task{State: backend.InProgress, Assignee: "scout"}))
		mustWin(t, b, 2, "lead", 1)

		// Given back, it can be claimed anew; marks of the time before do not count, not even if somebody edits them.
		done(t, b, update(4, "1", scout, backend.Task{State: backend.Todo}))
		old := l.Issue(1).Comments[0]
		time.Sleep(time.Second)
		l.Edit(old.ID, old.Body)
		mustWin(t, b, 5, "lead", 5)
		if l.marks() != 2 {
			t.Errorf("there are %d marks", l.marks())
		}
	})
}

func TestClaimRefused(t *testing.T) {
	for want, c := range map[string]struct {
		at     backend.Ref
		claim  backend.Claim
		labels string
	}{
		"26 letters":      {at: "1", claim: backend.Claim{ID: "x", Agent: "lead"}},
		"an agent's key":  {at: "1", claim: backend.Claim{ID: id(1), Agent: "a claim=b"}},
		"names no issue":  {at: "#1", claim: backend.Claim{ID: id(1), Agent: "lead"}},
		"is no task":      {at: "1", claim: backend.Claim{ID: id(1), Agent: "lead"}, labels: "bug"},
		"but in_progress": {at: "1", claim: backend.Claim{ID: id(1), Agent: "lead"}, labels: "fleet:in-progress"},
		"Not Found":       {at: "7", claim: backend.Claim{ID: id(1), Agent: "lead"}},
	} {
		bubble(t, want, func(t *testing.T, l *lab) {
			l.Open("ann", "a", "", c.labels)
			b := l.host()
			_, err := again(t, func() (backend.Claim, error) { return b.Claim(t.Context(), c.at, c.claim) })
			if err == nil || !strings.Contains(err.Error(), want) || len(l.Issue(1).Comments) != 0 {
				t.Errorf("got %v", err)
			}
		})
	}
	bubble(t, "only on this host", func(t *testing.T, l *lab) {
		l.config.Channels[3].ID = ""
		if _, err := l.host().Claim(t.Context(), "1", backend.Claim{ID: id(1), Agent: "lead"}); err == nil {
			t.Error("it is claimed")
		}
	})
}

// A task that was given back just before is not taken for what it was, though what was done to it is not to be seen
// yet.
func TestClaimGivenBack(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b := l.host()
		l.Open("ann", "a", "", "fleet:todo")
		mustWin(t, b, 1, "scout", 1)
		done(t, b, update(2, "1", scout, backend.Task{State: backend.InProgress}))
		time.Sleep(time.Hour)
		l.Lag = 2 * time.Second
		l.Label("bob", 1, "fleet:todo")
		l.Unlabel("bob", 1, "fleet:in-progress")
		mustWin(t, b, 3, "lead", 3)
	})
}

// What others write is no mark, whatever it looks like.
func TestClaimForged(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Open("ann", "a", "", "fleet:todo")
		for _, by := range []string{"eve", "scout-bot"} {
			l.Say(by, 1, "<!-- fleet:"+id(9)+" claim=eve -->\ntakes this.")
		}
		mustWin(t, l.host(), 1, "lead", 1)
	})
}

// Of agents on several hosts that claim at once one wins, and all are told the same, though lists lag behind.
func TestClaimRace(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Shared, l.Lag, l.Latency = true, 2*time.Second, 90*time.Millisecond
		l.Open("ann", "a", "", "fleet:todo")
		time.Sleep(time.Minute)
		const hosts, each = 3, 4
		won := make([]backend.Claim, hosts*each)
		var all sync.WaitGroup
		for h := range hosts {
			b := l.host()
			for n := range each {
				all.Go(func() {
					time.Sleep(time.Duration(n*1100+h*370) * time.Millisecond)
					var err error
					if won[h*each+n], err = claim(t, b, 100*h+n, fmt.Sprintf("agent-%d-%d", h, n)); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		for _, w := range won {
			if w != won[0] || w.ID == "" {
				t.Errorf("told %v and %v", won[0], w)
			}
		}
		if l.marks() != 1 {
			t.Errorf("%d marks are left", l.marks())
		}
	})
}

// Whatever goes wrong with whichever request, one of two hosts wins, both are told, and one mark is left.
func TestClaimOnce(t *testing.T) {
	faulty(t, every, func(t *testing.T, l *lab, _ func()) {
		l.Shared = true
		l.Open("ann", "a", "", "fleet:todo")
		var won [2]backend.Claim
		var all sync.WaitGroup
		for h := range won {
			b := l.host()
			all.Go(func() {
				time.Sleep(time.Duration(h) * 100 * time.Millisecond)
				var err error
				if won[h], err = claim(t, b, h, "lead"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won[0] != won[1] || won[0].ID == "" || l.marks() != 1 {
			t.Errorf("told %v and %v; %d marks", won[0], won[1], l.marks())
		}
	})
}

// A claim that was broken off leaves no second mark.
func TestClaimBrokenOff(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Open("ann", "a", "", "fleet:todo")
		b := l.host()
		broken := 0
		l.Fault = func(r *http.Request, _ int) githubstub.Fault {
			if r.Method == http.MethodPost && broken == 0 {
				broken++
				return githubstub.Unheard
			}
			return githubstub.None
		}
		_, err := b.Claim(t.Context(), "1", backend.Claim{ID: id(1), Agent: "lead"})
		var later *backend.Later
		if !errors.As(err, &later) || later.After == 0 {
			t.Fatalf("got %v", err)
		}
		mustWin(t, b, 1, "lead", 1)
		if l.marks() != 1 {
			t.Errorf("%d marks are left", l.marks())
		}
	})
}
