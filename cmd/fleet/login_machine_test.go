//go:build machine

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// accounts is a fleet whose agent a is logged in, b by isolation user, while the gate of c holds a key.
const accounts = `{
  secrets: { KEY: { disposition: 'broker', hosts: ['api.example.com'], bearer: true, agents: ['c'] } },
  egress+: { allow+: ['api.example.com'] },
  agents: { a: { login: true }, b: { login: true, isolation: 'user' }, c: {} },
}`

// login is one run of fleet login on a terminal of its own.
type login struct {
	key    string
	typed  []string // in the form of printf, each when the one before has been answered
	as     string   // user; "" is root
	inside string   // commands that run before the last of what is typed
}

// run returns the exit status, what reached the person's terminal, and what inside printed.
func (v login) run(t *testing.T, h *e2e.Host) (exit, screen, inside string) {
	t.Helper()
	h.WriteFile("/tmp/command", "stty rows 30 cols 100; sudo fleet login "+v.key+"; echo exit $?\n", 0o755)
	typing := "i=0; until [ $i -eq 100 ] || systemctl list-units --no-legend 'fleet-demo-*-login@*' | grep -q running; do " +
		"i=$((i+1)); sleep 0.1; done; sleep 1\n"
	for i, text := range v.typed {
		if i == len(v.typed)-1 {
			typing += "sh /root/inside >/root/inside.out 2>&1\n"
		}
		typing += "printf '" + text + "'; sleep 2\n"
	}
	h.WriteFile("/root/inside", v.inside, 0o700)
	h.WriteFile("/root/typing", typing, 0o700)
	script := "TERM=xterm-256color timeout 60 script -qec 'sh /tmp/command' /tmp/screen"
	if v.as != "" {
		script = fmt.Sprintf("su %s -c %q", v.as, script)
	}
	h.Sh("rm -f /tmp/screen /root/inside.out; sh /root/typing | " + script + " >/dev/null || :")
	screen = h.ReadFile("/tmp/screen")
	if i := strings.LastIndex(screen, "exit "); i >= 0 {
		exit = strings.TrimSpace(strings.SplitN(screen[i+len("exit "):], "\n", 2)[0])
	}
	inside, _ = h.Try("cat", "/root/inside.out")
	return exit, screen, inside
}

func TestLogin(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	b := h.Build(e2e.Spec(accounts))
	h.WriteFile("/root/value", "a-value-that-nobody-has", 0o600)
	h.MustRun("fleet", "secret", "set", "KEY", "--project", "demo", "--from-file", "/root/value")
	h.Switch(b)
	h.Sh(`useradd -M -d / -s /bin/sh olga; echo 'olga ALL=(root) NOPASSWD: /usr/local/bin/fleet' >/etc/sudoers.d/olga`)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *e2e.Host)
	}{
		{"as operator", loginAsOperator},
		{"isolation user", loginIsolationUser},
		{"of a stopped agent", loginStopped},
		{"failed", loginFailed},
		{"left", loginLeft},
		{"refused", loginRefused},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h.On(t)) })
	}
}

// The login runs as the agent in its namespace and its sandbox, is shown by a tmux of the operator's, and keeps what it
// got in the agent's home.
func loginAsOperator(t *testing.T, h *e2e.Host) {
	exit, screen, inside := login{key: "a", as: "olga", typed: []string{`c0de\r`, `\r`}, inside: `
unit=$(systemctl list-units --no-legend --plain 'fleet-demo-a-login@*' | cut -d' ' -f1)
pid=$(systemctl show -P MainPID "$unit")
[ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/$(systemctl show -P MainPID fleet-demo-a.service)/ns/net)" ] && echo same network
grep -E '^(NoNewPrivs|Seccomp):' /proc/$pid/status
ps axo user:20=,args= | grep -E '[-]login$|[t]mux.*attach-'`}.run(t, h)
	wants(t, screen, `demo.invalid/login`, `You are logged in as a\.`, `The login has ended\.`, `demo/a login   Ctrl-\] leaves`, `fleet restart a begins a session with it`)
	wants(t, inside, `same network`, `NoNewPrivs:\s+1`, `Seccomp:\s+2`, `(?m)^demo-a .*-login$`, `(?m)^olga +/usr/bin/tmux -S /run/fleet/attach-`)
	if exit != "0" {
		t.Errorf("exit status %s", exit)
	}
	if got := h.MustRun("stat", "-c", "%U %a", "/home/demo-a/.demo-token"); got != "demo-a 600" || h.ReadFile("/home/demo-a/.demo-token") != "c0de\n" {
		t.Errorf("%s: %q", got, h.ReadFile("/home/demo-a/.demo-token"))
	}
	nothingRaw(t, screen)
	noLoginLeft(t, h)
}

func loginIsolationUser(t *testing.T, h *e2e.Host) {
	_, screen, _ := login{key: "b", typed: []string{`c0de\r`, `\r`}}.run(t, h)
	wants(t, screen, `You are logged in as b\.`)
	if got := h.MustRun("stat", "-c", "%U", "/home/demo-b/.demo-token"); got != "demo-b" {
		t.Errorf("it is %s's", got)
	}
	noLoginLeft(t, h)
}

func loginStopped(t *testing.T, h *e2e.Host) {
	tool(t, h, 0, "stop", "a")
	exit, screen, _ := login{key: "a", typed: []string{`again\r`, `\r`}}.run(t, h)
	wants(t, screen, `You are logged in as a\.`)
	if exit != "0" || h.ReadFile("/home/demo-a/.demo-token") != "again\n" {
		t.Errorf("exit status %s, %q", exit, h.ReadFile("/home/demo-a/.demo-token"))
	}
	tool(t, h, 0, "start", "a")
	noLoginLeft(t, h)
}

func loginFailed(t *testing.T, h *e2e.Host) {
	exit, screen, _ := login{key: "a", typed: []string{`\r`, `\r`}}.run(t, h)
	wants(t, screen, `That is no code\.`, `The login has failed, with exit status 1\.`, `the login of a failed`, `hint: sudo fleet login a again`)
	if exit != "1" {
		t.Errorf("exit status %s", exit)
	}
	noLoginLeft(t, h)
}

func loginLeft(t *testing.T, h *e2e.Host) {
	exit, screen, _ := login{key: "a", typed: []string{`half a c0de`, `\035`}}.run(t, h)
	wants(t, screen, `left before the login of a had ended`)
	if exit != "1" || h.ReadFile("/home/demo-a/.demo-token") != "again\n" {
		t.Errorf("exit status %s, %q", exit, h.ReadFile("/home/demo-a/.demo-token"))
	}
	noLoginLeft(t, h)
}

func loginRefused(t *testing.T, h *e2e.Host) {
	exit, screen, _ := login{key: "c"}.run(t, h)
	wants(t, screen, `agents\.c\.login: is not set in the live generation: its gate holds KEY for it`, `set login: true, then fleet build`)
	if exit != "3" {
		t.Errorf("exit status %s", exit)
	}
	if units := h.Sh("systemctl list-unit-files --no-legend 'fleet-demo-c-login@*' || :"); units != "" {
		t.Errorf("there is %s", units)
	}
}

func noLoginLeft(t *testing.T, h *e2e.Host) {
	t.Helper()
	h.Eventually("nothing is left of the login", 10*time.Second, func() error {
		out := h.Sh(`systemctl list-units --all --no-legend 'fleet-demo-*-login@*'; pgrep -fa '__[p]ty' || :; ls /run/fleet | grep attach || :`)
		if out != "" {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
}
