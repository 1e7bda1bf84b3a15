package control

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// memory is a hub of two channels without anything behind it.
type memory struct {
	mu    sync.Mutex
	said  map[string][]chat.Message
	tasks []chat.Task
	keys  map[string]chat.Message
	news  chan struct{}
	clock time.Time
	asked []any // what the calls got
	fail  error // of each call
}

func newMemory() *memory {
	return &memory{
		said: map[string][]chat.Message{chat.General: nil, chat.Alerts: nil}, keys: map[string]chat.Message{},
		news: make(chan struct{}), clock: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
	}
}

func (m *memory) enter(asked any) func() {
	m.mu.Lock()
	m.asked = append(m.asked, asked)
	return m.mu.Unlock
}

func (m *memory) Chat() (chatctl.Chat, error) {
	defer m.enter("chat")()
	out := chatctl.Chat{Project: "demo", Backend: chat.Local, MaxMessage: chat.MaxMessage}
	for _, key := range slices.Sorted(maps.Keys(m.said)) {
		out.Channels = append(out.Channels, chatctl.Channel{Key: key, Last: int64(len(m.said[key]))})
	}
	return out, m.fail
}

func (m *memory) Messages(q chatctl.Query) (out chatctl.Messages, err error) {
	defer m.enter(q)()
	if m.fail != nil {
		return out, m.fail
	}
	all, ok := m.said[q.Channel]
	if !ok {
		return out, store.Refused("there is no channel")
	}
	if q.After != nil {
		all = all[min(*q.After, int64(len(all))):]
		out.More = len(all) > q.Limit
		out.Messages = slices.Clone(all[:min(len(all), q.Limit)])
		return out, nil
	}
	if q.Before > 0 {
		all = all[:min(q.Before-1, int64(len(all)))]
	}
	out.More = len(all) > q.Limit
	out.Messages = slices.Clone(all[max(0, len(all)-q.Limit):])
	return out, nil
}

func (m *memory) News() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.news
}

func (m *memory) Post(_ context.Context, by chat.Author, n chatctl.NewMessage) (chat.Message, error) {
	defer m.enter(n)()
	return m.say(by, n.Channel, n.Text, n.Key)
}

func (m *memory) say(by chat.Author, channel, text, key string) (chat.Message, error) {
	if m.fail != nil {
		return chat.Message{}, m.fail
	}
	if said, ok := m.keys[key]; ok && key != "" {
		return said, nil
	}
	if _, ok := m.said[channel]; !ok {
		return chat.Message{}, store.Refused("there is no channel")
	}
	m.clock = m.clock.Add(time.Second)
	said := chat.Message{
		Channel: channel, Seq: int64(len(m.said[channel]) + 1), Time: m.clock, From: by, Text: text,
	}
	m.said[channel] = append(m.said[channel], said)
	m.keys[key] = said
	close(m.news)
	m.news = make(chan struct{})
	return said, nil
}

func (m *memory) Alert(_ context.Context, a chatctl.Alert) (*chat.Message, error) {
	defer m.enter(a)()
	if a.Text == "again" {
		return nil, m.fail
	}
	said, err := m.say(Fleet, a.Channel, a.Text, a.Key)
	return &said, err
}

func (m *memory) Tasks(f chatctl.Filter) (chatctl.Tasks, error) {
	defer m.enter(f)()
	return chatctl.Tasks{Tasks: m.tasks}, m.fail
}

func (m *memory) Task(number int64) (chat.Task, error) {
	defer m.enter(number)()
	if number > int64(len(m.tasks)) {
		return chat.Task{}, store.Refused("there is no such task")
	}
	return m.tasks[number-1], m.fail
}

func (m *memory) CreateTask(_ context.Context, by chat.Author, t chatctl.NewTask) (chat.Task, error) {
	defer m.enter(t)()
	out := chat.Task{Number: int64(len(m.tasks) + 1), Title: t.Title, Body: t.Body, State: chat.Todo, From: by}
	m.tasks = append(m.tasks, out)
	return out, m.fail
}

func (m *memory) ClaimTask(_ context.Context, by chat.Author, number int64, forWhom string) (chat.Task, error) {
	defer m.enter(forWhom)()
	return chat.Task{Number: number, State: chat.InProgress, Assignee: by.Name}, m.fail
}

func (m *memory) UpdateTask(_ context.Context, _ chat.Author, number int64, c chatctl.Change) (chat.Task, error) {
	defer m.enter(c)()
	return chat.Task{Number: number}, m.fail
}

// lab is a server on a socket.
type lab struct {
	*Server
	path   string
	l      *net.UnixListener
	client *chatctl.Client
}

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// serve serves a hub at a path; change sets the server up.
func serve(t *testing.T, path string, hub Hub, change func(*Server)) *lab {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s := &lab{Server: New(hub, quiet()), path: path, l: l, client: chatctl.New(path)}
	if change != nil {
		change(s.Server)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newLab(t *testing.T, hub Hub, change func(*Server)) *lab {
	t.Helper()
	return serve(t, filepath.Join(t.TempDir(), "chat.sock"), hub, change)
}

// as has a server take everybody for a user.
func as(uid uint32, name string) func(*Server) {
	return func(s *Server) { s.identify = identity(uid, name) }
}

func identity(uid uint32, name string) func(net.Conn) (caller, error) {
	return func(net.Conn) (caller, error) { return caller{uid, name}, nil }
}

// deadlines lets a recorder have deadlines, which pass by without effect.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetReadDeadline(time.Time) error  { return nil }
func (deadlines) SetWriteDeadline(time.Time) error { return nil }

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}
