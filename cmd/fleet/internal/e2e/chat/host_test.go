//go:build machine

package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/schemas/chat"
)

const (
	service = "fleet-demo-chat.service"
	socket  = "fleet-demo-chat.socket"
)

// obedient are agents that do what lies in their home, in their containment: a and b, u beside the host's network, narrow
// that sees one channel, and mute that sees none.
const obedient = `{
  harnesses: { sh: { headless: ['sh', '-c', '{{prompt}}'], turnEnd: 'exit' } },
  defaults+: {
    harness: 'sh', mode: 'headless',
    prompt: 'while :; do if [ -e ~/do ]; then mv ~/do ~/doing; sh ~/doing >~/out 2>&1; mv ~/out ~/done; fi; sleep 0.1; done',
  },
  agents: {
    a: {}, b: {}, u: { isolation: 'user' }, narrow: { channels: ['general'] }, mute: { channels: [] },
  },
}`

// host is a machine with a team.
type host struct {
	*e2e.Host
	t testing.TB
}

func boot(t *testing.T, changes ...string) *host {
	t.Helper()
	h := &host{Host: e2e.New(t, machinetest.Options{}), t: t}
	h.MustRun("useradd", "-m", "ann") // the chat knows the users that there were at its start
	h.Switch(h.Build(h.spec(changes...)))
	return h
}

func (h *host) spec(changes ...string) string {
	return e2e.Spec(append([]string{obedient}, changes...)...)
}

func (h *host) on(t testing.TB) *host { return &host{Host: h.Host.On(t), t: t} }

// begin has an agent do what a script says.
func (h *host) begin(agent, script string) {
	h.t.Helper()
	home := "/home/demo-" + agent
	h.WriteFile(home+"/do.new", "tool() { /etc/fleet/chat tool --socket /run/fleet/demo/"+agent+"/chat.sock \"$@\"; }\n"+script+"\n", 0o644)
	h.MustRun("rm", "-f", home+"/done")
	h.MustRun("mv", home+"/do.new", home+"/do")
}

// end waits until it is done and returns what it printed.
func (h *host) end(agent string) string {
	h.t.Helper()
	h.Eventually(agent+" does what it was told", 2*time.Minute, func() error {
		if _, exit := h.Try("test", "-e", "/home/demo-"+agent+"/done"); exit != 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	return h.ReadFile("/home/demo-" + agent + "/done")
}

func (h *host) do(agent, script string) string {
	h.t.Helper()
	h.begin(agent, script)
	return h.end(agent)
}

// wants fails unless a text has all parts.
func (h *host) wants(what, text string, parts ...string) {
	h.t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			h.t.Errorf("%s: no %q in:\n%s", what, p, text)
		}
	}
}

func (h *host) fleet(args ...string) string {
	h.t.Helper()
	exit, out, errOut := h.Fleet(args...)
	if exit != 0 {
		h.t.Fatalf("fleet %s: exit status %d\n%s%s", strings.Join(args, " "), exit, errOut, out)
	}
	return out
}

// said returns what stands in a channel, as the tool tells it.
func (h *host) said(channel string) []chat.Message {
	h.t.Helper()
	var all []chat.Message
	in := json.NewDecoder(strings.NewReader(h.fleet("--json", "chat", "read", channel, "-n", "0")))
	for in.More() {
		var m chat.Message
		if err := in.Decode(&m); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// texts are what a channel's messages say, one a line.
func (h *host) texts(channel string) string {
	h.t.Helper()
	var out strings.Builder
	for _, m := range h.said(channel) {
		fmt.Fprintf(&out, "%s %s: %s\n", m.From.Kind, m.From.ID, m.Text)
	}
	return out.String()
}
