//go:build machine

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// hostile is an agent that puts links, FIFOs, floods and escape sequences wherever root's tools look, again and again.
const hostile = `{ harnesses: { evil: { interactive: ['bash', '-c', '{{prompt}}'] } },
  agents: { a: { harness: 'evil', session: '10m', prompt: |||
    own=/run/fleet/demo/a/own records=/var/lib/fleet/demo/records/a
    evil=$(printf '\033]2;EVIL\007\033[2J\342\200\256')
    touch /home/demo-a/started
    while :; do
      mkdir -p $records/sessions
      rm -f $own/status $own/beat $own/problem $records/queue $records/sessions/[1-9].log
      case $((n++ % 3)) in
        0) ln -s /etc/shadow $own/status; ln -s /etc/shadow $own/beat; ln -s /etc/shadow $records/queue
           ln -sfn /etc/shadow $records/sessions.jsonl; ln -s /etc/shadow $records/sessions/1.log; ln -s "$evil" $own/problem ;;
        1) mkfifo $own/status $own/beat $records/queue $records/sessions/1.log; rm -f $records/sessions.jsonl; mkfifo $records/sessions.jsonl ;;
        2) rm -f $records/sessions.jsonl; truncate -s 100G $own/status $records/queue $records/sessions.jsonl
           touch -d 2099-01-01 $own/beat
           printf '%s\n' "$evil" >$records/sessions/1.log
           printf '{"n":1,"kind":"job","job":"%s","result":"ok"}\n' "$evil" >>$records/sessions.jsonl ;;
      esac
      printf '%s\n' "$evil"
      sleep 0.02
    done
  ||| }, b: {} },
}`

// EGR-E31: nothing that root or a person runs follows, waits for or shows raw what an agent planted.
func TestE31HostileAgent(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	h.Switch(h.Build(e2e.Spec(hostile)))
	h.Eventually("the agent is at it", time.Minute, func() error {
		if out, exit := h.Try("test", "-e", "/home/demo-a/started"); exit != 0 {
			return fmt.Errorf("not yet: %s", out)
		}
		return nil
	})
	commands := [][]string{
		{"status"},
		{"status", "--json"},
		{"status", "a"},
		{"logs", "a", "-n", "50"},
		{"logs", "a", "--json"},
		{"logs", "a", "--session", "1"},
		{"send", "a", "a prompt"},
		{"jobs"},
		{"restart", "--graceful", "a"},
	}
	for range 12 {
		for _, c := range commands {
			began := time.Now()
			_, out, errOut := h.Fleet(c...)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("fleet %s took %s", strings.Join(c, " "), took)
			}
			shownSafely(t, strings.Join(c, " "), out+errOut)
		}
	}
	screen, _ := attached{args: "a"}.run(t, h)
	nothingRaw(t, screen)
	began := time.Now()
	wants(t, tool(t, h, 0, "stop", "a"), `(?m)^a: stopped$`)
	if took := time.Since(began); took > 60*time.Second {
		t.Errorf("stop took %s", took)
	}
	if out := h.Sh(`stat -c %U /etc/shadow; ls -la /run/fleet/demo/a/queue | tail -n +4 | awk '{print $1, $3}' | sort -u`); out != "root\n-r--r----- root" {
		t.Errorf("files of root's: %s", out)
	}
}

// shownSafely wants nothing of /etc/shadow and no character that steers a terminal.
func shownSafely(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, "root:") {
		t.Errorf("fleet %s shows /etc/shadow: %.300q", what, text)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) && r != '\n' {
			t.Errorf("fleet %s shows %q raw: %.300q", what, r, text)
			return
		}
	}
}
