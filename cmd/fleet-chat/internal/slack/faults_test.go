package slack

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	slackgo "github.com/slack-go/slack"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/slackstub"
)

// wrongs are all ways in which a call goes wrong and can be mended.
var wrongs = map[string]slackstub.Wrong{
	"429":                   {Status: 429, Retry: 3},
	"429, long":             {Status: 429, Retry: 90},
	"500":                   {Status: 500},
	"503, done":             {Status: 503, After: true},
	"502":                   {Status: 502},
	"cut":                   {Cut: true},
	"cut, done":             {Cut: true, After: true},
	"no answer":             {Hang: true},
	"no answer, done":       {Hang: true, After: true},
	"ratelimited":           {Error: "ratelimited"},
	"internal_error":        {Error: "internal_error"},
	"internal_error, done":  {Error: "internal_error", After: true},
	"fatal_error, done":     {Error: "fatal_error", After: true},
	"channel_not_found":     {Error: "channel_not_found"},
	"not_in_channel":        {Error: "not_in_channel"},
	"invalid_auth":          {Error: "invalid_auth"},
	"missing_scope":         {Error: "missing_scope", Needed: "chat:write"},
	"status nobody expects": {Status: 418},
}

// operations are all that is asked of a backend, with the calls that they need.
var operations = []struct {
	name    string
	methods []string
	do      func(l *lab, b *Backend)
	check   func(l *lab) string
}{
	{
		"post",
		[]string{"chat.postMessage", "conversations.history", "auth.test"},
		func(l *lab, b *Backend) { l.do(b, post(1, "hello")) },
		func(l *lab) string { return strings.Join(written(l.s.Messages("C0GENERAL", "")), "|") },
	},
	{
		"answer",
		[]string{"chat.postMessage", "conversations.replies"},
		func(l *lab, b *Backend) {
			e := post(1, strings.Repeat("words ", 1000))
			e.Thread = "C0GENERAL/" + backend.Ref(l.s.Messages("C0GENERAL", "")[0].TS)
			l.do(b, e)
		},
		func(l *lab) string {
			n := l.s.Messages("C0GENERAL", "")
			all := written(l.s.Messages("C0GENERAL", n[0].TS))
			return fmt.Sprint(len(all), strings.Count(strings.Join(all, " "), "words"))
		},
	},
	{
		"create",
		[]string{"chat.postMessage", "conversations.history", "reactions.add", "auth.test"},
		func(l *lab, b *Backend) { l.do(b, task(1, "build", backend.Todo)) },
		tasksNow,
	},
	{
		"update",
		[]string{"chat.postMessage", "conversations.replies", "reactions.add", "reactions.remove", "chat.update"},
		func(l *lab, b *Backend) {
			ref := l.do(b, task(1, "build", backend.Todo))
			e := task(2, "build it", backend.InProgress)
			e.Kind, e.Thread, e.Task.Assignee = backend.Update, ref, "ada"
			l.do(b, e)
		},
		tasksNow,
	},
	{
		"claim",
		[]string{"chat.postMessage", "conversations.replies"},
		func(l *lab, b *Backend) {
			ref := l.do(b, task(1, "build", backend.Todo))
			won := l.claim(b, ref, backend.Claim{ID: id(2), Agent: "ada"})
			if won.ID != id(2) || won.Agent != "ada" || won.Time.IsZero() {
				l.t.Errorf("the claim that won is %+v", won)
			}
		},
		tasksNow,
	},
}

// tasksNow is all that stands in the channel for tasks.
func tasksNow(l *lab) string {
	var b strings.Builder
	for _, m := range l.s.Messages("C0TASKS", "") {
		fmt.Fprintf(&b, "%s %v\n", m.Text, m.Reactions)
		for _, r := range l.s.Messages("C0TASKS", m.TS) {
			fmt.Fprintf(&b, "  %s\n", r.Text)
		}
	}
	return b.String()
}

// Each fault at each call of each operation, once and three times: in the end the effect is there, once.
func TestFaults(t *testing.T) {
	for _, op := range operations {
		var want string
		run := func(t *testing.T, method string, w slackstub.Wrong, times int) (got string) {
			inBubble(t, func(l *lab) {
				l.s.Say("U1", "C0GENERAL", "", "hi")
				for range times {
					w.Method = method
					l.s.Go(w)
				}
				op.do(l, l.backend())
				got = op.check(l)
			})
			return got
		}
		want = run(t, "", slackstub.Wrong{}, 0)
		for _, method := range op.methods {
			for name, w := range wrongs {
				for _, times := range []int{1, 3} {
					t.Run(fmt.Sprintf("%s/%s/%s/%d", op.name, method, name, times), func(t *testing.T) {
						if diff := cmp.Diff(want, run(t, method, w, times)); diff != "" {
							t.Error(diff)
						}
					})
				}
			}
		}
	}
}

// How long to wait is as Slack says, and long where a person has to mend something.
func TestLater(t *testing.T) {
	for name, least := range map[string]time.Duration{
		"429, long": 90 * time.Second, "ratelimited": busy, "500": settled, "not_in_channel": mended,
	} {
		inBubble(t, func(l *lab) {
			w := wrongs[name]
			w.Method = "chat.postMessage"
			l.s.Go(w)
			_, err := l.backend().Do(l.t.Context(), post(1, "hello"))
			var later *backend.Later
			if !errors.As(err, &later) || later.After != least {
				t.Errorf("%s: %#v", name, err)
			}
		})
	}
}

// Neither a token nor the ticket of a connection is told, wherever it stands.
func TestNoSecretIsTold(t *testing.T) {
	for _, err := range []error{
		&url.Error{Op: "Post", URL: "https://slack.com/api/x?token=xoxb-1-SECRET", Err: errors.New("refused")},
		&url.Error{Op: "Get", URL: "x", Err: &url.Error{Op: "Get", URL: "wss://x/?ticket=SECRET", Err: io.EOF}},
		&url.Error{Op: "Post", URL: "https://slack.com/api/x?other=SECRET", Err: errors.New("refused")},
		fmt.Errorf("dial wss://wss-primary.slack.com/link/?ticket=SECRET-1&app_id=A1: %w", io.EOF),
		errors.New("bad header Authorization: Bearer xapp-1-A1-SECRET"),
		errors.New("the token xoxe.xoxb-1-SECRET has ended"),
		slackgo.SlackErrorResponse{Err: "no scope for xoxb-1-SECRET", Needed: "xapp-SECRET"},
	} {
		f := asFault("auth.test", err)
		if text := f.Error() + f.cause; strings.Contains(text, "SECRET") {
			t.Errorf("%v", text)
		}
	}
}

// What no further try mends is an error that says so.
func TestFinal(t *testing.T) {
	for _, word := range []string{"msg_too_long", "no_text", "invalid_arguments", "thread_not_found", "a_word_of_the_future"} {
		inBubble(t, func(l *lab) {
			l.s.Go(slackstub.Wrong{Method: "chat.postMessage", Error: word})
			_, err := l.backend().Do(l.t.Context(), post(1, "hello"))
			var later *backend.Later
			if err == nil || errors.As(err, &later) || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v", word, err)
			}
		})
	}
}

// dice are thrown by several goroutines.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

// IntN is a number from 0 to n-1.
func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

// effects are how many a soak has.
const effects = 120

// Many effects in three places while everything goes wrong now and then: each is there once, in order, and each of two
// hosts was told of all.
func TestSoak(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(l *lab) { soak(l, &dice{random: rand.New(rand.NewPCG(seed, 1))}) }) //nolint:gosec // the same each time
		})
	}
}

func soak(l *lab, random *dice) {
	root := l.s.Say("U1", "G0ALERTS", "", "a thread")
	b, _ := l.start()
	other := newInbox()
	l.run(l.backend(), other)
	l.settle(10 * time.Second)
	l.s.Chaos(func(string) *slackstub.Wrong {
		if random.IntN(5) > 0 {
			return nil
		}
		return &[]slackstub.Wrong{
			{Status: 429, Retry: 1 + random.IntN(5)},
			{Status: 500},
			{Status: 503, After: true},
			{Cut: true},
			{Cut: true, After: true},
			{Error: "internal_error", After: true},
			{Error: "ratelimited"},
			{Hang: true, After: true},
		}[random.IntN(8)]
	})
	l.s.Fail(slackstub.Socket{Event: func(map[string]any) slackstub.Fate {
		return []slackstub.Fate{
			slackstub.Sent, slackstub.Sent, slackstub.Twice, slackstub.Held, slackstub.Lost, slackstub.Garbled,
		}[random.IntN(6)]
	}})
	want := map[string][]string{}
	people := map[string][]string{}
	for n := range effects {
		e := post(n, fmt.Sprintf("text %d", n))
		place := []string{"general", "alerts", "thread"}[random.IntN(3)]
		switch place {
		case "alerts":
			e.Channel = place
		case "thread":
			e.Channel, e.Thread = "alerts", backend.Ref("G0ALERTS/"+root)
		}
		want[place] = append(want[place], e.Text)
		l.do(b, e)
		switch random.IntN(12) {
		case 0:
			l.s.Drop()
		case 1:
			l.s.Disconnect("refresh_requested")
		case 2, 3:
			text := fmt.Sprintf("a word %d", n)
			l.s.Say("U1", "C0GENERAL", "", text)
			people["general"] = append(people["general"], text)
		case 4:
			text := fmt.Sprintf("a word %d", n)
			l.s.Say("U2", "G0ALERTS", root, text)
			people["alerts"] = append(people["alerts"], text)
		}
	}
	l.s.Chaos(nil)
	l.s.Fail(slackstub.Socket{})
	l.settle(2 * seldom)
	ours := func(messages []slackstub.Message) (texts []string) {
		for _, m := range messages {
			if m.Bot != "" {
				texts = append(texts, m.Text)
			}
		}
		return texts
	}
	got := map[string][]string{
		"general": ours(l.s.Messages("C0GENERAL", "")), "alerts": ours(l.s.Messages("G0ALERTS", "")),
		"thread": ours(l.s.Messages("G0ALERTS", root)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		l.t.Error(diff)
	}
	for name, in := range map[string]*inbox{"this host": l.inbox, "the other": other} {
		if n := len(in.echoes("general")) + len(in.echoes("alerts")); n != effects {
			l.t.Errorf("%s was told of %d effects", name, n)
		}
		for channel, texts1 := range people {
			got := texts(in.of(channel))
			if channel == "alerts" {
				got = got[1:] // the thread's root
			}
			if diff := cmp.Diff(texts1, got); diff != "" {
				l.t.Errorf("%s, %s: %s", name, channel, diff)
			}
		}
	}
}
