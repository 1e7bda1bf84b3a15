package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/internal/chatctl"
	"fleet/cmd/internal/daemon/daemontest"
)

// tool runs fleet-chat tool as an agent's script does.
func (h *host) tool(agent, stdin string, args ...string) (stdout, stderr string, status int) {
	h.T.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"tool", "--socket", h.socket(agent)}, args...)...)
	cmd.Env = []string{variable + "=1", daemontest.AtOnce}
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// What an agent's runner and the built-in demo do.
func TestTool(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead", "worker")
	h.start()
	file := h.Dir + "/text"
	check(t, os.WriteFile(file, []byte("it's \"done\"\n$(x) \xff\n"), 0o644))
	_, err := h.operator().Post(t.Context(), chatctl.NewMessage{Channel: "lead", Text: "how are you?"})
	check(t, err)
	for _, c := range []struct {
		name, stdin string
		args        []string
		out, errs   string
		status      int
	}{
		{"create", "", []string{"--get", "task.number", "--get", "task.title", "--get", "task.x.y", "task_create", "title=say \"hi\" = @x"}, "1\nsay \"hi\" = @x\n\n", "", 0},
		{"claim", "", []string{"--get", "task.number", "task_claim"}, "1\n", "", 0},
		{"nothing", "", []string{"task_claim"}, "", "there is no task to do", 1},
		{"note", "", []string{"--get", "task.state", "task_done", "number:=1", "note@" + file}, "done\n", "", 0},
		{"list", "", []string{"--get", "tasks.0.number", "--get", "tasks.1.number", "tasks", `states:=["done"]`}, "1\n\n", "", 0},
		{"conversations", "", []string{
			"--get", "conversations.0.channel", "--get", "conversations.0.thread", "--get", "conversations.0.last", "--get", "conversations.0.untrusted", "conversations",
		}, "lead\nmessage-1\n1\n\n", "", 0},
		{"answer", strings.Repeat("fine\n", 500_000), []string{"--get", "message.cut", "answer", "channel=lead", "thread=message-1", "seen:=1", "text@-"}, "true\n", "", 0},
		{"answered", "", []string{"conversations"}, "{\"conversations\":[]}\n", "", 0},
		{"refused", "", []string{"post", "channel=nowhere", "text=x"}, "", "there is no channel", 1},
		{"no tool", "", []string{"nothing"}, "", "unknown tool", 1},
		{"words", "", []string{"post", "channel"}, "", "must be KEY=TEXT", 2},
		{"JSON", "", []string{"post", "number:=x"}, "", "must be KEY:=JSON", 2},
		{"file", "", []string{"post", "text@/nowhere"}, "", "no such file", 2},
		{"usage", "", nil, "", "usage: fleet-chat tool", 2},
		{"elsewhere", "", []string{"--socket", "/nowhere", "channels"}, "", "is not reached", 3},
	} {
		out, errs, status := h.tool("lead", c.stdin, c.args...)
		if out != c.out || status != c.status || !strings.Contains(errs, c.errs) || c.errs == "" && errs != "" {
			t.Errorf("%s: status %d, %q, %q", c.name, status, out, errs)
		}
	}
	got := must[read](t, h.connect("stdio", "worker"), "read", object{"channel": "tasks", "thread": "task-1"})
	want := []string{"lead: created the task: say \"hi\" = @x", "lead: claimed the task", "lead: the task is done\n\nit's \"done\"\n$(x) \uFFFD"}
	if d := cmp.Diff(want, texts(got.Messages)); d != "" {
		t.Error(d)
	}
}
