package hub

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/schemas/chat"
)

// FuzzEvent has a person do anything there: it is stored, clean and within bounds, and trust is by the identifier alone.
func FuzzEvent(f *testing.F) {
	f.Add("U1", "Olga", "hello @lead", "title", "body", "todo", "worker", "lead", false)
	f.Add("u1", "U1\x00\u202e", "\x1b]0;x\x07@@lead @Lead- \xff", "\n\n", "\r\n", "gone", "a\tb", "nobody", true)
	f.Add("", "", "", "", "", "", "", "", true)
	l := newLab(f, distant(), newFar(f))
	n := 0
	f.Fuzz(func(t *testing.T, id, name, text, title, body, state, assignee, to string, bot bool) {
		n++
		e := backend.Event{
			ID: "e" + itoa(int64(n)), Kind: backend.Post, Channel: "general", Ref: backend.Ref("r" + itoa(int64(n))),
			From: backend.Person{ID: id, Name: name, Bot: bot}, Text: text, To: []string{to},
			Task: backend.Task{Title: title, Body: body, State: backend.State(state), Assignee: assignee},
		}
		check(t, inbox{l.Hub}.Take(context.Background(), e, "m"))
		all, _, err := l.store.History("general", "", 0, store.Bounds{Messages: 1, Bytes: 1})
		check(t, err)
		m := all[0]
		if m.Text != clean.Text(m.Text) || len(m.Text) > 4096 || m.From.Untrusted == (id == "U1") {
			t.Errorf("%+v", m)
		}
		for _, key := range m.To {
			if a := l.Agent(key); a == nil || !a.Sees("general") {
				t.Errorf("for %q", key)
			}
		}
		e.ID, e.Kind, e.Channel = "t"+e.ID, backend.Create, chat.Tasks
		check(t, inbox{l.Hub}.Take(context.Background(), e, "m"))
		tasks, _, err := l.store.Tasks(store.Filter{States: chat.States, Limit: 10_000})
		check(t, err)
		var made chat.Task
		for _, k := range tasks {
			if k.Number > made.Number {
				made = k
			}
		}
		if made.Title == "" || strings.ContainsAny(made.Title+made.Assignee, "\n\t\x00") || !utf8.ValidString(made.Body) {
			t.Errorf("%+v", made)
		}
		e.ID = "u" + e.ID
		e.Kind, e.Thread = backend.Update, e.Ref
		check(t, inbox{l.Hub}.Take(context.Background(), e, "m"))
		if again, err := l.store.Task(made.Number); err != nil || cmp.Diff(made.Title, again.Title) != "" {
			t.Errorf("%+v, %v", again, err)
		}
	})
}
