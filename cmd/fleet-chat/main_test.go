package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

type read struct {
	Messages    []chat.Message   `json:"messages"`
	Acknowledge map[string]int64 `json:"acknowledge"`
	More        bool             `json:"more"`
}

type one struct {
	Task    chat.Task     `json:"task"`
	Message *chat.Message `json:"message"`
}

func texts(all []chat.Message) []string {
	out := []string{}
	for _, m := range all {
		out = append(out, m.From.Name+": "+m.Text)
	}
	return out
}

// A team at work: over each transport, with the official client.
func TestTeam(t *testing.T) {
	t.Parallel()
	for transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "lead", "worker")
			h.start()
			lead, worker := h.connect(transport, "lead"), h.connect(transport, "worker")
			must[one](t, lead, "post", object{"channel": "general", "text": "good morning, @worker"})
			_, err := h.operator().Post(t.Context(), chatctl.NewMessage{Channel: "general", Text: "and from me"})
			check(t, err)
			got := must[read](t, worker, "read", object{})
			if len(got.Messages) != 2 || got.Messages[0].Text != "good morning, @worker" || got.Messages[0].From.ID != "lead" {
				t.Errorf("%v", got)
			}
			if again := must[read](t, worker, "read", object{"limit": 1}); len(again.Messages) != 1 || !again.More {
				t.Errorf("%v", again)
			}
			got = must[read](t, worker, "read", object{"acknowledge": got.Acknowledge})
			if len(got.Messages) != 0 {
				t.Errorf("%v", got)
			}
			if n := len(wakes(t, h, "worker")); n != 1 {
				t.Errorf("woken %d times", n)
			}
			made := must[one](t, lead, "task_create", object{"title": "build", "body": "all", "key": "a"})
			claimed := must[one](t, worker, "task_claim", object{})
			if claimed.Task.Number != made.Task.Number || claimed.Task.Assignee != "worker" {
				t.Errorf("%v", claimed)
			}
			fails(t, lead, "task_claim", object{"number": 1}, "task 1 is in_progress, of worker")
			fails(t, lead, "task_claim", object{}, "there is no task to do")
			must[one](t, worker, "task_update", object{"number": 1, "state": "blocked", "note": "no key"})
			must[one](t, worker, "task_done", object{"number": 1, "note": "built"})
			full := must[struct {
				Tasks    []chat.Task
				Messages []chat.Message
			}](t, lead, "tasks", object{"number": 1})
			want := []string{
				"lead: created the task: build", "worker: claimed the task", "worker: the task is blocked\n\nno key",
				"worker: the task is done\n\nbuilt",
			}
			if d := cmp.Diff(want, texts(full.Messages)); d != "" || full.Tasks[0].Body != "all" {
				t.Error(d, full.Tasks)
			}
			must[struct{}](t, worker, "lesson_add", object{"text": "measure twice"})
			lessons := must[struct{ Lessons []chat.Lesson }](t, lead, "lessons", nil)
			if len(lessons.Lessons) != 1 || lessons.Lessons[0].From.ID != "worker" {
				t.Errorf("%v", lessons)
			}
			back := must[read](t, lead, "read", object{"channel": "tasks", "thread": "task-1", "limit": 2})
			if len(back.Messages) != 2 || !back.More || back.Acknowledge != nil {
				t.Errorf("%v", back)
			}
			h.Cmd.Process.Signal(syscall.SIGTERM)
			h.Said("STOPPING=1")
			if status := h.Exit(); status != 0 {
				t.Errorf("status %d", status)
			}
		})
	}
}

func wakes(t *testing.T, h *host, agent string) []string {
	t.Helper()
	names, err := filepath.Glob(h.Dir + "/wake-" + agent + "/[0-9]*")
	check(t, err)
	return names
}

// What a model is offered: only what can work for it, and nothing that is for its runner.
func TestOffered(t *testing.T) {
	t.Parallel()
	h := newHost(t, "hermit/secret", "lead", "taskless/general,lessons")
	h.start()
	for agent, want := range map[string]string{
		"hermit":   "channels post read",
		"lead":     "channels lesson_add lessons post read task_claim task_create task_done task_update tasks",
		"taskless": "channels lesson_add lessons post read",
	} {
		cs := h.connect("stdio", agent)
		list, err := cs.ListTools(t.Context(), nil)
		check(t, err)
		var names []string
		for _, tool := range list.Tools {
			names = append(names, tool.Name)
			if strings.Contains(tool.Description, "{{") || len(tool.Description) < 40 {
				t.Errorf("%s: %q", tool.Name, tool.Description)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s", agent, got)
		}
	}
	fails(t, h.connect("stdio", "hermit"), "task_claim", object{}, "unknown tool")
}

// Two agents that share no channel cannot reach each other by any tool.
func TestAgentsThatMustNotReachEachOther(t *testing.T) {
	t.Parallel()
	h := newHost(t, "alice/secret", "bob/general,lessons,tasks")
	h.start()
	alice, bob := h.connect("stdio", "alice"), h.connect("http", "bob")
	must[one](t, bob, "post", object{"channel": "general", "text": "bob's"})
	must[one](t, bob, "task_create", object{"title": "bob's"})
	for tool, arguments := range map[string]object{
		"post": {"channel": "general", "text": "x"}, "answer": {"channel": "general", "thread": "message-1", "seen": 1, "text": "x"},
	} {
		fails(t, alice, tool, arguments, `there is no channel "general"`)
	}
	fails(t, alice, "read", object{"channel": "general"}, `there is no channel "general"`)
	fails(t, alice, "read", object{"channels": []string{"general"}}, `there is no channel "general"`)
	fails(t, alice, "read", object{"channel": "secret", "thread": "message-1"}, "there is no thread")
	fails(t, alice, "read", object{"acknowledge": object{"general": 1}}, `there is no channel "general"`)
	fails(t, alice, "post", object{"channel": "secret", "text": "x", "to": []string{"bob"}}, `there is no agent "bob"`)
	text, err := call(alice, "channels", object{})
	if err != nil || strings.Contains(text, "bob") || strings.Contains(text, "general") {
		t.Errorf("%s, %v", text, err)
	}
	if n := len(wakes(t, h, "bob")); n != 0 {
		t.Errorf("bob is woken %d times", n)
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	cs := h.connect("stdio", "lead")
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		tool      string
		arguments object
		want      string
	}{
		{"post", object{}, "channel"},
		{"post", object{"channel": "general", "text": 7}, "validating"},
		{"post", object{"channel": "general", "text": "x", "from": "worker"}, "additional"},
		{"post", object{"channel": "general", "text": long}, "maxLength"},
		{"post", object{"channel": "general", "text": strings.Repeat("ä", 3000)}, "must have at most 4096 bytes"},
		{"post", object{"channel": "general", "text": "\x00\x1b"}, "must not be empty"},
		{"post", object{"channel": "general", "text": "x", "key": "a b"}, "key"},
		{"post", object{"channel": "general", "text": "x", "to": make([]string, 101)}, "maxItems"},
		{"post", object{"channel": "general", "text": "x", "thread": "../etc"}, "there is no thread"},
		{"read", object{"limit": 0.5}, "limit"},
		{"read", object{"limit": 201}, "maximum"},
		{"read", object{"thread": "message-1"}, "name it"},
		{"read", object{"acknowledge": object{"general": 1}}, "has no message 1"},
		{"read", object{"acknowledge": object{"general": -1}}, "minimum"},
		{"read", object{"acknowledge": object{"general": 1e300}}, "acknowledge"},
		{"tasks", object{"states": []string{"gone"}}, "enum"},
		{"task_create", object{"title": "x", "assignee": "nobody"}, "there is no agent"},
		{"task_update", object{"number": 1, "state": "gone"}, "enum"},
		{"task_update", object{"number": 99}, "there is no task 99"},
		{"nothing", object{}, "unknown tool"},
	} {
		fails(t, cs, c.tool, c.arguments, c.want)
	}
	if got := must[read](t, cs, "read", object{"channel": "general"}); len(got.Messages) != 0 {
		t.Errorf("%v", got)
	}
}

// Who leaves a lesson, a task or a message twice with the same key leaves one, also over a restart.
func TestKeys(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	for range 3 {
		h.start()
		cs := h.connect("stdio", "lead")
		must[one](t, cs, "post", object{"channel": "general", "text": "x", "key": "p"})
		must[one](t, cs, "task_create", object{"title": "x", "key": "t"})
		must[struct{}](t, cs, "lesson_add", object{"text": "x", "key": "l"})
		fails(t, cs, "task_create", object{"title": "x", "key": "p"}, "the key was used for message-1")
		h.Kill()
	}
	h.start()
	cs := h.connect("stdio", "lead")
	n := len(must[struct{ Tasks []chat.Task }](t, cs, "tasks", object{}).Tasks)
	for _, channel := range []string{"general", "lessons"} {
		n += len(must[read](t, cs, "read", object{"channel": channel}).Messages)
	}
	if n != 3 {
		t.Errorf("%d", n)
	}
}

func TestBadStarts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(h *host)
		args    []string
		want    string
		status  int
	}{
		"no state":      {nil, []string{"--state="}, "--state must name a folder", 2},
		"argument":      {nil, []string{"x"}, "takes no arguments", 2},
		"no config":     {nil, []string{"--config=/nowhere"}, "no such file", 1},
		"no sockets":    {func(h *host) { h.Files, h.Names = nil, nil }, nil, "no socket was passed", 1},
		"one is gone":   {func(h *host) { h.Files, h.Names = h.Files[:2], h.Names[:2] }, nil, "no socket with FileDescriptorName=control", 1},
		"another name":  {func(h *host) { h.Names[0] = "evil" }, nil, "must be one of", 1},
		"another's":     {func(h *host) { h.start(); h.Kill(); h.config.Project = "other" }, nil, "is the chat of project", 1},
		"damaged":       {func(h *host) { check(h.T, os.WriteFile(h.Dir+"/state/chat.db", []byte("x"), 0o600)) }, nil, "is damaged", 1},
		"not its state": {nil, []string{"--state=/nowhere"}, "no such file", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "lead")
			if c.prepare != nil {
				c.prepare(h)
			}
			h.run(c.args...)
			if status := h.Exit(); status != c.status || !strings.Contains(h.Stderr.String(), c.want) {
				t.Errorf("status %d, %s", status, h.Stderr.String())
			}
		})
	}
}

// A second daemon does not touch what the first one keeps.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	first := h.Cmd
	h.run()
	if status := h.Exit(); status != 1 || !strings.Contains(h.Stderr.String(), "is in use") {
		t.Errorf("status %d, %s", status, h.Stderr.String())
	}
	h.Cmd = first
	must[one](t, h.connect("stdio", "lead"), "post", object{"channel": "general", "text": "x"})
}

// Operators follow what agents say.
func TestFollowed(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := make(chan string, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- h.operator().Follow(ctx, &chatctl.Follower{
			At: map[string]int64{"general": 0, "tasks": 0}, Each: func(m chat.Message) error { said <- m.Text; return nil },
		})
	}()
	cs := h.connect("http", "lead")
	for i := range 3 {
		must[one](t, cs, "post", object{"channel": "general", "text": fmt.Sprint(i)})
		select {
		case got := <-said:
			if got != fmt.Sprint(i) {
				t.Errorf("got %q", got)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("nothing is followed")
		}
	}
	cancel()
	check(t, <-ended)
}

// An agent's socket is no operator's.
func TestControlIsNotTheAgents(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	if _, err := chatctl.New(h.socket("lead")).Chat(t.Context()); err == nil {
		t.Error("an agent's socket serves operators")
	}
	c, err := net.Dial("unix", h.socket("control"))
	check(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintln(c, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	b := make([]byte, 100)
	if n, _ := c.Read(b); !strings.HasPrefix(string(b[:n]), "HTTP/1.1 400") {
		t.Errorf("got %q", b[:n])
	}
}
