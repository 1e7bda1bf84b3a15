package github_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
)

// What people do is told, each in its way.
func TestRun(t *testing.T) {
	for name, c := range map[string]struct {
		before func(l *lab) // the fleet's first start
		people func(l *lab)
		want   []string
	}{
		"a message": {
			people: func(l *lab) { l.Say("eve", 1, "Hello <b>.") },
			want:   []string{"post general eve: Hello <b>."},
		},
		"to agents": {
			people: func(l *lab) { l.Say("ann", 1, "@lead @Scout-Bot x@scout (@atlas) @scouts") },
			want:   []string{"post general ann @lead @scout: @lead @Scout-Bot x@scout (@atlas) @scouts"},
		},
		"edited by nobody knows whom": {
			people: func(l *lab) {
				n := l.Say("ann", 1, "Do good.")
				time.Sleep(time.Second)
				l.Edit(n, "Do evil.")
			},
			want: []string{"post general ann (edited)?: Do evil."},
		},
		"edited after it was told": {
			people: func(l *lab) {
				n := l.Say("ann", 1, "Do good.")
				settled()
				l.Edit(n, "Do evil.")
			},
			want: []string{"post general ann: Do good."},
		},
		"what looks like ours": {
			people: func(l *lab) { l.Say("eve", 1, "<!-- fleet:"+id(1)+" named -->\n**Atlas**\n\nHi.") },
			want:   []string{"post general eve: <!-- fleet:" + id(1) + " named -->\n**Atlas**\n\nHi."},
		},
		"elsewhere": {
			people: func(l *lab) {
				l.Say("ann", l.Open("ann", "An issue", "", "bug"), "Not for agents.")
				l.Say("ann", l.OpenPull("ann", "A pull request", "", "fleet:todo"), "Neither.")
			},
			want: []string{},
		},
		"a task": {
			people: func(l *lab) { l.Say("eve", l.Open("ann", "Fix it", "For @lead.", "fleet:todo"), "Yes, please.") },
			want:   []string{"create tasks ann @lead: [todo] Fix it", "post tasks eve: Yes, please."},
		},
		"a stranger's issue": {
			people: func(l *lab) { l.Say("eve", l.Open("eve", "[TODO] Fix it", "For @lead.", "fleet:todo"), "Now.") },
			want:   []string{}, // GitHub does not take the label
		},
		"a stranger's issue that is made a task": {
			people: func(l *lab) {
				n := l.Open("eve", "[BLOCKED] Fix it", "For @lead.")
				time.Sleep(time.Hour)
				l.Label("bob", n, "fleet:todo")
				l.Say("eve", n, "Thanks.")
			},
			want: []string{"create tasks eve @lead: [todo] Fix it", "post tasks eve: Thanks."},
		},
		"a task with another's title": {
			people: func(l *lab) {
				n := l.Open("ann", "Do good", "")
				l.Rename("bob", n, "Do evil")
				l.Label("ann", n, "fleet:todo")
			},
			want: []string{"create tasks ann (edited)?: [todo] Do evil"},
		},
		"a task for an agent": {
			people: func(l *lab) { l.Open("ann", "Fix it", "", "Fleet:Todo", "agent:lead") },
			want:   []string{"create tasks ann @lead: [todo] Fix it, of lead"},
		},
		"tasks from before the first start": {
			before: func(l *lab) {
				l.Open("ann", "a", "", "fleet:todo")
				l.Close("ann", l.Open("ann", "b", "", "fleet:todo"))
				n := l.Open("ann", "c", "", "fleet:todo")
				l.Label("ann", n, "fleet:blocked")
				l.Say("ann", n, "Said long ago.")
				time.Sleep(48 * time.Hour)
			},
			people: func(*lab) {},
			want:   []string{"create tasks ann: [todo] a", "create tasks ann: [blocked] c"},
		},
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			if c.before != nil {
				c.before(l)
				l.config.Channels[1].ID = "fleet-other"
			}
			in := newInbox()
			stop := l.run(l.host(), in)
			settled()
			c.people(l)
			settled()
			stop()
			if d := cmp.Diff(c.want, in.told()); d != "" {
				t.Error(d)
			}
		})
	}
}

// However people change a task, it is told, and its labels, its title and whether it is open say the same in the end.
func TestChanges(t *testing.T) {
	both := func(state, label, tag string) (ours, anns sees) {
		return sees{tag + " a", "**Atlas**\n\nb", state, []string{"fleet:" + label}, nil},
			sees{"a", "b", state, []string{"bug", "fleet:" + label}, nil}
	}
	for name, c := range map[string]struct {
		people            func(l *lab, n int)
		state, label, tag string
		want              string // of ours; of ann's it is the same but for the number
		ours, anns        func(s *sees)
	}{
		"another label": {
			people: func(l *lab, n int) { l.Label("bob", n, "fleet:blocked"); l.Unlabel("bob", n, "fleet:todo") },
			state:  "open", label: "blocked", tag: "[BLOCKED]", want: "update tasks bob: [blocked] a",
		},
		"one label more": {
			people: func(l *lab, n int) { l.Label("bob", n, "FLEET:Blocked") },
			state:  "open", label: "blocked", tag: "[BLOCKED]", want: "update tasks bob: [blocked] a",
		},
		"the label of what is done": {
			people: func(l *lab, n int) { l.Label("bob", n, "fleet:done") },
			state:  "closed", label: "done", tag: "[DONE]", want: "update tasks bob: [done] a",
		},
		"closed": {
			people: func(l *lab, n int) { l.Close("bob", n) },
			state:  "closed", label: "done", tag: "[DONE]", want: "update tasks bob: [done] a",
		},
		"closed and opened again": {
			people: func(l *lab, n int) { l.Close("bob", n); settled(); l.Reopen("bob", n) },
			state:  "open", label: "todo", tag: "[TODO]", want: "update tasks bob: [done] a\nupdate tasks bob: [todo] a",
		},
		"another title": {
			people: func(l *lab, n int) { l.Rename("bob", n, "c") },
			state:  "open", label: "todo", want: "update tasks bob: [todo] c",
			ours: func(s *sees) { s.Title = "[TODO] c" },
			anns: func(s *sees) { s.Title = "c" },
		},
		"another state in the title": {
			people: func(l *lab, n int) { l.Rename("bob", n, "[in progress] a") },
			state:  "open", label: "in-progress", tag: "[IN PROGRESS]", want: "update tasks bob: [in_progress] a",
			anns: func(s *sees) { s.Title = "[in progress] a" },
		},
		"done by its title": {
			people: func(l *lab, n int) { l.Rename("bob", n, "[DONE] a") },
			state:  "closed", label: "done", tag: "[DONE]", want: "update tasks bob: [done] a",
			anns: func(s *sees) { s.Title = "[DONE] a" },
		},
		"a label after a title": {
			people: func(l *lab, n int) { l.Rename("bob", n, "[DONE] a"); l.Label("bob", n, "fleet:blocked") },
			state:  "open", label: "blocked", tag: "[BLOCKED]", want: "update tasks bob: [blocked] a",
			anns: func(s *sees) { s.Title = "[BLOCKED] a" },
		},
		"another title and another state": {
			people: func(l *lab, n int) { l.Rename("bob", n, "c"); l.Label("ann", n, "fleet:blocked") },
			state:  "open", label: "blocked", want: "update tasks ?: [blocked] c",
			ours: func(s *sees) { s.Title = "[BLOCKED] c" }, anns: func(s *sees) { s.Title = "c" },
		},
		"for somebody": {
			people: func(l *lab, n int) { l.Assign("bob", n, "bob") },
			state:  "open", label: "todo", tag: "[TODO]", want: "update tasks bob: [todo] a, of bob",
			ours: func(s *sees) { s.Assignees = []string{"bob"} },
			anns: func(s *sees) { s.Assignees = []string{"bob"} },
		},
		"for an agent with an account": {
			people: func(l *lab, n int) { l.Assign("bob", n, "scout-bot") },
			state:  "open", label: "todo", tag: "[TODO]", want: "update tasks bob @scout: [todo] a, of scout",
			ours: func(s *sees) { s.Assignees = []string{"scout-bot"} },
			anns: func(s *sees) { s.Assignees = []string{"scout-bot"} },
		},
		"another text, by nobody knows whom": {
			people: func(l *lab, n int) { l.EditIssue(n, strings.Replace(l.Issue(n).Body, "b", "For @lead.", 1)) },
			state:  "open", label: "todo", tag: "[TODO]", want: "update tasks ? @lead: [todo] a",
			ours: func(s *sees) { s.Body = "**Atlas**\n\nFor @lead." },
			anns: func(s *sees) { s.Body = "For @lead." },
		},
		"no task any more": {
			people: func(l *lab, n int) { l.Unlabel("bob", n, "fleet:todo") },
			state:  "open", label: "todo", tag: "[TODO]", want: "update tasks bob: [done] a",
			ours: func(s *sees) { s.Labels = []string{} },
			anns: func(s *sees) { s.Labels = []string{"bug"} },
		},
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			b, in := l.host(), newInbox()
			done(t, b, create(1, atlas, backend.Task{Title: "a", Body: "b"}))
			l.Open("ann", "a", "b", "bug", "fleet:todo")
			stop := l.run(b, in)
			settled()
			in.take()
			for n := 1; n <= 2; n++ {
				c.people(l, n)
				settled()
				if d := cmp.Diff(strings.Split(c.want, "\n"), in.told()); d != "" {
					t.Error(d)
				}
			}
			stop()
			ours, anns := both(c.state, c.label, c.tag)
			if c.ours != nil {
				c.ours(&ours)
			}
			if c.anns != nil {
				c.anns(&anns)
			}
			l.mustSee(1, ours)
			l.mustSee(2, anns)
		})
	}
}

// What the fleet has done itself is told as its echo, what another host's fleet has done as news, for its agents too.
func TestEcho(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Shared = true
		b, in, there, other := l.host(), newInbox(), l.host(), newInbox()
		stop := l.run(b, in)
		settled()
		stopOther := l.run(there, other)
		settled()
		post := backend.Effect{ID: id(1), Kind: backend.Post, Channel: "general", Author: scout, Text: "Hi @lead, fixes #3."}
		done(t, b, post)
		ref := done(t, b, create(2, atlas, backend.Task{Title: "a", Body: "For @scout."}))
		settled()
		if _, err := b.Claim(t.Context(), ref, backend.Claim{ID: id(3), Agent: "lead"}); err != nil {
			t.Error(err)
		}
		done(t, b, update(4, ref, atlas, backend.Task{Title: "c", State: backend.InProgress, Assignee: "lead"}))
		settled()
		post = backend.Effect{ID: id(5), Kind: backend.Post, Channel: "tasks", Thread: ref, Author: atlas, Text: "On it."}
		done(t, b, post)
		settled()
		stop()
		stopOther()
		own := []string{
			"create tasks Atlas echo @scout: [todo] a", "post general scout-bot echo @lead: Hi @lead, fixes #3.",
			"update tasks fleet-bot echo @lead @scout: [in_progress] c, of lead", "post tasks Atlas echo: On it.",
		}
		if d := cmp.Diff(own, in.told()); d != "" {
			t.Error(d)
		}
		// What another host's update has made of a task it does not know from its own changes.
		own[2] = "update tasks fleet-bot @lead @scout: [in_progress] c, of lead"
		if d := cmp.Diff(own, other.told()); d != "" {
			t.Error(d)
		}
	})
}

// What an agent of another host says is not a person's word who changed something else at the same time.
func TestChangeTogether(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Shared = true
		b, there, in := l.host(), l.host(), newInbox()
		ref := done(t, b, create(1, atlas, backend.Task{Title: "Do good"}))
		stop := l.run(b, in)
		settled()
		in.take()
		done(t, there, update(2, ref, atlas, backend.Task{Title: "Do evil"}))
		l.Label("ann", 1, "fleet:blocked")
		settled()
		stop()
		if d := cmp.Diff([]string{"update tasks ?: [blocked] Do evil"}, in.told()); d != "" {
			t.Error(d)
		}
	})
}

// What a person changes while an update is on its way is told too.
func TestChangeMeanwhile(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b, in := l.host(), newInbox()
		stop := l.run(b, in)
		settled()
		ref := done(t, b, create(1, scout, backend.Task{Title: "a"}))
		settled()
		in.take()
		l.slow = func(r *http.Request) time.Duration {
			if r.Method != http.MethodPatch {
				return 0
			}
			l.Rename("bob", 2, "[BLOCKED] b")
			return 130 * time.Second // looks come in between
		}
		done(t, b, update(2, ref, scout, backend.Task{Title: "a", State: backend.Blocked}))
		settled()
		stop()
		if d := cmp.Diff([]string{"update tasks bob: [blocked] b"}, in.told()); d != "" {
			t.Error(d)
		}
	})
}
