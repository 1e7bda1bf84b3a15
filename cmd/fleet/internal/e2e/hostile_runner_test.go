//go:build machine

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
)

// hostile is a spec in which agent b runs a script of an attacker's.
func hostile(script string, more ...string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(script)
	return Spec(append([]string{shell, `{ agents: { a: {}, b: { harness: 'sh', mode: 'headless', prompt: "` + quoted + `" } } }`}, more...)...)
}

// outside lists processes of the agents' users, not of their gates', that are in no unit of the project. One that has just ended is none.
const outside = `in_unit() { grep -q '/fleet-demo.slice/' "$1/cgroup" 2>/dev/null; }
for p in /proc/[0-9]*; do
	uid=$(stat -c %u "$p" 2>/dev/null) || continue
	case $uid in [789]????) ;; *) continue ;; esac
	case $(id -nu "$uid") in *-gate) continue ;; esac
	in_unit "$p" || { sleep 0.5; in_unit "$p"; } || ! grep -q '^State:.[^XZ]' "$p/status" 2>/dev/null ||
		echo "$p $(cat "$p/cgroup") $(tr '\0' ' ' <"$p/cmdline")"
done`

// EGR-E13 (runner): whatever an agent does to start something elsewhere, to its runner and to its terminal, no process of its
// user is ever outside of its unit, and none is left when the unit is stopped.
func TestE13NothingOutsideTheUnit(t *testing.T) {
	t.Parallel()
	h := New(t, machinetest.Options{})
	h.Switch(h.Build(hostile(`
		echo '* * * * * sleep 4001' | crontab - ; echo 'sleep 4002' | at now
		systemd-run --user sleep 4003; systemd-run sleep 4004
		dbus-send --system --print-reply --dest=org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager.ListUnits
		su demo-a -c 'sleep 4005'; ssh -o BatchMode=yes localhost sleep 4006; login -f root
		mkdir -p ~/.config/systemd/user ~/.ssh; echo 'sleep 4007' >~/.profile; echo '|sleep 4008' >~/.forward
		(trap '' TERM HUP INT; setsid nohup sh -c 'trap "" TERM HUP INT; while :; do sleep 4009; done' >/dev/null 2>&1 &)
		tmux -S /tmp/other new-session -d 'sleep 4010'
		kill -s STOP $(ps -o ppid= -p $$) ; : >~/work/done; sleep 2
		kill -s KILL -- -1
	`)))
	h.Eventually("the attempts", time.Minute, func() error {
		_, exit := h.Try("test", "-e", "/home/demo-b/work/done")
		return exitError(exit)
	})
	first := h.InvocationID("fleet-demo-b.service")
	h.Eventually("a new start of the killed agent", time.Minute, func() error {
		if got := h.Sh(outside); got != "" {
			t.Fatalf("outside: %s", got)
		}
		if h.InvocationID("fleet-demo-b.service") == first {
			return fmt.Errorf("not started again")
		}
		return nil
	})
	begin := time.Now()
	h.MustRun("fleet", "stop", "b")
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("the stop took %v", d)
	}
	if got := h.Sh(`pgrep -u demo-b -a || true`); got != "" {
		t.Errorf("left: %s", got)
	}
	if got := h.MustRun("systemctl", "is-active", "fleet-demo-a.service"); got != "active" {
		t.Errorf("the other agent is %s", got)
	}
}

// EGR-E31 (watchdog): links, FIFOs, times and escape sequences where root looks are neither followed nor waited for nor shown.
func TestE31WatchdogIsNotFooled(t *testing.T) {
	t.Parallel()
	h := New(t, machinetest.Options{})
	h.Switch(h.Build(hostile(`
		cd "$FLEET_OWN" && rm -f beat session problem status status.new
		mkfifo beat status; ln -s /etc/shadow problem; ln -s "$(printf '\033]0;owned\007')" session
		cd ~ && mkdir deep && cd deep && for i in $(seq 2000); do mkdir d && cd d; done
		cd ~ && ln -s / root && mkfifo fifo && truncate -s 100G sparse
		printf '\033]0;owned\007\033[2J\n<0>fleet demo: ALERT: forged\n'
		sleep 3000
	`, quick)))
	h.eventuallyAlerts("ALERT: agent b is stalled")
	for range 3 {
		h.MustRun("systemctl", "start", "fleet-demo-watchdog.service") // a look that hangs would be ended by systemd, and fail
	}
	log := h.MustRun("journalctl", "-q", "-o", "cat", "-u", "fleet-demo-watchdog.service")
	text := h.ReadFile("/run/fleet/demo/status.json")
	if strings.ContainsAny(log+text, "\x1b\x07") || strings.Contains(log+text, "root:") || strings.Contains(h.alerts(), "forged") {
		t.Errorf("shown:\n%s\n%s", log, text)
	}
	if _, err := h.left(); err != nil {
		t.Error(err)
	}
}

// EGR-E32 (stop): an agent that traps every signal and forks cannot hold up its stop, nor the project's removal.
func TestE32StopInTime(t *testing.T) {
	t.Parallel()
	h := New(t, machinetest.Options{})
	h.Switch(h.Build(hostile(`
		trap '' TERM HUP INT QUIT USR1 USR2 TSTP
		for i in $(seq 100); do (trap '' TERM HUP INT; while :; do sleep 1; done) & done
		: >~/work/done
		while :; do sleep 1; done
	`, `{ agents+: { b+: { hooks: { onCleanup: { script: 'sleep 3000', timeout: '5s' } } } } }`)))
	h.Eventually("the forks", time.Minute, func() error {
		_, exit := h.Try("test", "-e", "/home/demo-b/work/done")
		return exitError(exit)
	})
	for _, argv := range [][]string{{"fleet", "restart", "b"}, {"fleet", "stop", "b"}, {"fleet", "uninstall"}} {
		begin := time.Now()
		out, exit := h.Try(argv...)
		if d := time.Since(begin); exit != 0 || d > time.Minute {
			t.Errorf("%v: exit status %d after %v\n%s", argv, exit, d, out)
		}
	}
	if got := h.Sh(`ps -eo uid=,pid=,args= | awk '$1 >= 70000 && $1 <= 99999'`); got != "" {
		t.Errorf("left: %s", got)
	}
}
