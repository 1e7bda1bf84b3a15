//go:build machine

package harness

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/standin"
	"fleet/schemas/session"
)

// toolName is the tool of the sidecar that every agent has.
const toolName = "weather_on_the_moon"

// cases are the built-in harnesses with an account each.
var cases = []struct {
	key, harness, secret, host string
	models                     [2]string // of the agent in a terminal, and of the one without
	costs                      bool      // it tells what a session costs
	nested                     string    // runs another one
	limits                     []limit
}{
	{
		"cc", "claude-code", "ANTHROPIC_API_KEY", "api.anthropic.com",
		[2]string{"claude-sonnet-4-6", "opus"},
		true, "claude --print -- 'I am nested.'",
		[]limit{{"limit", "CLAUDE_CODE_OAUTH_TOKEN", told}, {"rate", "ANTHROPIC_API_KEY", told}},
	},
	{ // the one model calls tools, the other one writes scripts that do
		"cx", "codex", "OPENAI_API_KEY", "api.openai.com",
		[2]string{"gpt-5", "gpt-6.1-sol"},
		false, "codex exec --skip-git-repo-check -- 'I am nested.' </dev/null",
		[]limit{{"limit", "OPENAI_API_KEY", told}, {"rate", "OPENAI_API_KEY", hour}},
	},
	{
		"gm", "gemini", "GEMINI_API_KEY", "generativelanguage.googleapis.com",
		[2]string{"gemini-2.5-pro", "gemini-2.5-flash"},
		false,
		"gemini --approval-mode=yolo --prompt='I am nested.'",
		[]limit{{"limit", "GEMINI_API_KEY", told}, {"rate", "GEMINI_API_KEY", pacific}},
	},
	{
		"oo", "opencode", "OPENAI_API_KEY", "api.openai.com",
		[2]string{"openai/gpt-5", "openai/gpt-5"},
		true, "echo 'I am nested.' | opencode run",
		[]limit{{"rate", "OPENAI_API_KEY", told}},
	},
	{
		"oa", "opencode", "ANTHROPIC_API_KEY", "api.anthropic.com",
		[2]string{"anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-5"},
		true,
		"echo 'I am nested.' | opencode run",
		[]limit{{"limit", "ANTHROPIC_API_KEY", told}, {"rate", "ANTHROPIC_API_KEY", told}},
	},
}

// limit is one kind of a limit that can be used up: what orders the stand-in to say so, whose it is, and until when the
// agent sleeps, of the time that the answer told and that of the session's end.
type limit struct {
	order, secret string
	end           func(at, ended time.Time) time.Time
}

// told is what the answer told.
func told(at, _ time.Time) time.Time { return at }

// hour is where the harness keeps to itself what it was told.
func hour(_, ended time.Time) time.Time { return ended.Add(time.Hour) }

// pacific is of a quota of Google's that tells nothing: midnight in California.
func pacific(_, ended time.Time) time.Time {
	in, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err)
	}
	y, m, d := ended.In(in).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, in)
}

// spec has an agent in a terminal and one without, and two for each limit, all of one harness.
const spec = `{
  local limits = %[6]s,
  secrets: { [name]: {} for name in std.set(['%[3]s'] + [l.secret for l in limits]) },
  sidecars: { tool: { command: ['/usr/local/bin/` + program + `'] } },
  defaults+: { harness: '%[2]s', model: '%[4]s', session: '15m', sidecars: ['tool'], instructions: ['Mark: quiet-otter.'] },
  agents: {
    '%[1]s-a': { secrets: ['%[3]s'], prompt: 'run: touch made-by-agent; id -un' },
    '%[1]s-b': self['%[1]s-a'] { model: '%[5]s', mode: 'headless' },
  } + { ['%[1]s-' + l.order]: { secrets: [l.secret], prompt: l.order + ': ' + l.at } for l in limits }
    + { ['%[1]s-' + l.order + '2']: { secrets: [l.secret], prompt: l.order + ': ' + l.at, mode: 'headless' } for l in limits },
}`

// A harness from the npm registry works in an agent's containment: it gets its prompt, its instructions and its sidecars'
// tools, its placeholder becomes the key on its way, its tool runs as the agent, and the runner learns of the end of a turn
// and of a limit that is used up.
func TestHarnesses(t *testing.T) {
	l := newLab(t, "claude-code", "codex", "gemini", "opencode")
	for _, c := range cases {
		t.Run(c.harness+"-"+c.host, func(t *testing.T) {
			l := l.on(t)
			at := time.Now().Add(3 * time.Hour).Truncate(time.Minute)
			var limits []map[string]any
			keys := []string{values[c.secret]}
			for _, one := range c.limits {
				limits = append(limits, map[string]any{"order": one.order, "secret": one.secret, "at": at.Unix()})
				keys = append(keys, values[one.secret])
			}
			text, err := json.Marshal(limits)
			if err != nil {
				t.Fatal(err)
			}
			l.run(fmt.Sprintf(spec, c.key, c.harness, c.secret, c.models[0], c.models[1], text))
			l.works(c.key+"-a", false, false)
			l.works(c.key+"-b", true, c.costs)
			for _, want := range []string{"quiet-otter", toolName} {
				l.saw(want, func(r standin.Request) bool {
					return strings.Contains(r.Body, want) && r.Host == c.host && r.Key == values[c.secret]
				})
			}
			for _, r := range l.requests() {
				if r.Model != "" && !slices.Contains(keys, r.Key) {
					t.Errorf("%s %s came with %q", r.Host, r.Path, r.Key)
				}
			}
			l.hasNone(keys)
			l.queued(c.key+"-a", c.nested)
			for _, one := range c.limits {
				l.sleeps(c.key+"-"+one.order, at, one.end)
				l.sleeps(c.key+"-"+one.order+"2", at, one.end)
			}
			l.alertsOnce(c.key, 2*len(c.limits))
		})
	}
}

// works wants a good first session of an agent that was told to run a command.
func (l *lab) works(key string, told, costs bool) {
	l.t.Helper()
	r := l.record(key, 1)
	if r.Result != session.OK {
		l.t.Errorf("%s: %+v\n%s", key, r, l.transcript(key, 1))
	}
	if out, _ := l.Try("stat", "-c", "%U", "/home/demo-"+key+"/work/made-by-agent"); strings.TrimSpace(out) != "demo-"+key {
		l.t.Errorf("%s: what its tool made: %s\n%s", key, out, l.transcript(key, 1))
	}
	if told && (r.TokensIn < 2*standin.InputTokens || r.TokensOut < 2*standin.OutputTokens || costs != (r.CostUSD > 0)) {
		l.t.Errorf("%s: %+v\n%s", key, r, l.transcript(key, 1))
	}
	if log := l.transcript(key, 1); !strings.Contains(log, standin.Done) {
		l.t.Errorf("%s: %s", key, log)
	}
}

// saw wants a request.
func (l *lab) saw(what string, is func(standin.Request) bool) {
	l.t.Helper()
	seen := l.requests()
	if slices.ContainsFunc(seen, is) {
		return
	}
	for i := range seen {
		seen[i].Body = ""
	}
	l.t.Errorf("no request with %s: %+v", what, seen)
}

// hasNone wants that no agent has one of these values: they are in its gate's memory alone.
func (l *lab) hasNone(values []string) {
	l.t.Helper()
	cmd := l.M.Command(l.t.Context(), "sh", "-c", "grep -rlaF -f /dev/stdin /home /run/fleet/*/*/own /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null")
	cmd.Stdin = strings.NewReader(strings.Join(values, "\n") + "\n")
	out, _ := cmd.Output() // its exit status says that nothing was found
	if len(out) > 0 {
		l.t.Errorf("keys are in\n%s", out)
	}
}

// queued sends prompts into the pause after the first session of an agent with a terminal.
func (l *lab) queued(key, nested string) {
	l.t.Helper()
	send := func(text string) {
		l.t.Helper()
		if exit, out, errOut := l.Fleet("send", key, text); exit != 0 {
			l.t.Fatalf("fleet send: exit status %d\n%s%s", exit, out, errOut)
		}
	}
	// A failed turn ends the session as well.
	send("fail: 400 invalid_request_error Your credit balance is too low")
	if r := l.record(key, 2); r.Result != session.Failed || r.Prompt != 1 {
		l.t.Errorf("failed turn: %+v\n%s", r, l.transcript(key, 2))
	}
	// The end of a turn of another one that the agent runs itself is not the end of its own.
	send("run: " + nested + " && sleep 4 && touch after-nested")
	if r := l.record(key, 3); r.Result != session.OK {
		l.t.Errorf("nested: %+v\n%s", r, l.transcript(key, 3))
	}
	if out, exit := l.Try("stat", "/home/demo-"+key+"/work/after-nested"); exit != 0 {
		l.t.Errorf("the session ended with the nested one: %s\n%s", out, l.transcript(key, 3))
	}
}

// sleeps wants that an agent has found the limit used up, and waits for its end.
func (l *lab) sleeps(key string, at time.Time, end func(at, ended time.Time) time.Time) {
	l.t.Helper()
	r := l.record(key, 1)
	if r.Result != session.Limit {
		l.t.Errorf("%s: %+v\n%s", key, r, l.transcript(key, 1))
		return
	}
	limit := end(at, r.End)
	l.Eventually(key+" sleeps until "+limit.String(), time.Minute, func() error {
		now, err := session.ParseNow([]byte(l.ReadFile("/run/fleet/" + e2e.Project + "/" + key + "/own/status")))
		if err != nil || now.State != session.Pausing || now.At.Sub(limit).Abs() > 2*time.Minute {
			return fmt.Errorf("%+v, %w\n%s", now, err, l.transcript(key, 1))
		}
		return nil
	})
}

// alertsOnce wants one alert for each agent that waits for the end of a limit, however often the watchdog looks.
func (l *lab) alertsOnce(key string, want int) {
	l.t.Helper()
	for range 3 {
		l.MustRun("systemctl", "start", "fleet-"+e2e.Project+"-watchdog.service")
	}
	out := l.Sh("journalctl -q -o cat -p err -u fleet-" + e2e.Project + "-watchdog.service | grep 'ALERT: agent " + key + "-.* waits: usage limit until' || :")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != want {
		l.t.Errorf("there are %d alerts, want %d:\n%s", len(lines), want, out)
	}
}
