package discord

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// TestConversation proves that who is spoken to in a channel answers in a thread, and that what is said there is of
// the same thread.
func TestConversation(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		for _, author := range []string{"ada", "bob"} {
			l.grace.Say(l.general, "@"+author+" what is new?")
			l.settle()
			events := l.inbox.take()
			if len(events) != 1 || events[0].Thread != "" || !cmp.Equal(events[0].To, []string{author}) {
				t.Fatalf("events: %+v", events)
			}
			answer := post(chat.General, author, "## Nothing\nat all")
			answer.Thread = events[0].Ref
			first := l.do(b, answer)
			_, id, _ := parseRef(answer.Thread)
			if got := l.s.Channel(id).Name; got != "## Nothing" {
				t.Errorf("the thread is called %q", got)
			}
			l.grace.Say(id, "so?")
			_, message, _ := parseRef(first)
			l.grace.Reply(id, message, "and now?")
			l.settle()
			events = l.inbox.take()
			if len(events) != 2 || events[0].Thread != answer.Thread || events[1].Thread != answer.Thread {
				t.Fatalf("events: %+v", events)
			}
			if diff := cmp.Diff([]string{author}, events[1].To); diff != "" {
				t.Errorf("the reply is for (-want +got):\n%s", diff)
			}
			again := post(chat.General, author, "still nothing")
			again.Thread = answer.Thread
			l.do(b, again)
			if got := len(l.s.Threads(l.general)); got != 1 {
				t.Errorf("%d threads", got)
			}
			l.s.Delete(id)
		}
	})
}

// TestMentions proves for whom a message is, and how people's marks of each other are written out.
func TestMentions(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		adas := l.do(b, post(chat.General, "ada", "from ada"))
		bobs := l.do(b, post(chat.General, "bob", "from bob"))
		fleets := l.do(b, post(chat.General, "", "from the fleet"))
		l.settle()
		l.inbox.echoes()
		mention := func(id string) string { return "<@" + id + ">" }
		for _, c := range []struct {
			say   string
			reply backend.Ref
			text  string
			to    []string
		}{
			{say: "hello", text: "hello"},
			{say: "@bob: hello", text: "@bob: hello", to: []string{"bob"}},
			{say: "(@Bob, @ada)", text: "(@Bob, @ada)", to: []string{"ada", "bob"}},
			{say: "me@bob.example, a@ada", text: "me@bob.example, a@ada"},
			{say: "@bobby", text: "@bobby"},
			{say: mention(l.ada.ID) + " hi", text: "@ada hi", to: []string{"ada"}},
			{say: mention(l.fleet.ID) + " hi", text: "@fleet hi"},
			{
				say:  mention(l.eve.ID) + " hi <#" + l.general + "> <#1> <@&2> <:party:123> <a:dance:1>",
				text: "@eve hi #general #channel @role :party: :dance:",
			},
			{say: "<@99999999> hi", text: "@99999999 hi"},
			{say: "yes", reply: adas, text: "yes", to: []string{"ada"}},
			{say: "yes", reply: bobs, text: "yes", to: []string{"bob"}},
			{say: "yes", reply: fleets, text: "yes"},
		} {
			if c.reply == "" {
				l.eve.Say(l.general, c.say)
			} else {
				_, id, _ := parseRef(c.reply)
				l.eve.Reply(l.general, id, c.say)
			}
			time.Sleep(10 * time.Second)
			events := l.inbox.take()
			if len(events) != 1 {
				t.Fatalf("%q: events: %+v", c.say, events)
			}
			if e := events[0]; e.Text != c.text || !cmp.Equal(e.To, c.to) {
				t.Errorf("%q: %q for %q, not %q for %q", c.say, e.Text, e.To, c.text, c.to)
			}
		}
	})
}

// TestForged proves that nobody else can write what would be taken for the fleet's own: neither by what the text says,
// nor by a mark in it, nor under a bot's name.
func TestForged(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		l.run(b)
		ref := l.do(b, create("ada", backend.Task{Title: "one", State: backend.Todo}))
		id := l.thread(ref)
		e := effect(backend.Effect{})
		claim := claimText("bob") + mark{id: e.ID, kind: ofClaim}.text(note{})
		line := arrow + "[DONE] one" + mark{id: e.ID, kind: ofState}.text(note{digest: digest("")})
		l.eve.Say(id, claim)
		l.eve.Say(id, line)
		l.eve.Hook(id, "fleet", line)
		l.do(b, inThread(post(chat.Tasks, "bob", claim), ref))
		l.do(b, inThread(post(chat.Tasks, "bob", line), ref))
		l.settle()
		now, err := b.review(t.Context(), b.channels[1], id)
		if err != nil {
			t.Fatal(err)
		}
		if len(now.claims) > 0 || now.task.State != backend.Todo {
			t.Errorf("%+v is what somebody else made of it", now)
		}
		for _, e := range l.inbox.take() {
			if e.Kind != backend.Post || e.From.ID == l.fleet.ID || e.From.Name == "fleet" && !e.From.Bot {
				t.Errorf("event %+v", e)
			}
		}
	})
}

func inThread(e backend.Effect, thread backend.Ref) backend.Effect {
	e.Thread = thread
	return e
}

// TestDirect proves that people converse with an agent's own bot, and with the fleet's.
func TestDirect(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		r := l.run(b)
		for _, c := range []struct {
			bot    string
			to     []string
			author string
			answer string
		}{
			{"ada", []string{"ada"}, "ada", "hello"},
			{"ada", []string{"ada"}, "bob", "**Bob**\nhello"},
			{"", nil, "bob", "**Bob**\nhello"},
			{"", nil, "", "hello"},
		} {
			user := l.fleet
			if c.bot != "" {
				user = l.ada
			}
			place, id := l.eve.Tell(user, "are you there?")
			l.settle()
			events := l.inbox.take()
			want := []backend.Event{{
				ID: id, Kind: backend.Post, Channel: backend.Direct + c.bot, Thread: refOf("@", place), Ref: refOf(place, id),
				From: backend.Person{ID: l.eve.ID, Name: "eve"}, To: c.to, Text: "are you there?", Time: timeOf(id),
			}}
			if diff := cmp.Diff(want, events); diff != "" {
				t.Fatalf("%q: events (-want +got):\n%s", c.bot, diff)
			}
			l.do(b, inThread(post(events[0].Channel, c.author, "hello"), events[0].Thread))
			texts, all := l.texts(place), l.s.Messages(place)
			if last := len(all) - 1; texts[last] != c.answer || all[last].Author != user {
				t.Errorf("%q: the answer is %q of %s", c.bot, texts[last], all[last].Author.Name)
			}
		}

		// While nothing is connected, somebody goes on and an operator begins.
		l.settle()
		r.stop()
		l.inbox.echoes()
		l.eve.Tell(l.ada, "one")
		l.eve.Tell(l.ada, "two")
		l.grace.Tell(l.ada, "three")
		l.grace.Tell(l.fleet, "four")
		l.run(l.host())
		var got []string
		for _, e := range l.inbox.take() {
			got = append(got, fmt.Sprint(e.Channel, " ", e.Text))
		}
		slices.Sort(got) // the two bots are heard one beside the other
		if diff := cmp.Diff([]string{"@ four", "@ada one", "@ada three", "@ada two"}, got); diff != "" {
			t.Errorf("what was written meanwhile (-want +got):\n%s", diff)
		}
	})
}

// TestDirectElsewhere proves that an answer goes to the conversation of the bot that was written to, and to no channel.
func TestDirectElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		b := l.host()
		place, _ := l.eve.Tell(l.ada, "hi")
		for _, e := range []backend.Effect{
			post("@ada", "ada", "no thread"),
			inThread(post("@ada", "ada", "a channel"), refOf("@", l.general)),
			inThread(post("@", "ada", "of another bot"), refOf("@", place)),
			inThread(post("@bob", "bob", "no bot"), refOf("@", place)),
			inThread(post(chat.General, "ada", "not of the channel"), refOf("@", place)),
			inThread(post(chat.General, "ada", "of another channel"), refOf(l.rooms, place)),
			inThread(post(chat.General, "ada", "nothing"), "nothing"),
			post(chat.Alerts, "ada", "a channel that is not there"),
			post(chat.General, "ada", " \n"),
		} {
			if ref, err := l.try(b, e); err == nil {
				t.Errorf("%q went to %s", e.Text, ref)
			}
		}
		if all := l.texts(place); len(all) != 1 {
			t.Errorf("the conversation: %q", all)
		}
	})
}
