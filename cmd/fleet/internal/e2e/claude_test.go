//go:build machine

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/anthropicstub"
	"fleet/schemas/session"
)

// testKey has a form that no real key has; the check of env lets it pass.
const testKey = "fleet-test-0123456789-abcdefghijklmnop"

// claudeSpec are agents with the real Claude Code: in a terminal, headless, and with an account whose limit is used up.
const claudeSpec = `{ agents: {
  a: { harness: 'claude-code', prompt: 'run: touch made-by-claude; id -un',
       model: 'claude-sonnet-4-6', effort: 'high', instructions: ['Mark: quiet-otter.'], permissions: { deny: ['WebFetch'] },
       env: { ANTHROPIC_BASE_URL: 'http://127.0.0.1:8123', ANTHROPIC_API_KEY: '` + testKey + `' } },
  b: self.a + { mode: 'headless', prompt: 'Say something.' },
  c: self.a + { prompt: 'limit: %d', env: { ANTHROPIC_BASE_URL: 'http://127.0.0.1:8123', CLAUDE_CODE_OAUTH_TOKEN: '` + testKey + `' } },
} }`

// standIn starts the stand-in for the Messages API inside the network namespace of an agent, which has nothing else.
func (h *Host) standIn(key string) {
	h.t.Helper()
	net := "fleet-" + Project + "-" + key + "-net.service"
	h.MustRun("systemd-run", "--quiet", "--unit=standin-"+key, "-pJoinsNamespaceOf="+net, "-pRequires="+net, "-pAfter="+net,
		"-pPrivateNetwork=yes", "-pPrivateTmp=yes", "-pPrivateIPC=yes", "messages-standin", "127.0.0.1:8123", "/root/standin-"+key)
}

// requests are those that the stand-in has seen.
func (h *Host) requests(key string) []anthropicstub.Request {
	h.t.Helper()
	var out []anthropicstub.Request
	for line := range strings.Lines(h.ReadFile("/root/standin-" + key)) {
		var r anthropicstub.Request
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// records waits until an agent has n of them and returns the last one.
func (h *Host) record(key string, n int) session.Record {
	h.t.Helper()
	var got []session.Record
	h.Eventually(fmt.Sprintf("record %d of agent %s", n, key), 3*time.Minute, func() error {
		text, _ := h.Try("cat", "/var/lib/fleet/"+Project+"/records/"+key+"/"+session.RecordsFile)
		if got = session.All([]byte(text)); len(got) < n {
			return fmt.Errorf("there are %d", len(got))
		}
		return nil
	})
	return got[n-1]
}

// Claude Code from the npm registry works under the runner in the sandbox: it gets its prompt as an argument, runs a
// tool, reads its managed settings and instructions, and its Stop hook ends the session.
func TestClaudeCode(t *testing.T) {
	t.Parallel()
	version, dir := ClaudeCode(t)
	place := "/usr/local/lib/claude-code-" + version
	h := New(t, machinetest.Options{BuildTags: "machine", Options: machine.Options{Binds: []machine.Bind{{Outside: dir, Inside: place}}}})
	h.MustRun("ln", "-s", place+"/claude", "/usr/local/bin/claude")
	limit := time.Now().Add(3 * time.Hour).Truncate(time.Minute)
	h.Switch(h.Build(Spec(fmt.Sprintf(claudeSpec, limit.Unix()))))
	for _, key := range []string{"a", "b", "c"} {
		h.standIn(key)
	}

	if r := h.record("a", 1); r.Result != session.OK || r.End.Sub(r.Start) > time.Minute {
		t.Errorf("interactive: %+v\n%s", r, h.transcript("a", 1))
	}
	if owner := h.MustRun("stat", "-c", "%U", "/home/demo-a/work/made-by-claude"); owner != "demo-a" {
		t.Errorf("the tool ran as %s", owner)
	}
	for _, want := range []string{"run: touch made-by-claude", "quiet-otter"} {
		if !slices.ContainsFunc(h.requests("a"), func(r anthropicstub.Request) bool {
			return strings.Contains(r.Prompt, want) && r.Key == testKey && r.Model == "claude-sonnet-4-6"
		}) {
			t.Errorf("the stand-in saw no %q: %.3000q", want, h.requests("a"))
		}
	}
	if log := h.transcript("a", 1); !strings.Contains(log, "The stand-in has done its part.") {
		t.Errorf("transcript: %s", log)
	}

	r := h.record("b", 1)
	if r.Result != session.OK || r.TokensIn != anthropicstub.InputTokens || r.TokensOut != anthropicstub.OutputTokens || r.CostUSD <= 0 {
		t.Errorf("headless: %+v\n%s", r, h.transcript("b", 1))
	}
	if r := h.record("c", 1); r.Result != session.Limit {
		t.Errorf("at its limit: %+v\n%s", r, h.transcript("c", 1))
	}
	now, err := session.ParseNow([]byte(h.ReadFile("/run/fleet/demo/c/own/status")))
	if err != nil || now.State != session.Pausing || now.At.Sub(limit).Abs() > 2*time.Minute {
		t.Errorf("at its limit, which ends at %v: %+v, %v", limit, now, err)
	}
	h.claudeQueued()
}

// claudeQueued sends prompts into the pause after the first session.
func (h *Host) claudeQueued() {
	h.t.Helper()
	send := func(text string) {
		h.t.Helper()
		if exit, out, errOut := h.Fleet("send", "a", text); exit != 0 {
			h.t.Fatalf("fleet send: exit status %d\n%s%s", exit, out, errOut)
		}
	}
	// A failed turn ends the session as well, by another hook.
	send("fail: 400 invalid_request_error Your credit balance is too low")
	if r := h.record("a", 2); r.Result != session.Failed || r.Prompt != 1 || r.End.Sub(r.Start) > time.Minute {
		h.t.Errorf("failed turn: %+v\n%s", r, h.transcript("a", 2))
	}
	// The end of a turn of another Claude Code that the agent runs itself is not the end of its own.
	send("run: claude --print -- 'I am nested.' && sleep 4 && touch after-nested")
	if r := h.record("a", 3); r.Result != session.OK {
		h.t.Errorf("nested: %+v\n%s", r, h.transcript("a", 3))
	}
	if out, exit := h.Try("stat", "/home/demo-a/work/after-nested"); exit != 0 {
		h.t.Errorf("the session ended with the nested one: %s\n%s", out, h.transcript("a", 3))
	}
}

func (h *Host) transcript(key string, n int) string {
	out, _ := h.Try("cat", fmt.Sprintf("/var/lib/fleet/%s/records/%s/sessions/%d.log", Project, key, n))
	return out
}
