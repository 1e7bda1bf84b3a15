package discord

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

func TestMark(t *testing.T) {
	id := "E0000000000000000000000zZ9"
	for _, m := range []mark{
		{id, ofPost, 0}, {id, ofTask, 1}, {id, ofState, 63}, {id, ofClaim, 64}, {id, ofPress, partMost},
	} {
		for _, n := range []note{{}, {named | broken | tailHigh, "abc-_9"}, {headed | tailLow, ""}} {
			text := "a text" + m.text(n)
			got, gotNote, rest, ok := readMark(text)
			if !ok || got != m || gotNote != n || rest != "a text" {
				t.Errorf("%+v %+v became %+v %+v %q", m, n, got, gotNote, rest)
			}
			if n := utf8.RuneCountInString(text) - len("a text"); n > markLength {
				t.Errorf("a mark of %d", n)
			}
		}
		if n := m.nonce(); len(n) != 25 {
			t.Errorf("the nonce %q", n)
		}
	}
	for _, text := range []string{
		"", "a text", "\u2061", strings.Repeat("\u2061", 90), strings.Repeat("\u2061", 91) + "x",
		mark{id, ofPost, 0}.text(note{}) + "x", "x" + mark{id, ofPost, 0}.text(note{})[3:],
	} {
		if m, _, _, ok := readMark(text); ok && m.id != strings.Repeat("0", idLength) {
			t.Errorf("%q has the mark %+v", text, m)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("wörd ", 30))
	for _, c := range []struct {
		state backend.State
		title string
		name  string
		shown string
	}{
		{backend.Todo, "one", "[TODO] one", "one"},
		{backend.InProgress, " one\n two", "[IN PROGRESS] one two", "one two"},
		{backend.Blocked, "", "[BLOCKED]", ""},
		{"strange", "[DONE] one", "[TODO] [DONE] one", "[DONE] one"},
		{backend.Done, long, "[DONE] " + strings.TrimSpace(strings.Repeat("wörd ", 18)) + "…", ""},
	} {
		name := threadName(c.state, c.title)
		if name != c.name || utf8.RuneCountInString(name) > nameMost {
			t.Errorf("%q is called %q", c.title, name)
		}
		state, shown := parseName(name)
		if state != signOf(c.state).state || c.shown != "" && shown != c.shown {
			t.Errorf("%q is read as %s %q", name, state, shown)
		}
		if got := retitled(c.title, shown); got != c.title {
			t.Errorf("%q became %q", c.title, got)
		}
	}
	for name, want := range map[string]backend.State{
		"[done] x": backend.Done, "[In Progress]x": backend.InProgress, "[DON] x": backend.Todo, "x [DONE]": backend.Todo,
	} {
		if state, _ := parseName(name); state != want {
			t.Errorf("%q is %s", name, state)
		}
	}
	if got := retitled("another title", "an…"); got != "another title" {
		t.Errorf("a cut title became %q", got)
	}
	if got := retitled("one", "two…"); got != "two…" {
		t.Errorf("a new title became %q", got)
	}
}

func TestReach(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	first, soon, late := idAt(at), idAt(at.Add(time.Second)), idAt(at.Add(time.Hour))
	for _, r := range []reach{{}, {first, first}, {soon, first}, {late, first}} {
		got := readReach(r.mark(time.Minute))
		if got.last != r.last || r.last != "" && got.after(time.Minute) != r.after(time.Minute) {
			t.Errorf("%+v became %+v", r, got)
		}
	}
	for _, mark := range []string{"", "x", "1/x", "/1", "1/", "01", "-1", "1/2/3", "99999999999999999999"} {
		if got := readReach(mark); got != (reach{}) {
			t.Errorf("%q is %+v", mark, got)
		}
	}
}

func TestTalks(t *testing.T) {
	all := talks{}
	for i := range 150 {
		all[idAt(time.UnixMilli(epoch+int64(i+1)))] = idAt(time.UnixMilli(epoch + int64(1000-i)))
	}
	got := readTalks(all.mark())
	if diff := cmp.Diff(all, got); diff != "" || len(got) != talksMost {
		t.Errorf("%d talks:\n%s", len(got), diff)
	}
	if _, ok := got[idAt(time.UnixMilli(epoch+1))]; !ok {
		t.Error("the latest talk is forgotten")
	}
}

var spaces = regexp.MustCompile(`[\s\p{Z}]{300}`)

// FuzzPieces proves that the messages of any text are within Discord's limit and say the text.
func FuzzPieces(f *testing.F) {
	f.Add("", "", "hello")
	f.Add("**Bob**\n", "**t**\n\n", strings.Repeat("word ", 1000))
	f.Add("", "", "```go\n"+strings.Repeat("\tx\n\n\n", 900)+"```")
	f.Add("**Ada**\n", "", strings.Repeat("    x\n", 800)+strings.Repeat(" ", 2100)+"y")
	f.Add("", "", strings.Repeat("é\u0301", 3000))
	f.Add("", "", "x\n"+strings.Repeat("    y\n", 800))
	f.Fuzz(func(t *testing.T, above, head, text string) {
		if above = "**" + bareLine(above) + "**\n"; above == "****\n" || len(above) > 400 {
			above = ""
		}
		if head = "**" + escape(oneLine(head)) + "**\n\n"; head == "****\n\n" || len(head) > 800 {
			head = ""
		}
		var got strings.Builder
		for i, p := range pieces(above, head, text) {
			if n := utf8.RuneCountInString(p.text) + markLength; n > messageMost || strings.TrimSpace(p.text) == "" {
				t.Fatalf("a message of %d characters", n)
			}
			// Discord takes white space away at both ends; the mark stands at the second one.
			p.text = strings.TrimSpace(p.text + "x")
			p.text = p.text[:len(p.text)-1]
			title, part := p.read()
			if i == 0 && head != "" && "**"+escape(title)+"**\n\n" != head {
				t.Errorf("the head %q became %q", head, title)
			}
			got.WriteString(part)
		}
		// A message of white space alone is left out.
		if want := strings.TrimSpace(clean(text)); got.String() != want && !spaces.MatchString(want) {
			t.Errorf("%q\nbecame %q", want, got.String())
		}
	})
}

// FuzzMark proves that what is no mark is none, and that a mark that is read is written the same.
func FuzzMark(f *testing.F) {
	f.Add("a text" + mark{"E0000000000000000000000001", ofPost, 7}.text(note{named, "abcdef"}))
	f.Add("a text\u2061\u2062")
	f.Fuzz(func(t *testing.T, text string) {
		m, n, rest, ok := readMark(text)
		if ok && rest+m.text(n) != text {
			t.Errorf("%q is read as %+v %+v %q", text, m, n, rest)
		}
		if !ok && rest != text {
			t.Errorf("%q without a mark became %q", text, rest)
		}
		piece{rest, n.form}.read()
	})
}

// FuzzStatus proves that a line about a task is read as it was written.
func FuzzStatus(f *testing.F) {
	f.Add("a title", "ada", "text")
	f.Add("a * ` title · `x`", "", "")
	f.Add("[DONE] x", "G `H", "a\n\nb")
	f.Fuzz(func(t *testing.T, title, who, body string) {
		task := backend.Task{
			State: backend.Blocked, Title: shown(title), Assignee: assigneeShown(who), Body: strings.TrimSpace(clean(body)),
		}
		text := statusLine(task)
		if task.Body != "" {
			text += "\n\n" + task.Body
		}
		got, ok := parseStatus(text)
		if !ok || got != task {
			t.Errorf("%q is read as %+v, not %+v", text, got, task)
		}
	})
}

// FuzzMessage proves that no message ends the process, whatever Discord or a person puts into it, and that what is
// said of it is bounded by it.
func FuzzMessage(f *testing.F) {
	b, err := New(&chat.Config{
		Backend:  chat.Backend{Kind: chat.Discord, Server: "1", Token: "T"},
		Channels: []chat.Channel{{Key: "general", ID: "2"}, {Key: "tasks", ID: "3"}},
		Agents:   []chat.Agent{{Key: "ada", Name: "Ada"}},
	}, Options{Tokens: Tokens{"T": "t"}, Log: logrus.New()})
	if err != nil {
		f.Fatal(err)
	}
	b.fleet.id = "9"
	b.forums["3"] = true
	b.learn(&thread{ID: "4", ParentID: "3", Type: typePublicThread})
	own := "**Ada**\\nhello" + mark{"E0000000000000000000000001", ofState, 0}.text(note{named, ""})
	f.Add(`{"id":"5","content":"hello <@9> @ada <#2> <:x:1>","author":{"id":"7"},"mentions":[{"id":"9"}]}`)
	f.Add(`{"id":"5","channel_id":"4","content":"` + own + `","author":{"id":"9","bot":true}}`)
	f.Add(`{"id":"5","channel_id":"4","type":4,"content":"[DONE] x","author":{"id":"7"},"member":{"nick":"x"}}`)
	f.Add(`{"id":"4","type":19,"author":{},"referenced_message":{"author":{"id":"9"},"content":"` + own + `"}}`)
	f.Add(`{"reactions":[{"emoji":{"name":"✅"},"me":true}],"attachments":[{"filename":"a","url":"b"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var m message
		if json.Unmarshal([]byte(text), &m) != nil {
			return
		}
		m.ChannelID = map[bool]string{true: "2", false: "4"}[len(text)%2 == 0]
		h, err := b.fromMessage(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if h != nil && len(h.Text) > 100*len(text)+100 {
			t.Errorf("%d bytes became %d", len(text), len(h.Text))
		}
		r := b.judge(&thread{ID: "4", Name: m.Content}, []message{m, m})
		threadName(r.task.State, r.task.Title)
		b.fromDirect(b.fleet, m)
		readTalks(m.Content).mark()
		readReach(m.Content).mark(time.Minute)
	})
}
