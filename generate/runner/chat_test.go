//go:build linux

package runner

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/model"
	"fleet/schemas/chat"
	"fleet/schemas/session"
)

// chatting gives a fleet a chat in which its first agent has a part.
func chatting(m *model.Fleet) *model.Fleet {
	m.Sidecars = []model.Sidecar{{Name: model.ChatKey, Box: model.Agent{Key: model.ChatKey}, Chat: &chat.Config{}}}
	m.Agents[0].Calls = []model.Callable{{Name: model.ChatKey}}
	return m
}

// called is one call of the chat.
type called struct {
	Tool    string
	Channel string
	Thread  string
	Seen    int64
	Text    string
}

var callRe = regexp.MustCompile(`^(post|answer) channel=(\S+)(?: thread=(\S+) seen:=(\d+))? text@- (\S*)\n$`)

// calls are those of the chat so far that say something.
func (h *host) calls() (out []called) {
	h.t.Helper()
	b, _ := os.ReadFile(h.at("/fake/chat"))
	for line := range strings.Lines(string(b)) {
		if line == "conversations \n" {
			continue
		}
		m := callRe.FindStringSubmatch(line)
		if m == nil {
			h.t.Fatalf("called with %q", line)
		}
		seen, _ := strconv.ParseInt(m[4], 10, 64)
		text, err := base64.StdEncoding.DecodeString(m[5])
		check(h.t, err)
		out = append(out, called{m[1], m[2], m[3], seen, strings.TrimRight(string(text), "\n")})
	}
	return out
}

// chat runs the agent's script of the chat with an input.
func (h *host) chat(input string, args ...string) (string, error) {
	h.t.Helper()
	cmd := h.command("chat", args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	return string(out), err
}

func TestPost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"text":        {"It's \"done\" in C:\\x for $1 & `id`:\n\n\t- é\n", "It's \"done\" in C:\\x for $1 & `id`:\n\n\t- é"},
		"not UTF-8":   {"a\xff\xfeb", "ab"},
		"long":        {strings.Repeat("é\"", 10000), strings.Repeat("é\"", 5333)},
		"no line end": {"x", "x"},
	} {
		h := newHost(t, chatting(one("headless")))
		if out, err := h.chat(c.in, "post", "general"); err != nil || out != "" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		if d := cmp.Diff([]called{{Tool: "post", Channel: "general", Text: c.want}}, h.calls()); d != "" {
			t.Errorf("%s: %.500s", name, d)
		}
	}
}

// What cannot be said is an error, and where there is no chat there is nothing to do.
func TestPostNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t, one("headless"))
	if out, err := h.chat("text", "post", "general"); err != nil || out != "" || len(h.calls()) > 0 {
		t.Errorf("without a chat: %q, %v", out, err)
	}
	h = newHost(t, chatting(one("headless")))
	if out, err := h.chat("\n\n", "post", "general"); err != nil || out != "" || len(h.calls()) > 0 {
		t.Errorf("nothing to say: %q, %v", out, err)
	}
	if _, err := h.chat("x", "post", `","thread":"x`); err == nil || len(h.calls()) > 0 {
		t.Error("a channel that is none")
	}
	h.write("/fake/refuse", "")
	if _, err := h.chat("x", "post", "general"); err == nil {
		t.Error("it was refused")
	}
	h.write("/fake/hang", "")
	if _, err := h.chat("x", "post", "general"); err == nil {
		t.Error("the chat hangs")
	}
}

// Hooks speak by the same script.
func TestHooksPost(t *testing.T) {
	t.Parallel()
	p := newHost(t, chatting(one("headless", hook("before", `echo "I begin." | "$FLEET_CHAT" post general`)))).start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	if d := cmp.Diff([]called{{Tool: "post", Channel: "general", Text: "I begin."}}, p.calls()); d != "" {
		t.Error(d)
	}
	p.stop()
}

// The channel that a spec names is told how jobs and sessions ended.
func TestNotify(t *testing.T) {
	t.Parallel()
	m := chatting(one("interactive", prompt("demo: exit 2"), func(a *model.Agent) { a.Notify = "alerts" }))
	m.Agents[0].Schedules = []model.Schedule{{Name: "job", Prompt: "Tidy up.", Session: time.Minute, Notify: "general", Skip: true}}
	h := newHost(t, m)
	h.must(h.command("jobs/job"))
	release := holdLock(t, h)
	h.must(h.command("jobs/job")) // is left out, which nobody is told
	release()
	p := h.start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	p.stop()
	want := []called{
		{Tool: "post", Channel: "general", Text: "**Job job, session 1: ok**, 2 tokens read, 42 written, $0.00\n\nI have read \"2\" words.\nI am done."},
		{Tool: "post", Channel: "alerts", Text: "**Session 3: failed**"},
	}
	if d := cmp.Diff(want, h.calls()); d != "" {
		t.Error(d)
	}
}

// A job whose report nobody takes has run all the same.
func TestNotifyInVain(t *testing.T) {
	t.Parallel()
	m := chatting(one("headless"))
	m.Agents[0].Schedules = []model.Schedule{{Name: "job", Prompt: "Tidy up.", Session: time.Minute, Notify: "general"}}
	h := newHost(t, m)
	h.write("/fake/refuse", "")
	h.must(h.command("jobs/job"))
	if d := cmp.Diff([]string{session.OK}, h.results()); d != "" {
		t.Error(d)
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	const a, b, stranger = "general message-3 7\n", "@lead thread-12 9\n", "general message-5 5 true\n"
	for name, c := range map[string]struct{ in, want string }{
		"none":             {"", ""},
		"the oldest":       {a + b, "general message-3 7 trusted - \n"},
		"a bot's":          {b + a, "@lead thread-12 9 trusted - \n"},
		"a stranger":       {stranger, "general message-5 5 stranger - \n"},
		"a stranger waits": {strings.Repeat(stranger, 10) + a, "general message-3 7 trusted - \n"},
		"a path":           {"general ../../x 1\n", ""},
		"an option":        {"-x thread-1 1\n", ""},
		"a command":        {"$(id) `id` 1\n", ""},
		"no number":        {"general thread-1 x\n", ""},
	} {
		h := newHost(t, chatting(one("headless")))
		h.write("/fake/conversations", c.in)
		if got, err := h.chat("", "next", "0"); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wake leaves word for the agent as the chat does.
func (h *host) wake(number int64, w chat.Wake) {
	h.t.Helper()
	text, err := json.Marshal(w)
	check(h.t, err)
	h.write(h.m.WakeDir("lead")+"/"+fmt.Sprint(number), string(text)+"\n")
}

const firstCall = 1_760_000_000_000_000_000

// Words of the chat about a conversation need nothing more than its answer; any other does, and what comes after it.
func TestHeard(t *testing.T) {
	t.Parallel()
	of := func(thread string, message int64) chat.Wake {
		return chat.Wake{Reason: chat.WakeThread, Channel: "general", Thread: thread, Message: message}
	}
	for name, c := range map[string]struct {
		words []chat.Wake
		want  string // number of the last that is heard
	}{
		"none":               {nil, ""},
		"in the thread":      {[]chat.Wake{of("message-3", 7)}, "0"},
		"that it began with": {[]chat.Wake{of("", 3), of("message-3", 7)}, "1"},
		"a later message":    {[]chat.Wake{of("message-3", 7), of("message-3", 8)}, "0"},
		"another thread":     {[]chat.Wake{of("message-4", 7)}, ""},
		"another message":    {[]chat.Wake{of("", 4)}, ""},
		"another channel":    {[]chat.Wake{{Reason: chat.WakeThread, Channel: "x", Thread: "message-3", Message: 7}}, ""},
		"a task between":     {[]chat.Wake{of("message-3", 6), {Reason: chat.WakeTask, Channel: "tasks", Task: 3}, of("message-3", 7)}, "0"},
	} {
		h := newHost(t, chatting(one("headless")))
		h.write("/fake/conversations", "general message-3 7\n")
		h.wake(firstCall-1, of("message-9", 9)) // heard long ago
		for i, w := range c.words {
			h.wake(firstCall+int64(i), w)
		}
		want := "general message-3 7 trusted - "
		if c.want != "" {
			want += fmt.Sprint(firstCall)[:18] + c.want
		}
		if got, err := h.chat("", "next", fmt.Sprint(firstCall-1)); got != want+"\n" {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

// An answer that the chat does not take waits, and nobody works on another one meanwhile.
func TestAnswerWaits(t *testing.T) {
	t.Parallel()
	h := newHost(t, chatting(one("headless")))
	conversations := func(last int) {
		h.write("/fake/conversations", fmt.Sprintf("general message-3 %d\n", last))
	}
	conversations(7)
	h.write("/fake/refuse", "")
	if _, err := h.chat("Yes.", "answer", "general", "message-3", "7", "ok", "name-1"); err == nil {
		t.Error("it was refused")
	}
	if out, err := h.chat("", "next", "0"); err == nil || out != "" {
		t.Errorf("the chat is down: %q", out)
	}
	check(t, os.Remove(h.at("/fake/refuse")))
	if out, err := h.chat("", "next", "0"); err == nil || out != "" {
		t.Errorf("answered again: %q", out)
	}
	want := called{Tool: "answer", Channel: "general", Thread: "message-3", Seen: 7, Text: "Yes."}
	if got := h.calls(); got[len(got)-1] != want {
		t.Errorf("got %+v", got)
	}
	conversations(9)
	if out, _ := h.chat("", "next", "0"); out != "general message-3 9 trusted name-1 \n" {
		t.Errorf("later: %q", out)
	}
	h.write("/fake/refuse", "")
	h.chat("No.", "answer", "general", "message-3", "9", "ok", "name-2") //nolint:errcheck // it is refused
	check(t, os.Remove(h.at("/fake/refuse")))
	conversations(11)
	if out, _ := h.chat("", "next", "0"); out != "general message-3 11 trusted name-2 \n" {
		t.Errorf("with a later message: %q", out)
	}
	if got := h.calls(); got[len(got)-1].Seen != 9 {
		t.Errorf("what is out of date was sent: %+v", got)
	}
}

// What an agent makes of the files that the script keeps is no command, no path and no JSON.
func TestHostileAnswer(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "general message-3 7\",\"text\":\"x", "a/../b message-3 7", "$(touch pwned) message-3 7", "-x message-3 7", strings.Repeat("x", 200) + " message-3 7"} {
		h := newHost(t, chatting(one("headless")))
		h.write("/fake/conversations", "general message-3 7\n")
		h.write(h.records("answer"), text+"\n")
		h.write(h.records("talks/general.message-3"), text+"\n")
		if out, err := h.chat("", "next", "0"); err != nil || !strings.HasPrefix(out, "general message-3 7 trusted ") || strings.Contains(out, "/") {
			t.Errorf("%q: %q, %v", text, out, err)
		}
		if got := h.calls(); len(got) > 0 || h.exists("/pwned") {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// told is what a session that answers is told.
func (h *host) told(args ...string) string {
	h.t.Helper()
	out, err := h.chat("", append([]string{"prompt"}, args...)...)
	check(h.t, err)
	return out
}

// A person who waits is answered at once, the same thread takes up the session of before, and the pause goes on after
// it.
func TestConversation(t *testing.T) {
	t.Parallel()
	m := chatting(one("interactive", func(a *model.Agent) {
		a.Harness.ResumeTalk = []string{"demo", "--headless", "--resume", "{{session}}", "--", "{{prompt}}"}
		a.Harness.SessionName = claudeSession
		a.Notify = "general" // not of answers
	}))
	h := newHost(t, m)
	p := h.start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	due := p.now().At
	for i, untrusted := range []string{"", "true"} {
		last := 7 + i
		p.write("/fake/conversations", fmt.Sprintf("general message-3 %d %s\n", last, untrusted))
		p.wake(firstCall+int64(i), chat.Wake{Reason: chat.WakeThread, Channel: "general", Thread: "message-3", Message: int64(last)})
		p.until("an answer", func() bool { return len(p.calls()) == 2+i && p.now().State == session.Pausing && p.now().N == 2+i })
	}
	if got := p.now().At; got.Sub(due).Abs() > 5*time.Second {
		t.Errorf("the pause ended at %v, and ends now at %v", due, got)
	}
	p.stop()
	stranger := p.told("general", "message-3", "stranger")
	if !strings.Contains(stranger, "none of your operators") || !strings.HasPrefix(stranger, p.told("general", "message-3", "trusted")) {
		t.Errorf("a stranger's: %q", stranger)
	}
	said := func(prompt string) string {
		return fmt.Sprintf("I have read \"%d\" words.\nI am done.", len(strings.Fields(prompt)))
	}
	want := []called{
		{Tool: "post", Channel: "general", Text: "**Session 1: ok**"},
		{Tool: "answer", Channel: "general", Thread: "message-3", Seen: 7, Text: said(p.told("general", "message-3", "trusted"))},
		{Tool: "answer", Channel: "general", Thread: "message-3", Seen: 8, Text: said(stranger)},
	}
	if d := cmp.Diff(want, p.calls()); d != "" {
		t.Error(d)
	}
	var threads []string
	for _, r := range p.sessions() {
		threads = append(threads, r.Result+" "+r.Thread)
	}
	if d := cmp.Diff([]string{"ok ", "ok general/message-3", "ok general/message-3"}, threads); d != "" {
		t.Error(d)
	}
	if first, second := p.read(p.records("sessions/2.log")), p.read(p.records("sessions/3.log")); strings.Contains(first, "I go on") ||
		!strings.Contains(second, "I go on with session demo-2.") {
		t.Errorf("the first:\n%s\nthe second:\n%s", first, second)
	}
}

// A session that fails answers that it did. One that cannot be taken up any more is begun anew.
func TestConversationFails(t *testing.T) {
	t.Parallel()
	m := chatting(one("headless", func(a *model.Agent) {
		a.Harness.Headless = []string{"sh", "-c", `case $0 in Somebody*) exit 3 ;; esac`, "{{prompt}}"}
		a.Harness.ResumeTalk = []string{"sh", "-c", "exit 4", "{{session}}"}
		a.Harness.Program, a.Harness.Message, a.Harness.SessionName = "sh", nil, claudeSession
	}))
	h := newHost(t, m)
	h.write(h.records("talks/general.message-3"), "gone\n")
	h.write("/fake/conversations", "general message-3 7\n")
	p := h.start()
	p.until("an answer", func() bool { return len(p.calls()) == 1 })
	p.until("an iteration", func() bool { got := p.results(); return len(got) > 2 && got[2] == session.OK })
	p.stop()
	want := []called{{Tool: "answer", Channel: "general", Thread: "message-3", Seen: 7, Text: "I could not answer: my session failed."}}
	if d := cmp.Diff(want, p.calls()); d != "" {
		t.Error(d)
	}
	var exits []int
	for _, r := range p.sessions() {
		exits = append(exits, r.Exit)
	}
	if d := cmp.Diff([]int{4, 3, 0}, exits); d != "" {
		t.Error(d)
	}
}

// People who keep on writing do not keep an agent from its work.
func TestConversationsGiveWay(t *testing.T) {
	t.Parallel()
	h := newHost(t, chatting(one("headless", prompt("My work."))))
	h.write("/fake/conversations", "general message-3 7 true\n")
	h.write(model.InsideChat, strings.Replace(fakeTool, "rm -f", ": rm -f", 1)) // there is always one more
	p := h.start()
	p.until("its own work", func() bool {
		got := p.sessions()
		return len(got) > 0 && got[len(got)-1].Thread == ""
	})
	p.stop()
	if n := len(p.calls()); n != 3 {
		t.Errorf("%d answers before", n)
	}
}

// A call ends a pause, once, over the end of the runner too.
func TestCallEndsThePause(t *testing.T) {
	t.Parallel()
	h := newHost(t, chatting(one("headless")))
	h.wake(firstCall, chat.Wake{Reason: chat.WakeTask, Channel: "tasks", Task: 1})
	p := h.start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	h.wake(firstCall+1, chat.Wake{Reason: chat.WakeTask, Channel: "tasks", Task: 2})
	p.until("a second session", func() bool { return len(p.sessions()) == 2 && p.now().State == session.Pausing })
	p.stop()
	if got := strings.TrimSpace(h.read(h.records("heard"))); got != fmt.Sprint(firstCall+1) {
		t.Errorf("heard %q", got)
	}
	for _, text := range []string{"", "x[$(touch pwned)]", "99999999999999999999999", "9223372036854775807", "-1"} {
		h.write(h.records("heard"), text)
		p := h.start()
		n := len(h.sessions())
		p.until("a pause", func() bool { return len(h.sessions()) == n+1 && p.now().State == session.Pausing })
		p.stop()
		if got := strings.TrimSpace(h.read(h.records("heard"))); got != fmt.Sprint(firstCall+1) || strings.Contains(p.out.String(), "range") {
			t.Errorf("%q: heard %q\n%s", text, got, p.out.String())
		}
	}
}
