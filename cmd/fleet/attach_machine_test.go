//go:build machine

package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// shells is a fleet whose agent a is a shell that says what it reads, and b one without a terminal.
const shells = `{ harnesses: { shell: { interactive: ['bash', '-c', '{{prompt}}'] } },
  agents: { a: { harness: 'shell', session: '10m', prompt: |||
    trap 'echo interrupted' INT
    echo welcome; stty size; printf '\033]2;EVILTITLE\007\033]52;c;RVZJTA==\007\033Ptmux;\033\033]2;EVILTITLE\007\033\\'
    while :; do read -r line && echo "got <$line>"; done
  ||| }, b: { mode: 'headless' }, c: self.a + { isolation: 'user' } },
}`

// attached is one run of fleet attach on a terminal of its own.
type attached struct {
	typed  []string // what the person types, in the form of printf, when the view is there, a second apart; then Ctrl-]
	as     string   // user; "" is root
	args   string
	inside string // commands that run a second after the typing, while the view is open
}

// run returns what reached the person's terminal, and what inside printed.
func (v attached) run(t *testing.T, h *e2e.Host) (screen, inside string) {
	t.Helper()
	command := "stty rows 30 cols 100; fleet attach " + v.args
	if v.as != "" {
		command = "stty rows 30 cols 100; sudo fleet attach " + v.args
	}
	h.WriteFile("/root/inside", v.inside, 0o700)
	typing := "i=0; until [ $i -eq 100 ] || systemctl list-units --no-legend 'fleet-demo-*-attach@*' | grep -q running; do " +
		"i=$((i+1)); sleep 0.1; done; sleep 1\n"
	if v.args == "b" {
		typing = "sleep 2\n" // there is none
	}
	for _, text := range v.typed {
		typing += "printf '" + text + "'; sleep 1\n"
	}
	h.WriteFile("/root/typing", typing+`sh /root/inside >/root/inside.out 2>&1; printf '\035'; sleep 1`, 0o700)
	script := fmt.Sprintf(`TERM=xterm-256color timeout 30 script -qec %q /tmp/screen`, command)
	if v.as != "" {
		script = fmt.Sprintf("su %s -c %q", v.as, script)
	}
	h.Sh("rm -f /tmp/screen; sh /root/typing | " + script + " >/dev/null || :")
	return h.ReadFile("/tmp/screen"), h.ReadFile("/root/inside.out")
}

func TestAttach(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	h.Switch(h.Build(e2e.Spec(shells)))
	h.Eventually("the terminal of a", time.Minute, func() error {
		if out, exit := h.Try("test", "-S", "/run/fleet/demo/a/own/tmux"); exit != 0 {
			return fmt.Errorf("not there: %s", out)
		}
		return nil
	})
	for _, c := range []struct {
		name string
		run  func(*testing.T, *e2e.Host)
	}{
		{"as root", attachAsRoot},
		{"isolation user", attachIsolationUser},
		{"as operator", attachAsOperator},
		{"read-only", attachReadOnly},
		{"hang-up", attachHangUp},
		{"no terminal", attachWithoutTerminal},
		{"end of the agent", attachEnd},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h.On(t)) })
	}
}

// EGR-E31: what the agent prints is shown, its escape sequences are not passed on, and nothing is left behind.
func attachAsRoot(t *testing.T, h *e2e.Host) {
	screen, inside := attached{typed: []string{`hello\r`, `\003`}, args: "a", inside: `
systemctl list-units --no-legend --full 'fleet-demo-a-attach@*'
ps axo user:20=,args= | grep '[t]mux'`}.run(t, h)
	wants(t, screen, `welcome`, `got <hello>`, `interrupted`, `demo/a   Ctrl-\] leaves`, `left; a goes on`)
	wants(t, inside, `fleet-demo-a-attach@\d+.service +loaded active running`, `demo-a +/usr/bin/tmux -N -S /run/fleet/demo/a/own/tmux attach-session`)
	nothingRaw(t, screen)
	nothingLeft(t, h)
}

func attachIsolationUser(t *testing.T, h *e2e.Host) {
	screen, inside := attached{typed: []string{`hello\r`}, args: "c", inside: "ps axo user:20=,args= | grep '[t]mux'"}.run(t, h)
	wants(t, screen, `got <hello>`, `left; c goes on`)
	wants(t, inside, `demo-c +/usr/bin/tmux -N -S /run/fleet/demo/c/own/tmux attach-session`)
	nothingRaw(t, screen)
}

func nothingRaw(t *testing.T, screen string) {
	t.Helper()
	for _, bad := range []string{"EVILTITLE", "RVZJTA", "\x1b]", "\x1bP", "\a"} {
		if strings.Contains(screen, bad) {
			t.Errorf("%q reached the person's terminal: %q", bad, screen)
		}
	}
}

func nothingLeft(t *testing.T, h *e2e.Host) {
	t.Helper()
	h.Eventually("nothing is left of the view", 10*time.Second, func() error {
		out := h.Sh(`systemctl list-units --all --no-legend 'fleet-demo-a-attach@*'; pgrep -fa '__[p]ty' || :; ls /run/fleet | grep attach || :`)
		if out != "" {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	if got := h.Show("fleet-demo-a.service", "ActiveState")["ActiveState"]; got != "active" {
		t.Errorf("a is %s", got)
	}
}

// The view runs with the operator's rights, whether or not sudo gives its command a terminal of its own.
func attachAsOperator(t *testing.T, h *e2e.Host) {
	h.Sh(`useradd -M -d / -s /bin/sh olga; echo 'olga ALL=(root) NOPASSWD: /usr/local/bin/fleet' >/etc/sudoers.d/olga`)
	for _, pty := range []string{"use_pty", "!use_pty"} {
		h.WriteFile("/etc/sudoers.d/pty", "Defaults "+pty+"\n", 0o440)
		screen, inside := attached{typed: []string{`from olga\r`}, as: "olga", args: "a", inside: `ps axo user:20=,args= | grep -E '[t]mux|__[p]ty'`}.run(t, h)
		wants(t, screen, `got <from olga>`)
		wants(t, inside, `(?m)^olga +/usr/bin/tmux -S /run/fleet/attach-`, `(?m)^olga +\S+ __pty /run/fleet/attach-`)
		if regexp.MustCompile(`(?m)^root .*(tmux|__pty)`).MatchString(inside) {
			t.Errorf("with %s root shows what an agent prints:\n%s", pty, inside)
		}
		nothingRaw(t, screen)
		nothingLeft(t, h)
	}
}

func attachReadOnly(t *testing.T, h *e2e.Host) {
	screen, _ := attached{typed: []string{`must not arrive\r`}, args: "-r a"}.run(t, h)
	wants(t, screen, `read-only`)
	if strings.Contains(screen, "must not") {
		t.Errorf("input reached the agent: %q", screen)
	}
	nothingLeft(t, h)
}

// A lost connection ends the view and the agent's side of it.
func attachHangUp(t *testing.T, h *e2e.Host) {
	h.Sh(`(sleep 20 | TERM=xterm script -qec 'fleet attach a' /tmp/screen) </dev/null >/dev/null 2>&1 &
i=0; until systemctl list-units --no-legend 'fleet-demo-a-attach@*' | grep -q active; do i=$((i+1)); [ $i -lt 100 ]; sleep 0.1; done
kill -KILL $(pgrep -x script)`)
	nothingLeft(t, h)
}

func attachWithoutTerminal(t *testing.T, h *e2e.Host) {
	screen, _ := attached{args: "b"}.run(t, h)
	wants(t, screen, `agent b has no terminal: it works headless`)
	tool(t, h, 0, "stop", "b")
	screen, _ = attached{args: "b"}.run(t, h)
	wants(t, screen, `agents\.b: does not run \(inactive\), so it has no terminal`, `hint: sudo fleet start b`)
}

// Who watches when the agent is stopped is told.
func attachEnd(t *testing.T, h *e2e.Host) {
	screen, _ := attached{args: "a", inside: "fleet stop a; sleep 2"}.run(t, h)
	wants(t, screen, `the terminal of a was closed`)
	tool(t, h, 0, "start", "a")
	nothingLeft(t, h)
}
