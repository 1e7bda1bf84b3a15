package discord

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
)

// TestJudge proves what a task is by what is in its thread: the messages of our bots and the names that people gave it,
// in their order.
func TestJudge(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		if err := b.acquaint(t.Context()); err != nil {
			t.Fatal(err)
		}
		id := 100
		say := func(from string, of int, text string) message {
			id++
			return message{ID: fmt.Sprint(id), Type: of, Content: text, Author: user{ID: from}}
		}
		fleet, eve := l.fleet.ID, l.eve.ID
		body := digest("text")
		number := 0
		signed := func(k kind, text, sum string) message {
			number++
			m := mark{id: fmt.Sprintf("M%025d", number), kind: k}
			return say(fleet, typeDefault, text+m.text(note{digest: sum}))
		}
		line := func(state backend.State, who string) message {
			return signed(ofState, statusLine(backend.Task{Title: "one", State: state, Assignee: who}), body)
		}
		claim := func(agent string) message { return signed(ofClaim, claimText(agent), "") }
		renamed := func(from, name string) message { return say(from, typeRenamed, name) }
		begin := signed(ofTask, "text", body)
		begin.ID = "100"

		todo := backend.Task{Title: "one", Body: "text", State: backend.Todo}
		with := func(state backend.State, who string) backend.Task {
			return backend.Task{Title: "one", Body: "text", State: state, Assignee: who}
		}
		for _, c := range []struct {
			name   string
			all    []message
			want   backend.Task
			claims string
		}{
			{"new", nil, todo, ""},
			{"claimed", []message{claim("ada"), claim("bob")}, todo, "ada bob"},
			{"in progress", []message{claim("ada"), line(backend.InProgress, "ada")}, with(backend.InProgress, "ada"), "ada"},
			{
				"released",
				[]message{claim("ada"), line(backend.InProgress, "ada"), line(backend.Todo, ""), claim("bob")},
				todo, "bob",
			},
			{"said to be to do again", []message{claim("ada"), line(backend.Todo, "")}, todo, "ada"},
			{
				"our own late name",
				[]message{
					line(backend.InProgress, "ada"), line(backend.Todo, ""), claim("bob"), line(backend.InProgress, "bob"),
					renamed(fleet, "[TODO] one"),
				},
				with(backend.InProgress, "bob"), "bob",
			},
			{
				"released by a person",
				[]message{claim("ada"), line(backend.InProgress, "ada"), renamed(eve, "[TODO] one"), claim("bob")},
				todo, "bob",
			},
			{
				"done by a person",
				[]message{claim("ada"), line(backend.InProgress, "ada"), renamed(eve, "[DONE] one")},
				with(backend.Done, "ada"), "ada",
			},
			{
				"a person's line", []message{say(eve, typeDefault, statusLine(with(backend.Done, "eve")))}, todo, "",
			},
			{
				"a person's mark",
				[]message{say(eve, typeDefault, claimText("ada")+mark{"M0000000000000000000000999", ofClaim, 0}.text(note{}))},
				todo, "",
			},
			{
				"an agent's claim in words", []message{signed(ofPost, claimText("ada"), "")}, todo, "",
			},
			{
				"another text",
				[]message{
					signed(ofState, statusLine(todo)+"\n\nmore", digest("more")),
					signed(ofState, statusLine(with(backend.Done, "")), digest("more")),
				},
				backend.Task{Title: "one", Body: "more", State: backend.Done},
				"",
			},
			{
				"no text any more",
				[]message{signed(ofState, statusLine(todo)+"\n\n", digest(""))},
				backend.Task{Title: "one", State: backend.Todo},
				"",
			},
		} {
			r := b.judge(&thread{ID: "100", Name: "[TODO] one"}, append([]message{begin}, c.all...))
			if diff := cmp.Diff(c.want, r.task); diff != "" {
				t.Errorf("%s: the task (-want +got):\n%s", c.name, diff)
			}
			var claims []string
			for _, one := range r.claims {
				claims = append(claims, one.Agent)
			}
			if got := strings.Join(claims, " "); got != c.claims {
				t.Errorf("%s: the claims are %q, not %q", c.name, got, c.claims)
			}
		}
	})
}
