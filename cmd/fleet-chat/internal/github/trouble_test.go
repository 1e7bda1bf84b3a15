package github_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/githubstub"
)

var hello = backend.Effect{ID: id(1), Kind: backend.Post, Channel: "general", Author: atlas, Text: "Hello."}

// What a person must set right ends Run with the remedy; what is to be shown waits until it is set right.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		wrong func(l *lab)
		right func(l *lab)
		want  []string
	}{
		"the token is refused": {
			func(l *lab) { l.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", Revoked: true}) },
			func(l *lab) { l.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", Issues: "write"}) },
			[]string{"CHAT_TOKEN", "expired or revoked", "sudo fleet secret set"},
		},
		"an agent's token is refused": {
			func(l *lab) { l.AddToken(scoutToken, githubstub.Access{User: "scout-bot", Revoked: true}) },
			func(l *lab) { l.AddToken(scoutToken, githubstub.Access{User: "scout-bot", Issues: "write"}) },
			[]string{"SCOUT_TOKEN", "expired or revoked"},
		},
		"the token does not reach the repository": {
			func(l *lab) { l.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", NoRepo: true}) },
			func(l *lab) { l.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", Issues: "write"}) },
			[]string{"acme/board", "CHAT_TOKEN", "coordination.repo", "Repository access"},
		},
		"the token only reads": {
			func(l *lab) { l.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", Issues: "read"}) },
			func(l *lab) { l.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", Issues: "write"}) },
			[]string{"CHAT_TOKEN", "may not write issues", "Issues: read and write"},
		},
		"the token is an app's": {
			func(l *lab) { l.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", Issues: "write", App: true}) },
			func(l *lab) { l.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", Issues: "write"}) },
			[]string{"CHAT_TOKEN", "personal access token"},
		},
		"the account may not label": {
			func(l *lab) { l.User("fleet-bot").Role = "read" },
			func(l *lab) { l.User("fleet-bot").Role = "write" },
			[]string{"CHAT_TOKEN", "fleet-general", "role Triage or Write"},
		},
		"the repository is archived": {
			func(l *lab) { l.Archived = true }, func(l *lab) { l.Archived = false }, []string{"archived", "Settings"},
		},
		"issues are off": {
			func(l *lab) { l.NoIssues = true }, func(l *lab) { l.NoIssues = false }, []string{"switched off", "Settings"},
		},
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			c.wrong(l)
			b := l.host()
			e := hello
			e.Time = time.Now()
			_, err := b.Do(t.Context(), e)
			mustBeLater(t, err, c.want...)
			err = b.Run(t.Context(), newInbox())
			for _, word := range c.want {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("no %q in %v", word, err)
				}
			}
			c.right(l)
			time.Sleep(5 * time.Minute)
			done(t, b, e)
			stop := l.run(b, newInbox())
			settled()
			stop()
		})
	}
}

// What goes wrong while it runs, and is for a person to mend, ends Run too.
func TestFaultWhileRunning(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b := l.host()
		ended := make(chan error, 1)
		go func() { ended <- b.Run(t.Context(), newInbox()) }()
		settled()
		l.Set(func(s *githubstub.Server) { s.Archived = true })
		_, err := b.Do(t.Context(), hello)
		mustBeLater(t, err, "archived")
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "archived") {
			t.Errorf("got %v", err)
		}
	})
}

// A repository that has moved is followed; no other host is.
func TestMoved(t *testing.T) {
	bubble(t, "while it runs", func(t *testing.T, l *lab) {
		b, in := l.host(), newInbox()
		stop := l.run(b, in)
		settled()
		l.Move("new", "home")
		l.Say("ann", 1, "We have moved.")
		done(t, b, hello)
		settled()
		stop()
		want := []string{"post general ann: We have moved.", "post general Atlas echo: Hello."}
		if d := cmp.Diff(want, in.told()); d != "" {
			t.Error(d)
		}
	})
	bubble(t, "before", func(t *testing.T, l *lab) {
		l.Move("new", "home")
		done(t, l.host(), hello)
	})
}

// An issue that is gone is final for what was to be done there, and for nothing else.
func TestGone(t *testing.T) {
	for name, gone := range map[string]func(l *lab, n int){
		"deleted": func(l *lab, n int) { l.DeleteIssue(n) }, "transferred": func(l *lab, n int) { l.Transfer(n) },
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			b, in := l.host(), newInbox()
			stop := l.run(b, in)
			settled()
			ref := done(t, b, create(2, atlas, backend.Task{Title: "a"}))
			settled()
			gone(l, 2)
			said := hello
			said.Channel, said.Thread = "tasks", ref
			if _, err := do(t, b, said); err == nil {
				t.Error("it is said")
			}
			if _, err := do(t, b, update(3, ref, atlas, backend.Task{State: backend.Done})); err == nil {
				t.Error("it is done")
			}
			if _, err := b.Claim(t.Context(), ref, backend.Claim{ID: id(4), Agent: "lead"}); err == nil {
				t.Error("it is claimed")
			}
			done(t, b, hello)
			settled()
			stop()
		})
	}
	bubble(t, "locked", func(t *testing.T, l *lab) {
		l.User("fleet-bot").Role = "triage"
		l.Open("ann", "a", "", "fleet:todo")
		l.Lock(1)
		said := hello
		said.Channel, said.Thread = "tasks", "1"
		if _, err := do(t, l.host(), said); err == nil || !strings.Contains(err.Error(), "locked") {
			t.Errorf("got %v", err)
		}
	})
}
