package github_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/githubstub"
)

// sees is an issue as people see it, without what they do not see.
type sees struct {
	Title, Body, State string
	Labels, Assignees  []string
}

func (l *lab) sees(number int) sees {
	i := l.Issue(number)
	body := i.Body
	if strings.HasPrefix(body, "<!--") {
		_, body, _ = strings.Cut(body, "\n")
	}
	return sees{i.Title, body, i.State, i.Labels, i.Assignees}
}

func (l *lab) mustSee(number int, want sees) {
	l.t.Helper()
	if d := cmp.Diff(want, l.sees(number), cmpopts.EquateEmpty()); d != "" {
		l.t.Error(d)
	}
}

var (
	atlas = backend.Author{Key: "lead", Name: "Atlas"}
	scout = backend.Author{Key: "scout", Name: "Scout"}
)

func create(n int, by backend.Author, task backend.Task) backend.Effect {
	return backend.Effect{ID: id(n), Kind: backend.Create, Channel: "tasks", Author: by, Task: task}
}

func update(n int, at backend.Ref, by backend.Author, task backend.Task) backend.Effect {
	return backend.Effect{ID: id(n), Kind: backend.Update, Channel: "tasks", Thread: at, Author: by, Task: task}
}

func TestCreate(t *testing.T) {
	for name, c := range map[string]struct {
		by   backend.Author
		task backend.Task
		want sees
	}{
		"to do": {
			atlas,
			backend.Task{Title: "Fix  the\nlogin", Body: "It fails for @eve."},
			sees{"[TODO] Fix the login", "**Atlas**\n\nIt fails for @\u200beve.", "open", []string{"fleet:todo"}, nil},
		},
		"of an agent with an account": {
			scout,
			backend.Task{Title: "a", State: backend.InProgress, Assignee: "scout"},
			sees{"[IN PROGRESS] a", "", "open", []string{"fleet:in-progress"}, []string{"scout-bot"}},
		},
		"of an agent without": {
			atlas,
			backend.Task{Title: "a", State: backend.Blocked, Assignee: "lead"},
			sees{"[BLOCKED] a", "**Atlas**\n\n", "open", []string{"agent:lead", "fleet:blocked"}, nil},
		},
		"of a person who is trusted": {
			atlas,
			backend.Task{Title: "a", Assignee: "ann"},
			sees{"[TODO] a", "**Atlas**\n\n", "open", []string{"fleet:todo"}, []string{"ann"}},
		},
		"of a person who is not": {
			atlas,
			backend.Task{Title: "a", Assignee: "bob"},
			sees{"[TODO] a", "**Atlas**\n\n", "open", []string{"fleet:todo"}, nil},
		},
		"done": {
			backend.Author{},
			backend.Task{Title: "[TODO] a", State: backend.Done},
			sees{"[DONE] [TODO] a", "", "closed", []string{"fleet:done"}, nil},
		},
		"a title that is too long": {
			atlas,
			backend.Task{Title: strings.Repeat("é", 300)},
			sees{"[TODO] " + strings.Repeat("é", 248) + "…", "**Atlas**\n\n", "open", []string{"fleet:todo"}, nil},
		},
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			b := l.host()
			if ref := done(t, b, create(1, c.by, c.task)); ref != "1" {
				t.Errorf("got %s", ref)
			}
			l.mustSee(1, c.want)
			if ref := done(t, b, create(1, c.by, c.task)); ref != "1" || l.Issues() != 1 {
				t.Errorf("got %s, and %d issues", ref, l.Issues())
			}
		})
	}
}

// A task goes through all states, by its own account's hand and by the fleet's, and each time says one thing.
func TestUpdate(t *testing.T) {
	for name, by := range map[string]backend.Author{"an account of its own": scout, "the fleet's": atlas} {
		bubble(t, name, func(t *testing.T, l *lab) {
			b := l.host()
			task := backend.Task{Title: "a", Body: "b"}
			ref := done(t, b, create(1, atlas, task))
			n := 1
			for _, c := range []struct {
				set  backend.Task
				want sees
			}{
				{
					backend.Task{Title: "a", Body: "b", State: backend.InProgress, Assignee: "scout"},
					sees{"[IN PROGRESS] a", "**Atlas**\n\nb", "open", []string{"fleet:in-progress"}, []string{"scout-bot"}},
				},
				{
					backend.Task{Title: "a", Body: "b", State: backend.Blocked, Assignee: "lead"},
					sees{"[BLOCKED] a", "**Atlas**\n\nb", "open", []string{"agent:lead", "fleet:blocked"}, nil},
				},
				{
					backend.Task{Title: "c", Body: "d", State: backend.Done, Assignee: "lead"},
					sees{"[DONE] c", "**Atlas**\n\nd", "closed", []string{"agent:lead", "fleet:done"}, nil},
				},
				{
					backend.Task{State: backend.Todo},
					sees{"[TODO] c", "**Atlas**\n\nd", "open", []string{"fleet:todo"}, nil},
				},
			} {
				n++
				if got := done(t, b, update(n, ref, by, c.set)); got != ref {
					t.Errorf("got %s", got)
				}
				l.mustSee(1, c.want)
			}
			before := l.Requests()
			done(t, b, update(n, ref, by, backend.Task{State: backend.Todo}))
			if l.Requests()-before != 1 {
				t.Errorf("what is there already took %d requests", l.Requests()-before)
			}
		})
	}
}

// At no time does a task say something third on its way from one state to another.
func TestBetween(t *testing.T) {
	for _, from := range []backend.State{backend.Todo, backend.Blocked, backend.Done} {
		for _, to := range []backend.State{backend.Todo, backend.InProgress, backend.Done} {
			bubble(t, string(from)+" "+string(to), func(t *testing.T, l *lab) {
				b := l.host()
				ref := done(t, b, create(1, atlas, backend.Task{Title: "a", State: from}))
				label := func(state backend.State) string { return "fleet:" + strings.ReplaceAll(string(state), "_", "-") }
				l.Fault = func(*http.Request, int) githubstub.Fault {
					i := l.Issue(1)
					wrong := i.State == "closed" && from != backend.Done && to != backend.Done ||
						i.State == "open" && !slices.Contains(i.Labels, label(from)) && !slices.Contains(i.Labels, label(to)) ||
						i.State == "open" && from != backend.Done && slices.Contains(i.Labels, "fleet:done") ||
						i.State == "open" && from == backend.Done && !slices.Contains(i.Labels, label(to))
					if wrong {
						t.Errorf("it is %s with %v", i.State, i.Labels)
					}
					return githubstub.None
				}
				done(t, b, update(2, ref, atlas, backend.Task{State: to}))
			})
		}
	}
}

// An agent that GitHub does not take as an assignee, or that shares its account with another, has a label.
func TestUnassignable(t *testing.T) {
	bubble(t, "no part in it", func(t *testing.T, l *lab) {
		l.User("scout-bot").Role = "read"
		done(t, l.host(), create(1, atlas, backend.Task{Title: "a", Assignee: "scout"}))
		l.mustSee(1, sees{"[TODO] a", "**Atlas**\n\n", "open", []string{"agent:scout", "fleet:todo"}, nil})
	})
	bubble(t, "one account of two", func(t *testing.T, l *lab) {
		l.config.Agents[0].Token = "LEAD_TOKEN"
		b := l.host()
		done(t, b, create(1, scout, backend.Task{Title: "a", Assignee: "scout"}))
		done(t, b, create(2, atlas, backend.Task{Title: "b", Assignee: "lead"}))
		l.mustSee(1, sees{"[TODO] a", "", "open", []string{"agent:scout", "fleet:todo"}, nil})
		l.mustSee(2, sees{"[TODO] b", "", "open", []string{"agent:lead", "fleet:todo"}, nil})
	})
}

// What people have written stays; a title that says a state says the right one.
func TestUpdateOfPeople(t *testing.T) {
	set := backend.Task{Title: "other", Body: "other", State: backend.InProgress, Assignee: "lead"}
	bubble(t, "", func(t *testing.T, l *lab) {
		b := l.host()
		plain := l.Open("ann", "Fix it", "Please.", "bug", "fleet:todo", "agent:remote")
		tagged := l.Open("ann", "[todo] Fix it", "Please.", "fleet:todo")
		done(t, b, update(1, "1", atlas, set))
		done(t, b, update(2, "2", atlas, set))
		l.mustSee(plain, sees{"Fix it", "Please.", "open", []string{"agent:lead", "bug", "fleet:in-progress"}, nil})
		l.mustSee(tagged, sees{"[IN PROGRESS] Fix it", "Please.", "open", []string{"agent:lead", "fleet:in-progress"}, nil})
	})
	bubble(t, "an agent of another host", func(t *testing.T, l *lab) {
		n := l.Open("ann", "Fix it", "", "fleet:in-progress", "agent:remote")
		done(t, l.host(), update(1, "1", atlas, backend.Task{Title: "x", State: backend.Blocked, Assignee: "remote"}))
		l.mustSee(n, sees{"Fix it", "", "open", []string{"agent:remote", "fleet:blocked"}, nil})
	})
	bubble(t, "without the role Write", func(t *testing.T, l *lab) {
		l.User("fleet-bot").Role = "triage"
		n := l.Open("ann", "[TODO] Fix it", "", "fleet:todo")
		done(t, l.host(), update(1, "1", atlas, backend.Task{Title: "x", State: backend.Done}))
		l.mustSee(n, sees{"[TODO] Fix it", "", "closed", []string{"fleet:done"}, nil})
	})
}

// A text of any length is in the issue and what follows it, also after a change, and told as one.
func TestLongTask(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b := l.host()
		task := backend.Task{Title: "a", Body: strings.Repeat("x", 150_000)}
		ref := done(t, b, create(1, atlas, task))
		if n := len(l.Issue(1).Comments); n != 2 {
			t.Errorf("it goes on in %d comments", n)
		}
		before := l.Requests()
		task.State = backend.Blocked
		done(t, b, update(2, ref, atlas, task))
		if n := len(l.Issue(1).Comments); n != 2 || l.Requests()-before > 7 {
			t.Errorf("a new state took %d requests, and it goes on in %d comments", l.Requests()-before, n)
		}
		task.Body = task.Body[:140_000] + "y" // the beginning is as it was
		done(t, b, update(3, ref, atlas, task))
		done(t, b, update(3, ref, atlas, task))
		if n := len(l.Issue(1).Comments); n != 4 {
			t.Errorf("it goes on in %d comments", n)
		}
		in := newInbox()
		l.Shared = true
		stop := l.run(l.host(), in)
		settled()
		stop()
		events := in.take()
		if len(events) != 1 || events[0].Task.Body != task.Body || events[0].Echo != id(1) {
			t.Errorf("got %d events", len(events))
		}
	})
}

// Whatever goes wrong with whichever request, a task is there once and as it shall be.
func TestTaskOnce(t *testing.T) {
	faulty(t, every, func(t *testing.T, l *lab, _ func()) {
		b := l.host()
		b.Shorten(1000)
		ref := done(t, b, create(1, atlas, backend.Task{Title: "a", Body: strings.Repeat("a", 1000)}))
		done(t, b, update(2, ref, scout, backend.Task{Title: "b", Body: "b", State: backend.InProgress, Assignee: "scout"}))
		done(t, b, update(3, ref, atlas, backend.Task{Title: "b", Body: "c", State: backend.Done, Assignee: "lead"}))
		l.mustSee(1, sees{"[DONE] b", "**Atlas**\n\nc", "closed", []string{"agent:lead", "fleet:done"}, nil})
		if l.Issues() != 1 || len(l.Issue(1).Comments) != 1 {
			t.Errorf("%d issues, %d comments", l.Issues(), len(l.Issue(1).Comments))
		}
	})
}

// What the account may not do is told with the remedy, and waits for it.
func TestRoles(t *testing.T) {
	bubble(t, "no labels", func(t *testing.T, l *lab) {
		l.User("scout-bot").Role = "read"
		b := l.host()
		e := create(1, scout, backend.Task{Title: "a"})
		e.Time = time.Now()
		_, err := b.Do(t.Context(), e)
		mustBeLater(t, err, "SCOUT_TOKEN", "role Triage or Write")
		l.User("scout-bot").Role = "triage"
		l.AddToken(scoutToken, githubstub.Access{User: "scout-bot", Issues: "write"})
		time.Sleep(5 * time.Minute)
		done(t, b, e)
		l.mustSee(1, sees{"[TODO] a", "", "open", []string{"fleet:todo"}, nil})
	})
}
