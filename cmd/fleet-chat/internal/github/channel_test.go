package github_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
)

// A channel is the issue with its number or its label, of several the oldest, and one that is opened.
func TestChannel(t *testing.T) {
	for name, c := range map[string]struct {
		id     string
		people func(l *lab)
		want   int
	}{
		"none yet": {"room", func(*lab) {}, 1},
		"the oldest": {"room", func(l *lab) {
			l.Open("ann", "a", "", "bug")
			l.Open("ann", "b", "", "room")
			l.Open("ann", "c", "", "room")
		}, 2},
		"one that is closed": {"room", func(l *lab) { l.Close("ann", l.Open("ann", "a", "", "room")) }, 2},
		"a pull request":     {"room", func(l *lab) { l.OpenPull("ann", "a", "", "room") }, 2},
		"by its number":      {"2", func(l *lab) { l.Open("ann", "a", "", "room"); l.Open("ann", "b", "") }, 2},
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			c.people(l)
			l.config.Channels[1].ID = c.id
			done(t, l.host(), hello)
			if len(l.Issue(c.want).Comments) != 1 {
				t.Errorf("it is not in #%d", c.want)
			}
		})
	}
}

// Hosts that start at once agree on a channel's issue, and close what they have opened besides.
func TestChannelRace(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Shared, l.Lag = true, 2*time.Second
		var all sync.WaitGroup
		for n := range 3 {
			b := l.host()
			all.Go(func() {
				time.Sleep(time.Duration(n) * 800 * time.Millisecond)
				for m := range 2 { // of the same host at the same time
					all.Go(func() {
						e := hello
						e.ID = id(10*n + m)
						done(t, b, e)
					})
				}
			})
		}
		all.Wait()
		open := 0
		for n := 1; n <= l.Issues(); n++ {
			if l.Issue(n).State == "open" {
				open++
			}
		}
		if open != 1 || l.Issues() > 3 || len(l.Issue(1).Comments) != 6 {
			t.Errorf("%d of %d are open, with %d messages", open, l.Issues(), len(l.Issue(1).Comments))
		}
	})
}

// A channel whose issue is gone gets another, unless it has a number: then it is for a person to mend.
func TestChannelGone(t *testing.T) {
	for name, gone := range map[string]func(l *lab, n int){
		"deleted": func(l *lab, n int) { l.DeleteIssue(n) }, "transferred": func(l *lab, n int) { l.Transfer(n) },
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			b := l.host()
			done(t, b, hello)
			gone(l, 1)
			e := hello
			e.ID = id(2)
			if ref := done(t, b, e); !strings.HasPrefix(string(ref), "2/") {
				t.Errorf("it is at %s", ref)
			}
		})
		bubble(t, name+", by its number", func(t *testing.T, l *lab) {
			l.config.Channels[1].ID = "1"
			l.Open("ann", "a", "")
			b := l.host()
			done(t, b, hello)
			gone(l, 1)
			_, err := b.Do(t.Context(), backend.Effect{ID: id(2), Kind: backend.Post, Channel: "general", Text: "a"})
			mustBeLater(t, err, "coordination.channels.general", "#1")
			err = b.Run(t.Context(), newInbox())
			if err == nil || !strings.Contains(err.Error(), "coordination.channels.general") {
				t.Errorf("got %v", err)
			}
		})
	}
	bubble(t, "a task", func(t *testing.T, l *lab) {
		l.config.Channels[1].ID = "1"
		l.Open("ann", "a", "", "fleet:todo")
		if err := l.host().Run(t.Context(), newInbox()); err == nil || !strings.Contains(err.Error(), "fleet:...") {
			t.Errorf("got %v", err)
		}
	})
}

// The labels of the states are there before anybody needs them; what people have made of theirs stays.
func TestLabels(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Open("ann", "a", "", "Fleet:Blocked")
		l.config.Channels[3].ID = "fleet"
		stop := l.run(l.host(), newInbox())
		settled()
		stop()
		want := []string{"Fleet:Blocked", "fleet-general", "fleet:done", "fleet:in-progress", "fleet:todo"}
		if d := cmp.Diff(want, l.Labels()); d != "" {
			t.Error(d)
		}
	})
	bubble(t, "two fleets", func(t *testing.T, l *lab) {
		l.config.Channels[3].ID = "other/fleet"
		b, in := l.host(), newInbox()
		l.Open("ann", "not ours", "", "fleet:todo")
		l.Open("ann", "ours", "", "other/fleet:todo")
		stop := l.run(b, in)
		settled()
		l.Close("ann", 2)
		settled()
		done(t, b, update(1, "2", atlas, backend.Task{State: backend.Blocked}))
		l.mustSee(2, sees{"ours", "", "open", []string{"other/fleet:blocked"}, nil})
		settled()
		stop()
		want := []string{
			"create tasks ann: [todo] ours", "update tasks ann: [done] ours", "update tasks fleet-bot echo: [blocked] ours",
		}
		if d := cmp.Diff(want, in.told()); d != "" {
			t.Error(d)
		}
	})
}
