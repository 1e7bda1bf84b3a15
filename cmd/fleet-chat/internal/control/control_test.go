package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/user"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// Who speaks is the user who connected, whatever is sent.
func TestWhoSpeaks(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	hub := newMemory()
	l := newLab(t, hub, nil)
	m, err := l.client.Post(t.Context(), chatctl.NewMessage{Channel: chat.General, Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(chat.Author{Kind: chat.KindPerson, ID: "local", Name: me.Username}, m.From); diff != "" {
		t.Error(diff)
	}
	const forged = `{"channel":"general","text":"x","from":{"kind":"fleet","name":"fleet"}}`
	if status, text := l.do(t, http.MethodPost, chatctl.MessagesPath, forged); status != 400 || !strings.Contains(text, `unknown field`) {
		t.Errorf("%d %s", status, text)
	}
}

// A connection whose other end the kernel does not tell is served nothing.
func TestUnknownCaller(t *testing.T) {
	hub := newMemory()
	l := newLab(t, hub, func(s *Server) { s.identify = func(net.Conn) (caller, error) { return caller{}, errNobody } })
	for _, path := range []string{chatctl.ChatPath, chatctl.FollowPath + "?at=general:0", chatctl.TasksPath} {
		if status, text := l.do(t, http.MethodGet, path, ""); status != 403 || !strings.Contains(text, "PrivateUsers=") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if len(hub.asked) != 0 {
		t.Errorf("the hub was asked %v", hub.asked)
	}
	a, _ := net.Pipe()
	if _, err := peer(a); err == nil {
		t.Error("a pipe has no other end that is known")
	}
	if _, err := callerFrom(&unix.Ucred{Uid: nobody}); !errors.Is(err, errNobody) {
		t.Errorf("got %v", err)
	}
	if c, err := callerFrom(&unix.Ucred{Uid: 4_000_000_000}); err != nil || c.name != "uid 4000000000" || c.fleet() {
		t.Errorf("got %+v, %v", c, err)
	}
}

// Only root speaks for the fleet; what it says often is counted.
func TestAlert(t *testing.T) {
	hub := newMemory()
	alert := chatctl.Alert{Channel: chat.Alerts, Text: "worker is stopped"}
	var refused chatctl.Refused
	if _, err := newLab(t, hub, as(1000, "ana")).client.Alert(t.Context(), alert); !errors.As(err, &refused) {
		t.Errorf("ana speaks for the fleet: %v", err)
	}
	root := newLab(t, hub, as(0, "root"))
	long := chatctl.Alert{Channel: chat.Alerts, Text: strings.Repeat("ü", chat.MaxMessage)}
	if m, err := root.client.Alert(t.Context(), long); err != nil || len(m.Text) != chat.MaxMessage {
		t.Errorf("got %d bytes, %v", len(m.Text), err)
	}
	m, err := root.client.Alert(t.Context(), alert)
	if err != nil || m == nil || m.From != Fleet || m.Text != alert.Text {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err := root.client.Alert(t.Context(), chatctl.Alert{Channel: chat.Alerts, Text: "again"}); m != nil || err != nil {
		t.Errorf("got %+v, %v", m, err)
	}
}

// What a client asks for comes to the hub as it was meant, and back.
func TestRequests(t *testing.T) {
	hub := newMemory()
	l := newLab(t, hub, as(1000, "ana"))
	c, ctx := l.client, t.Context()
	after, state, who := int64(0), chat.Done, ""
	for _, one := range []struct {
		ask  func() error
		want any
	}{
		{func() error { _, err := c.Chat(ctx); return err }, "chat"},
		{
			func() error { _, err := c.Messages(ctx, chatctl.Query{Channel: "general", Limit: 3}); return err },
			chatctl.Query{Channel: "general", Limit: 3},
		},
		{
			func() error {
				_, err := c.Messages(ctx, chatctl.Query{Channel: "general", Thread: "task-1", Before: 9, Limit: chatctl.MaxPage})
				return err
			},
			chatctl.Query{Channel: "general", Thread: "task-1", Before: 9, Limit: chatctl.MaxPage},
		},
		{
			func() error {
				_, err := c.Messages(ctx, chatctl.Query{Channel: "general", After: &after, Limit: 1})
				return err
			},
			chatctl.Query{Channel: "general", After: &after, Limit: 1},
		},
		{
			func() error {
				_, err := c.Post(ctx, chatctl.NewMessage{Channel: "general", Thread: "task-1", To: []string{"lead"}, Text: "ü\n\x01", Key: "k"})
				return err
			},
			chatctl.NewMessage{Channel: "general", Thread: "task-1", To: []string{"lead"}, Text: "ü\n\x01", Key: "k"},
		},
		{
			func() error {
				_, err := c.Tasks(ctx, chatctl.Filter{States: []string{chat.Todo, chat.Done}, For: "lead", After: 7, Limit: 50})
				return err
			},
			chatctl.Filter{States: []string{chat.Todo, chat.Done}, For: "lead", After: 7, Limit: 50},
		},
		{
			func() error {
				_, err := c.CreateTask(ctx, chatctl.NewTask{Title: "mend it", Body: "soon", For: "lead", Key: "k"})
				return err
			},
			chatctl.NewTask{Title: "mend it", Body: "soon", For: "lead", Key: "k"},
		},
		{func() error { _, err := c.Task(ctx, 1); return err }, int64(1)},
		{func() error { _, err := c.ClaimTask(ctx, 1, chatctl.Claim{For: "lead"}); return err }, "lead"},
		{
			func() error {
				_, err := c.UpdateTask(ctx, 1, chatctl.Change{State: &state, For: &who, Note: "it was nothing"})
				return err
			},
			chatctl.Change{State: &state, For: &who, Note: "it was nothing"},
		},
	} {
		hub.asked = nil
		if err := one.ask(); err != nil {
			t.Errorf("%+v: %v", one.want, err)
		} else if diff := cmp.Diff([]any{one.want}, hub.asked); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := c.ClaimTask(ctx, 1, chatctl.Claim{}); err != nil {
		t.Error(err)
	}
}

// A request that makes no sense never comes to the hub.
func TestBadRequests(t *testing.T) {
	hub := newMemory()
	l := newLab(t, hub, as(1000, "ana"))
	long := strings.Repeat("x", chatctl.MaxBody)
	for _, one := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/", "", 404, ""},
		{"DELETE", "/v1/messages", "", 405, ""},
		{"GET", "/v1/chat?x=1", "", 400, `no parameter \"x\"`},
		{"GET", "/v1/messages", "", 400, "channel must be there"},
		{"GET", "/v1/messages?channel=general&channel=alerts", "", 400, "channel must be there once"},
		{"GET", "/v1/messages?channel=general&limit=0", "", 400, "limit must be a number from 1 to 500"},
		{"GET", "/v1/messages?channel=general&limit=501", "", 400, "limit must be"},
		{"GET", "/v1/messages?channel=general&limit=+5", "", 400, "limit must be"},
		{"GET", "/v1/messages?channel=general&after=-1", "", 400, "after must be"},
		{"GET", "/v1/messages?channel=general&after=9223372036854775807", "", 400, "after must be"},
		{"GET", "/v1/messages?channel=general&after=1&before=2", "", 400, "exclude each other"},
		{"GET", "/v1/messages?channel=general&limit=%zz", "", 400, "cannot be read"},
		{"POST", "/v1/messages", "", 400, "not what this chat takes"},
		{"POST", "/v1/messages", `{"text":1}`, 400, "not what this chat takes"},
		{"POST", "/v1/messages", `{} {}`, 400, "one JSON value"},
		{"POST", "/v1/messages", `{"channel":"general","text":"x","key":"a b"}`, 400, "key must be"},
		{"POST", "/v1/messages", `{"to":[` + strings.Repeat(`"a",`, chatctl.MaxTo) + `"a"]}`, 400, "at most 100 agents"},
		{"POST", "/v1/messages", `{"text":"` + long + `"}`, 413, "at most"},
		{"POST", "/v1/alerts", `{"channel":"alerts","text":"x"}`, 403, "only root"},
		{"GET", "/v1/tasks?state=open", "", 400, "state must be one of"},
		{"GET", "/v1/tasks?state=todo&state=todo", "", 400, "must be there once"},
		{"GET", "/v1/tasks/0", "", 400, "not the number of a task"},
		{"GET", "/v1/tasks/01", "", 400, "not the number of a task"},
		{"GET", "/v1/tasks/1?x=1", "", 400, "no parameter"},
		{"POST", "/v1/tasks", `[]`, 400, "not what this chat takes"},
		{"POST", "/v1/tasks", `{"title":"a","key":"\u0000"}`, 400, "key must be"},
		{"POST", "/v1/tasks/1/claim", `{"by":"lead"}`, 400, "unknown field"},
		{"PATCH", "/v1/tasks/1", `{"note":"x"}`, 400, "must change something"},
		{"PATCH", "/v1/tasks/1", `{"state":"open"}`, 400, "state must be one of"},
		{"GET", "/v1/follow", "", 400, "at must be there"},
		{"GET", "/v1/follow?at=general:0&new=no", "", 400, "new must be yes"},
		{"GET", "/v1/follow?at=general", "", 400, "CHANNEL:NUMBER"},
		{"GET", "/v1/follow?at=general:0&at=general:0", "", 400, "once"},
		{"GET", "/v1/follow?at=nothing:0", "", 409, "no channel"},
		{"GET", "/v1/follow?at=general:1", "", 409, "has no message 1, its last one is 0"},
	} {
		hub.asked = nil
		status, text := l.do(t, one.method, one.path, one.body)
		if status != one.status || !strings.Contains(text, one.says) {
			t.Errorf("%s %.60s %.40q: %d %s", one.method, one.path, one.body, status, text)
		}
		if len(hub.asked) > 0 && !cmp.Equal(hub.asked, []any{"chat"}) {
			t.Errorf("%s %s %.40q: asked %v", one.method, one.path, one.body, hub.asked)
		}
	}
}

// do makes a request without a connection.
func (l *lab) do(t *testing.T, method, path, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://chat"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", l.path) }
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// What fails inside is the log's to know; what is refused is told.
func TestFailures(t *testing.T) {
	hub := newMemory()
	l := newLab(t, hub, as(1000, "ana"))
	var refused chatctl.Refused
	if _, err := l.client.Post(t.Context(), chatctl.NewMessage{Channel: "nothing", Text: "x"}); !errors.As(err, &refused) ||
		refused != "there is no channel" {
		t.Errorf("got %v", err)
	}
	hub.fail = errors.New("the disk in /var/lib is full")
	if _, err := l.client.Chat(t.Context()); err == nil || errors.As(err, &refused) || strings.Contains(err.Error(), "disk") {
		t.Errorf("got %v", err)
	}
}

// An answer is bounded by its bytes too: what does not fit is more.
func TestAnswersAreBounded(t *testing.T) {
	hub := newMemory()
	l := newLab(t, hub, as(1000, "ana"))
	text := strings.Repeat("\x01", chat.MaxMessage)
	for range 40 {
		hub.say(chat.Author{}, chat.General, text, "")
	}
	const fit = chatctl.MaxPageText / chat.MaxMessage
	newest, err := l.client.Messages(t.Context(), chatctl.Query{Channel: chat.General, Limit: 40})
	if err != nil || len(newest.Messages) != fit || !newest.More || newest.Messages[fit-1].Seq != 40 {
		t.Errorf("%d, %v, %v", len(newest.Messages), newest.More, err)
	}
	after := int64(2)
	next, err := l.client.Messages(t.Context(), chatctl.Query{Channel: chat.General, After: &after, Limit: 40})
	if err != nil || len(next.Messages) != fit || !next.More || next.Messages[0].Seq != 3 {
		t.Errorf("%d, %v, %v", len(next.Messages), next.More, err)
	}
	hub.tasks = []chat.Task{{Body: text}, {Body: strings.Repeat("x", chatctl.MaxPageText)}}
	tasks, err := l.client.Tasks(t.Context(), chatctl.Filter{Limit: 2})
	if err != nil || len(tasks.Tasks) != 1 || !tasks.More {
		t.Errorf("%d, %v, %v", len(tasks.Tasks), tasks.More, err)
	}
}

// Whatever is asked for, nothing panics or fails inside, and the hub gets nothing that is out of bounds.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/v1/messages?channel=general&limit=5&after=3", "")
	f.Add("GET", "/v1/tasks?state=todo&state=done&for=lead&after=7&limit=500", "")
	f.Add("POST", "/v1/messages", `{"channel":"general","text":"hello","to":["lead"],"key":"k"}`)
	f.Add("POST", "/v1/alerts", `{"channel":"alerts","text":"hello"}`)
	f.Add("POST", "/v1/tasks", `{"title":"a","body":"b","for":"lead"}`)
	f.Add("POST", "/v1/tasks/7/claim", `{"for":"lead"}`)
	f.Add("PATCH", "/v1/tasks/7", `{"state":"done","note":"x"}`)
	f.Add("GET", "/v1/follow?at=general:0&at=alerts:0", "")
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequest(method, "http://chat"+target, strings.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip()
		}
		hub := newMemory()
		s := New(hub, quiet())
		close(s.ended) // what is followed ends at once
		r = r.WithContext(withCaller(t.Context(), identity(0, "root"), nil))
		w := deadlines{httptest.NewRecorder()}
		s.http.Handler.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		for _, asked := range hub.asked {
			switch a := asked.(type) {
			case chatctl.Query:
				if a.Limit < 1 || a.Limit > chatctl.MaxPage || a.Before < 0 || a.After != nil && *a.After < 0 {
					t.Errorf("asked %+v", a)
				}
			case chatctl.Filter:
				if a.Limit < 1 || a.Limit > chatctl.MaxPage || a.After < 0 || len(a.States) > len(chat.States) {
					t.Errorf("asked %+v", a)
				}
			case int64:
				if a < 1 {
					t.Errorf("asked for task %d", a)
				}
			}
		}
	})
}
