package discord

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/discordstub"
	"fleet/schemas/chat"
)

func TestPost(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		ada := l.do(b, post(chat.General, "ada", "hello, **world**"))
		bob := l.do(b, post(chat.General, "bob", "@everyone <@"+l.grace.ID+"> look"))
		l.do(b, post(chat.General, "", "the fleet is up"))
		host := post(chat.General, "", "from the host")
		host.Author.Name = "alan"
		l.do(b, host)

		want := []string{
			"hello, **world**", "**Bob**\n@everyone <@" + l.grace.ID + "> look", "the fleet is up", "**alan**\nfrom the host",
		}
		if diff := cmp.Diff(want, l.texts(l.general)); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		all := l.s.Messages(l.general)
		if all[0].Author != l.ada || all[1].Author != l.fleet {
			t.Errorf("authors are %s and %s", all[0].Author.Name, all[1].Author.Name)
		}
		if ada != refOf(l.general, all[0].ID) || bob != refOf(l.general, all[1].ID) {
			t.Errorf("references are %s and %s", ada, bob)
		}
	})
}

func TestEcho(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		effects := []backend.Effect{
			post(chat.General, "ada", strings.Repeat("long ", 1000)), post(chat.General, "bob", "short"),
			create("bob", backend.Task{Title: "a task", Body: strings.Repeat("body ", 1000), State: backend.Todo}),
		}
		var want []string
		for _, e := range effects {
			l.do(b, e)
			want = append(want, e.ID)
		}
		l.settle()
		for _, e := range l.inbox.all() {
			if e.Echo == effects[1].ID && (e.Text != "short" || e.From.Name != "Bob" || e.From.ID != l.fleet.ID || !e.From.Bot) {
				t.Errorf("the event is %+v", e)
			}
		}
		if diff := cmp.Diff(want, l.inbox.echoes()); diff != "" {
			t.Errorf("echoes (-want +got):\n%s", diff)
		}
		if l.inbox.again > 0 {
			t.Errorf("%d events came again without need", l.inbox.again)
		}
	})
}

// TestLong proves that a text of any length comes whole, in order, as few messages.
func TestLong(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		code := "```go\n" + strings.Repeat("\tx := f(`a`) // 😀\n", 400) + "```\n"
		text := strings.Repeat("A paragraph of some words.\n\n", 300) + code + strings.Repeat("é", 5000) + " end"
		for _, author := range []string{"ada", "bob"} {
			ref := l.do(b, post(chat.General, author, text))
			all := l.s.Messages(l.general)
			if ref != refOf(l.general, all[0].ID) {
				t.Errorf("%s: the reference is not that of the first message", author)
			}
			var got strings.Builder
			for i, m := range all {
				mk, n, ok := b.markIn(wire(m))
				if !ok || mk.part != i {
					t.Fatalf("%s: message %d has the mark %+v", author, i, mk)
				}
				_, part := pieceOf(wire(m), n).read()
				got.WriteString(part)
				if strings.Count(m.Content, "```")%2 != 0 {
					t.Errorf("%s: a block of code is open at the end of:\n%s", author, m.Content)
				}
			}
			if diff := cmp.Diff(text, got.String()); diff != "" {
				t.Errorf("%s: the text is another (-want +got):\n%s", author, diff)
			}
			if most := len([]rune(text))/1000 + 1; len(all) > most {
				t.Errorf("%s: %d messages, more than %d", author, len(all), most)
			}
			l.general = l.s.AddChannel("general", discordstub.Text)
			l.config.Channels[1].ID = l.general
			b = l.host()
		}
	})
}
