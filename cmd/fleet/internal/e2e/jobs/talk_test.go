//go:build machine

package jobs

import (
	"fmt"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/e2e"
	"fleet/schemas/session"
)

// spoken are agents of a shell in long pauses: clerk tells which session it is and which one it takes up, mute has no
// part in the chat.
const spoken = `{
  harnesses: { sh: {
    headless: ['sh', '-c', 'printf \'{"said":"work of %s","name":"name-%s"}\\n\' "$FLEET_SESSION" "$FLEET_SESSION"', '{{prompt}}'],
    resumeTalk: ['sh', '-c', 'printf \'{"said":"%s of %s","name":"%s"}\\n\' "$1" "$FLEET_SESSION" "$1"', '{{prompt}}', '{{session}}'],
    turnEnd: 'exit', message: { line: '"said"', key: 'said' }, sessionName: { line: '"said"', key: 'name' },
  } },
  defaults+: { harness: 'sh', mode: 'headless', iteration: '12h' },
  agents: {
    clerk: {
      hooks: { after: { script: 'echo "I am done." | "$FLEET_CHAT" post general' } },
      schedules: { report: { ` + never + `, prompt: 'x', notify: 'alerts' } },
    },
    mute: { channels: [], hooks: { after: { script: 'echo x | "$FLEET_CHAT" post general' } } },
  },
}`

// What agents tell by themselves, and how people get answers.
func TestTalk(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.Switch(h.Build(e2e.Spec(spoken)))
	for _, c := range []struct {
		name string
		run  func(*host)
	}{
		{"hook", (*host).hookSpeaks},
		{"report", (*host).reported},
		{"answer", (*host).answered},
		{"task", (*host).wokenByTask},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(h.on(t)) })
	}
}

// sessions waits until an agent has so many records, and returns them.
func (h *host) sessions(key string, n int) (all []session.Record) {
	h.t.Helper()
	h.Eventually(fmt.Sprintf("%d sessions of %s", n, key), patience, func() error {
		if all = h.records(key); len(all) < n {
			return fmt.Errorf("there are %+v", all)
		}
		return nil
	})
	return all
}

// hookSpeaks: a hook says something as the agent; one of an agent without a chat says nothing, and does not fail.
func (h *host) hookSpeaks() {
	for _, key := range []string{"clerk", "mute"} {
		if got := h.sessions(key, 1); got[0].Result != session.OK {
			h.t.Errorf("%s: %+v", key, got)
		}
	}
	h.said("general", "I am done.", 1)
}

// said wants a text so many times in a channel.
func (h *host) said(channel, text string, times int) {
	h.t.Helper()
	h.Eventually(text+" in "+channel, patience, func() error {
		if out := h.fleet(0, "chat", "read", channel); strings.Count(out, text) != times {
			return fmt.Errorf("there is:\n%s", out)
		}
		return nil
	})
}

// reported: the channel of a job is told.
func (h *host) reported() {
	h.fleet(0, "trigger", "clerk", "report")
	h.said("alerts", "Job report, session 2: ok", 1)
	h.said("alerts", "work of 2", 1)
}

// answered: who writes to an agent is answered at once, and in the same thread by the same session; its pause goes on.
func (h *host) answered() {
	h.fleet(0, "chat", "post", "clerk", "What do you do?")
	got := h.sessions("clerk", 3)
	if r := got[2]; r.Thread != "clerk/message-1" || r.Result != session.OK {
		h.t.Errorf("%+v", r)
	}
	h.said("clerk", "work of 3", 1)
	h.fleet(0, "chat", "post", "clerk", "--thread", "message-1", "And now?")
	h.sessions("clerk", 4)
	h.said("clerk", "name-3 of 4", 1)
	h.has(h.fleet(0, "logs", "clerk"), "answer in clerk/message-1")
	if s := h.fleet(0, "status", "clerk"); !strings.Contains(s, "pausing") {
		h.t.Errorf("it does not pause:\n%s", s)
	}
}

// wokenByTask: a task ends the pause, which no answer has done.
func (h *host) wokenByTask() {
	h.fleet(0, "tasks", "create", "Tidy up.", "--for", "clerk")
	if r := h.sessions("clerk", 5)[4]; r.Thread != "" || r.Kind != session.KindSession || r.Result != session.OK {
		h.t.Errorf("%+v", r)
	}
	if got := h.records("mute"); len(got) != 1 {
		h.t.Errorf("an agent without a chat was woken: %+v", got)
	}
}
