package slack

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/slackstub"
)

// People and agents talk: who it was, to whom, where.
func TestTalk(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.s.Add(&slackstub.User{ID: "U9", Team: "T0OTHER", Name: "eve", Display: "ada"})
		b, _ := l.start()
		ts := l.s.Say("U1", "C0GENERAL", "", "hello <@UFLEET>, and @ada: 1 &lt; 2")
		answer := l.s.Say("U2", "C0GENERAL", ts, "an answer to <@U1>")
		foreign := l.s.Say("U9", "C0GENERAL", "", "<@U9> is no agent, nor is a@max.org, but @MAX is")
		unknown := l.s.Say("U0NOBODY", "C0GENERAL", "", "who am I?")
		bot := l.s.Post("C0GENERAL", slackstub.Message{Bot: "B7", Username: "CI", Subtype: "bot_message", Text: "red"})
		file := l.s.Post("C0GENERAL", slackstub.Message{User: "U1", Subtype: "file_share", File: "<plan>"})
		l.s.Post("C0GENERAL", slackstub.Message{User: "U1", Subtype: "channel_join", Text: "<@U1> has joined"})
		l.settle(10 * time.Second)

		ref := func(ts string) backend.Ref { return backend.Ref("C0GENERAL/" + ts) }
		grace, bob := backend.Person{ID: "U1", Name: "Grace"}, backend.Person{ID: "U2", Name: "bob"}
		event := func(ts string, from backend.Person, text string, to ...string) backend.Event {
			return backend.Event{
				ID: "C0GENERAL/" + ts, Kind: backend.Post, Channel: "general", Ref: ref(ts), From: from, To: to, Text: text, Time: clock(ts),
			}
		}
		second := event(answer, bob, "an answer to @Grace")
		second.Thread, second.Ref = ref(ts), ref(ts+"/"+answer)
		want := []backend.Event{
			event(ts, grace, "hello @fleet, and @ada: 1 < 2", "ada"),
			second,
			event(foreign, backend.Person{ID: "T0OTHER/U9", Name: "ada"}, "@ada is no agent, nor is a@max.org, but @MAX is", "max"),
			event(unknown, backend.Person{ID: "?/U0NOBODY", Name: "U0NOBODY"}, "who am I?"),
			event(bot, backend.Person{ID: "B7", Name: "CI", Bot: true}, "red"),
			event(file, grace, "[file: <plan>]"),
		}
		if diff := cmp.Diff(want, l.inbox.of("general")); diff != "" {
			t.Error(diff)
		}

		first := l.do(b, post(1, "**hi** @channel <!here> [x](https://e.org/a?b=1&c)"))
		answered := post(2, "an answer")
		answered.Thread, answered.Author = backend.Ref(string(ref(ts))+"/"+answer), backend.Author{} // of the fleet, to the answer
		l.do(b, answered)
		l.settle(seldom)
		if diff := cmp.Diff([]string{id(1), id(2)}, l.inbox.echoes("general")); diff != "" {
			t.Error(diff)
		}
		top := l.s.Messages("C0GENERAL", "")
		m := top[len(top)-1]
		want1 := slackstub.Message{
			TS: strings.TrimPrefix(string(first), "C0GENERAL/"), Subtype: "bot_message", Bot: "BFLEET", App: "A1", Username: "Max",
			Text: "*hi* @channel &lt;!here&gt; <https://e.org/a?b=1&amp;c|x>",
		}
		m.Metadata = nil
		if diff := cmp.Diff(want1, m, cmp.AllowUnexported(slackstub.Message{})); diff != "" {
			t.Error(diff)
		}
		in := l.s.Messages("C0GENERAL", ts)
		if diff := cmp.Diff([]string{"an answer to <@U1>", "an answer"}, written(in)); diff != "" {
			t.Error(diff)
		}
	})
}

// The messages of a long text come as what one effect has brought about, and it stands where the first is.
func TestEchoOfLongPost(t *testing.T) {
	inBubble(t, func(l *lab) {
		b, _ := l.start()
		first := l.do(b, post(1, strings.Repeat("many words ", 900)))
		l.settle(2 * seldom)
		var refs []backend.Ref
		for _, e := range l.inbox.events {
			if e.Echo == id(1) {
				refs = append(refs, e.Ref)
			}
		}
		if diff := cmp.Diff([]backend.Ref{first, "", ""}, refs); diff != "" {
			t.Error(diff)
		}
	})
}

// A text of any length is there, in order, in messages that Slack shows well.
func TestLongPosts(t *testing.T) {
	for name, text := range map[string]string{
		"words":  strings.Repeat("the quick brown fox & <co> ", 800),
		"signs":  strings.Repeat("<&>", 5000),
		"code":   "see:\n\n```go\n" + strings.Repeat("if a < b && c > d {}\n", 600) + "```\n\nend",
		"marks":  strings.Repeat("**b** _i_ [x](https://e.org/?a=1&b=2)\n\n", 300),
		"emoji":  strings.Repeat("👩‍👩‍👧", 2000),
		"lists":  strings.Repeat("- a\n  - b\n    - c\n", 400),
		"heads":  strings.Repeat("# a\n", 2000),
		"quotes": strings.Repeat("> ", 3000) + "deep",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				b := l.backend()
				ref := l.do(b, post(1, text))
				messages := l.s.Messages("C0GENERAL", "")
				if len(messages) < 2 || string(ref) != "C0GENERAL/"+messages[0].TS {
					t.Fatalf("%d messages, the first at %s", len(messages), ref)
				}
				var all strings.Builder
				for _, m := range messages {
					if n := utf8.RuneCountInString(m.Text); n > maxText {
						t.Errorf("a message has %d characters", n)
					}
					all.WriteString(m.Text)
				}
				for _, r := range "<&>" {
					sent := map[rune]string{'<': "&lt;", '>': "&gt;", '&': "&amp;"}[r]
					if name == "signs" && strings.Count(all.String(), sent) != strings.Count(text, string(r)) {
						t.Errorf("of %d %c there are %d", strings.Count(text, string(r)), r, strings.Count(all.String(), sent))
					}
				}
				if n := strings.Count(all.String(), "if a"); name == "code" && n != 600 {
					t.Errorf("of 600 lines there are %d", n)
				}
				l.do(b, post(1, text))
				if again := l.s.Messages("C0GENERAL", ""); len(again) != len(messages) {
					t.Errorf("%d messages, and %d after another Do", len(messages), len(again))
				}
			})
		})
	}
}

// The end of a process at any call, and the next one that brings the same effects about.
func TestDiesAndComesBack(t *testing.T) {
	for cut := range 12 {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			inBubble(t, func(l *lab) {
				n := 0
				l.s.Chaos(func(string) *slackstub.Wrong {
					if n++; n == cut+1 {
						return &slackstub.Wrong{Cut: true, After: true}
					}
					if n > cut+1 && n < cut+4 {
						return &slackstub.Wrong{Cut: true}
					}
					return nil
				})
				long := strings.Repeat("many words ", 900)
				for _, e := range []backend.Effect{post(1, long), task(2, "build", backend.Todo), post(3, "end")} {
					for range 20 {
						// A backend for each try: none knows what one before it did.
						_, err := l.backend().Do(l.t.Context(), e)
						time.Sleep(2 * time.Second)
						if err == nil {
							break
						}
					}
				}
				got := written(l.s.Messages("C0GENERAL", ""))
				if len(got) != 4 || got[3] != "end" || strings.Count(strings.Join(got, " "), "many words") != 900 {
					t.Errorf("%d messages: %.60q", len(got), got)
				}
				tasks := l.s.Messages("C0TASKS", "")
				if len(tasks) != 1 || len(tasks[0].Reactions) != 1 {
					t.Errorf("%+v", tasks)
				}
			})
		})
	}
}

func task(n int, title string, s backend.State) backend.Effect {
	return backend.Effect{
		ID: id(n), Kind: backend.Create, Channel: "tasks", Author: backend.Author{Key: "max", Name: "Max"},
		Task: backend.Task{Title: title, Body: "the *body*", State: s},
	}
}

func TestWhere(t *testing.T) {
	inBubble(t, func(l *lab) {
		b := l.backend()
		for _, e := range []backend.Effect{
			{Kind: backend.Post, Channel: "secret", Text: "x"},
			{Kind: backend.Post, Channel: "general", Thread: "C0TASKS/1893553455.000000", Text: "x"},
			{Kind: backend.Post, Channel: "general", Thread: "D0FLEET", Text: "x"},
			{Kind: backend.Post, Channel: "general", Thread: "C0GENERAL/../x", Text: "x"},
			{Kind: backend.Post, Channel: "general", Thread: "C0GENERAL/1.2&a=b", Text: "x"},
			{Kind: backend.Post, Channel: "@ada", Thread: "C0TASKS", Text: "x"},
			{Kind: backend.Post, Channel: "@ada", Text: "x"},
			{Kind: backend.Post, Channel: "general", Text: " \n"},
			{Kind: "dance", Channel: "general"},
			{Kind: backend.Create, Channel: "general", Task: backend.Task{Title: "x"}},
			{Kind: backend.Update, Channel: "tasks", Task: backend.Task{Title: "x"}},
			{Kind: backend.Update, Channel: "tasks", Thread: "@/D0FLEET/1893553455.000000", Task: backend.Task{Title: "x"}},
			{Kind: "dance", Channel: "tasks"},
		} {
			if ref, err := b.Do(l.t.Context(), e); err == nil {
				t.Errorf("%+v is at %s", e, ref)
			}
		}
		if n := l.s.Calls("chat.postMessage"); n != 0 {
			t.Errorf("%d messages", n)
		}
	})
}

// A text that mentions no end of people does not have as many asked for.
func TestManyMentions(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.start()
		var text strings.Builder
		for n := range 500 {
			fmt.Fprintf(&text, "<@U%d> ", 1000+n)
		}
		l.s.Say("U1", "C0GENERAL", "", text.String()+"<@U1>")
		l.settle(time.Minute)
		if n := l.s.Calls("users.info"); n > maxNames+1 {
			t.Errorf("%d people were asked for", n)
		}
		got := texts(l.inbox.of("general"))
		if len(got) != 1 || !strings.HasPrefix(got[0], "@U1000 @U1001 ") || !strings.HasSuffix(got[0], "@U1499 @Grace") {
			t.Errorf("%.60q", got)
		}
	})
}
