//go:build machine

package chat

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/schemas/chat"
)

// Agents and operators speak, over both kinds of sockets; who speaks is known from the socket, and an agent reaches
// nothing but its own.
func TestTeam(t *testing.T) {
	t.Parallel()
	h := boot(t, `{ coordination: { postsPerMinute: 6000 }, watchdog: { every: '5s', deniedBeforeAlert: 5 } }`)
	t.Run("speak", func(t *testing.T) { h.on(t).speak() })
	t.Run("bounds", func(t *testing.T) { h.on(t).bounds() })
	t.Run("tasks", func(t *testing.T) { h.on(t).tasks() })
	t.Run("operators", func(t *testing.T) { h.on(t).operators() })
	t.Run("killed", func(t *testing.T) { h.on(t).killed() })
	t.Run("alerts", func(t *testing.T) { h.on(t).alerts() })
	t.Run("boot", func(t *testing.T) { h.on(t).boot() })
}

func (h *host) speak() {
	h.fleet("chat", "post", "general", "hello team")
	for _, agent := range []string{"a", "u", "narrow"} {
		out := h.do(agent, `tool read channel=general && tool post channel=general text="I am `+agent+`"`)
		h.wants(agent, out, "hello team", `"id":"`+agent+`"`)
	}
	h.wants("all", h.texts("general"), "person local: hello team\n", "agent a: I am a\n", "agent u: I am u\n", "agent narrow: I am narrow\n")

	// The same by streamable HTTP, at the address that the harness is told.
	for _, agent := range []string{"b", "u"} {
		out := h.do(agent, `
			url=$(sed -n 's/.*"url": "\([^"]*\)".*/\1/p' /etc/fleet/mcp.json)
			ask() { curl -sS --noproxy '*' -D ~/head -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' "$@" "$url"; }
			ask -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}'
			session=$(tr -d '\r' <~/head | sed -n 's/^[Mm]cp-[Ss]ession-[Ii]d: //p')
			ask -H "Mcp-Session-Id: $session" -d '{"jsonrpc":"2.0","method":"notifications/initialized"}'
			ask -H "Mcp-Session-Id: $session" -d '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"post","arguments":{"channel":"general","text":"by HTTP of `+agent+`"}}}'`)
		h.wants(agent, out, `"serverInfo"`, `by HTTP of `+agent)
	}
	h.wants("HTTP", h.texts("general"), "agent b: by HTTP of b\n", "agent u: by HTTP of u\n")
}

func (h *host) bounds() {
	out := h.do("narrow", `tool channels; tool read channel=alerts; echo status $?; tool post channel=alerts text=x; echo status $?`)
	h.wants("narrow", out, `"general"`, "status 1")
	if strings.Contains(out, `"key":"alerts"`) || strings.Contains(out, "status 0") {
		h.t.Errorf("narrow sees more than its channel:\n%s", out)
	}
	out = h.do("mute", `ls /run/fleet/demo/mute; tool channels; echo status $?
		for p in 3199 3198 3200; do curl -sS --noproxy '*' -m 2 http://127.0.0.1:$p/mcp && echo reached; done`)
	if strings.Contains(out, "chat.sock") || strings.Contains(out, "reached") || strings.Contains(out, "status 0") {
		h.t.Errorf("mute has a way to the chat:\n%s", out)
	}
	for _, agent := range []string{"a", "u"} {
		out = h.do(agent, `
			for s in /run/fleet/demo/b/chat.sock /run/fleet/demo/chat.sock /run/fleet/demo/narrow/chat.sock; do
				/etc/fleet/chat tool --socket $s channels && echo REACHED $s
				/etc/fleet/chat post --socket $s -- forged && echo REACHED $s
			done
			ls /run/fleet/demo/wake/b && echo REACHED wake
			touch /run/fleet/demo/wake/`+agent+`/9 && echo REACHED mine
			ls -d /run/fleet/demo/wake/`+agent+` && cat /var/lib/fleet/demo/records/chat/* && echo REACHED records
			for ip in 127.64.0.1 127.64.0.2 127.64.0.3 127.64.0.4; do curl -sS --noproxy '*' -m 2 http://$ip:3199/mcp && echo REACHED $ip; done
			exit 0`)
		if strings.Contains(out, "REACHED") {
			h.t.Errorf("%s reaches what is not its own:\n%s", agent, out)
		}
	}
	if out := h.MustRun("sh", "-c", "ls /run/fleet/demo/wake/a /run/fleet/demo/wake/u"); strings.Contains(out, "\n9\n") {
		h.t.Errorf("an agent has called itself:\n%s", out)
	}
}

// Of agents that claim at once one wins.
func (h *host) tasks() {
	const tasks = 20
	for i := range tasks {
		h.fleet("tasks", "create", fmt.Sprint("task ", i))
	}
	agents := []string{"a", "b", "u"}
	for _, agent := range agents {
		h.begin(agent, `for n in $(seq 1 20); do tool --get task.assignee task_claim number:=$n 2>/dev/null; done`)
	}
	won := 0
	for _, agent := range agents {
		won += len(strings.Fields(h.end(agent)))
	}
	if won != tasks {
		h.t.Errorf("%d claims of %d tasks", won, tasks)
	}
	owner := strings.Fields(h.fleet("--json", "tasks", "list"))
	if len(owner) == 0 {
		h.t.Error("no tasks")
	}
	h.do("a", `tool task_create title="from a" body=text; n=$(tool --get tasks.0.number tasks mine:=true state=in_progress); tool task_done number:=$n note=finished`)
	h.wants("list", h.fleet("tasks", "list"), "from a", "in_progress")
}

// Root and the operators' group reach the control socket, nobody else does, and who speaks is who called.
func (h *host) operators() {
	h.MustRun("usermod", "-aG", "fleet-operators", "ann")
	h.MustRun("useradd", "-m", "bob")
	as := func(user string, args ...string) (string, int) {
		return h.Try(append([]string{"runuser", "-u", user, "--", "sh", "-c", `exec fleet --project demo "$@" 2>&1`, "sh"}, args...)...)
	}
	if out, exit := as("ann", "chat", "post", "general", "from ann"); exit != 0 {
		h.t.Errorf("ann: exit status %d\n%s", exit, out)
	}
	if out, exit := as("bob", "chat", "post", "general", "from bob"); exit != 3 || !strings.Contains(out, "only root and the group fleet-operators") {
		h.t.Errorf("bob: exit status %d\n%s", exit, out)
	}
	said := h.said("general")
	if last := said[len(said)-1]; last.Text != "from ann" || last.From.Name != "ann" || last.From.Untrusted {
		h.t.Errorf("%+v", last)
	}
	if out, exit := as("ann", "chat", "read", "general", "-n", "1"); exit != 0 || !strings.Contains(out, "@ann: from ann") {
		h.t.Errorf("ann reads: %d %s", exit, out)
	}
}

// kill -9 at any time loses no acknowledged message, and doubles none.
func (h *host) killed() {
	agents := []string{"a", "b", "u"}
	for _, agent := range agents {
		h.begin(agent, `i=0; while [ $i -lt 400 ]; do i=$((i + 1)); tool --get message.seq post channel=general text="kill-`+agent+`-$i" >/dev/null 2>&1 && echo kill-`+agent+`-$i; done`)
	}
	kills := 0
	h.Eventually("posts while the chat is killed", 3*time.Minute, func() error {
		if _, exit := h.Try("systemctl", "kill", "-s", "KILL", service); exit == 0 {
			kills++
			time.Sleep(time.Second) // it comes back and takes some
		}
		for _, agent := range agents {
			if _, exit := h.Try("test", "-e", "/home/demo-"+agent+"/done"); exit != 0 {
				return fmt.Errorf("%s posts", agent)
			}
		}
		return nil
	})
	acknowledged := 0
	all := h.said("general")
	for _, agent := range agents {
		told := strings.Fields(h.end(agent))
		acknowledged += len(told)
		for _, text := range told {
			if n := len(slices.DeleteFunc(slices.Clone(all), func(m chat.Message) bool { return m.Text != text })); n != 1 {
				h.t.Errorf("%s is there %d times", text, n)
			}
		}
	}
	seen := map[string]bool{}
	for _, m := range all {
		if strings.HasPrefix(m.Text, "kill-") && seen[m.Text] {
			h.t.Errorf("%s is there twice", m.Text)
		}
		seen[m.Text] = true
	}
	if kills < 3 || acknowledged < 100 {
		h.t.Errorf("%d kills, %d messages: that proves little", kills, acknowledged)
	}
}

// What the watchdog finds, what a gate refuses and a switch that failed is told in the channel for it.
func (h *host) alerts() {
	h.do("b", `for i in $(seq 1 12); do curl -sS -m 5 https://nosuch.example/ ; done`)
	h.Eventually("the watchdog tells of denials", 2*time.Minute, func() error {
		if got := h.texts("alerts"); !strings.Contains(got, "fleet : ALERT: agent b was denied ") {
			return fmt.Errorf("alerts: %q", got)
		}
		return nil
	})
	before := h.MustRun("readlink", "-f", "/run/fleet/demo/active")
	h.WriteFile("/run/systemd/system/fleet-demo-worse.service.d/fails.conf", "[Service]\nExecStartPre=/bin/false\n", 0o644)
	dir := h.Build(h.spec(`{ agents+: { worse: {} } }`))
	if exit, out, errOut := h.Fleet("switch", dir); exit == 0 {
		h.t.Fatalf("the switch came through:\n%s%s", out, errOut)
	}
	if got := h.MustRun("readlink", "-f", "/run/fleet/demo/active"); got != before {
		h.t.Errorf("%s is live", got)
	}
	h.wants("alerts", h.texts("alerts"), "fleet : ALERT: the switch to generation 2 failed; generation 1 is live again")
}

// What was said is there after a boot, and agents reach the chat again.
func (h *host) boot() {
	before := h.texts("general")
	h.MustReboot()
	h.Eventually("the fleet is up", time.Minute, func() error {
		if out, exit := h.Try("systemctl", "is-active", socket, "fleet-demo-a.service"); exit != 0 {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	if after := h.texts("general"); after != before {
		h.t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	h.wants("a", h.do("a", `tool post channel=general text="here again"`), "here again")
}
