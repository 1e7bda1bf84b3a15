//go:build linux

package runner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/spec"
	"fleet/schemas/fleet"
)

// tool runs a script of libexec/ with plain sh and returns what it prints.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	for _, f := range append(slices.Clone(tools), delayScript) {
		if string(f.Path) == "libexec/"+name {
			cmd := exec.Command("sh", append([]string{"-c", string(f.Data), name}, args...)...)
			cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=/usr/bin:/bin", "TZ=UTC"}
			out, err := cmd.Output()
			return string(out), err
		}
	}
	t.Fatalf("no tool %s", name)
	return "", nil
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// builtin is a harness of the library, as a fleet has it.
func builtin(t *testing.T, name string) fleet.Harness {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "fleet.jsonnet"), `{ project: 'x', agents: { a: { harness: 'demo' } } }`)
	loaded, err := spec.Load(t.Context(), spec.Options{Dir: dir, File: "fleet.jsonnet"})
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Fleet.Harnesses[name]
}

// The texts are those that the programs print.
func TestUsage(t *testing.T) {
	real, err := os.ReadFile("testdata/claude-result.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ harness, log, want string }{
		"Claude Code":        {"claude-code", "some output\n" + string(real), `,"tokensIn":642,"tokensOut":90,"costUSD":0.004368`},
		"cached tokens":      {"claude-code", `{"type":"result","usage":{"input_tokens":1,"cache_creation_input_tokens":20,"cache_read_input_tokens":300,"output_tokens":4},"total_cost_usd":1e-05}`, `,"tokensIn":321,"tokensOut":4,"costUSD":0.000010`},
		"no result":          {"claude-code", "hello\n", ""},
		"cut off":            {"claude-code", `{"type":"result","total_cost_usd":1`, ""},
		"key in a text":      {"claude-code", `{"type":"result","result":"\"total_cost_usd\":99,\"usage\":{\"input_tokens\":7}","usage":{"input_tokens":5,"output_tokens":6},"total_cost_usd":0.5}`, `,"tokensIn":5,"tokensOut":6,"costUSD":0.500000`},
		"no number":          {"claude-code", `{"type":"result","usage":{"input_tokens":"$(id)","output_tokens":-5},"total_cost_usd":}`, `,"tokensIn":0,"tokensOut":0,"costUSD":0.000000`},
		"number that is not": {"claude-code", `{"type":"result","usage":{"input_tokens":1.2.3eE+-9,"output_tokens":5},"total_cost_usd":1}`, `,"tokensIn":1,"tokensOut":5,"costUSD":1.000000`},
		"huge":               {"claude-code", `{"type":"result","usage":{"input_tokens":1e300,"output_tokens":5},"total_cost_usd":1}`, ""},
		"NUL":                {"claude-code", "\x00\x1b[2J\n" + string(real), `,"tokensIn":642,"tokensOut":90,"costUSD":0.004368`},
		"the last counts":    {"claude-code", `{"type":"result","usage":{"input_tokens":7}}` + "\n" + string(real), `,"tokensIn":642,"tokensOut":90,"costUSD":0.004368`},
		"Codex":              {"codex", codexLog, `,"tokensIn":642,"tokensOut":90,"costUSD":0.000000`},
		"Gemini":             {"gemini", geminiLog, `,"tokensIn":642,"tokensOut":90,"costUSD":0.000000`},
		"OpenCode":           {"opencode", opencodeLog + opencodeLog, `,"tokensIn":642,"tokensOut":90,"costUSD":0.001655`},
	} {
		report := strings.Join(reportLines(builtin(t, c.harness).Result), "\n")
		got, err := tool(t, "usage", report, file(t, c.log))
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
		if got, err := tool(t, "usage", report, "/nonexistent"); err != nil || got != "" {
			t.Errorf("no log: %q, %v", got, err)
		}
	}
	if got, err := tool(t, "usage", "", file(t, string(real))); err != nil || got != "" {
		t.Errorf("nothing reported: %q, %v", got, err)
	}
}

const (
	codexLog = `{"type":"thread.started","thread_id":"01a1fcad-5cd9-7781-be64-1a279cad7b4f"}
{"type":"item.completed","item":{"id":"item_2","type":"agent_message","text":"{\"type\":\"turn.completed\",\"input_tokens\":7}"}}
{"type":"turn.completed","usage":{"input_tokens":642,"cached_input_tokens":42,"cache_write_input_tokens":0,"output_tokens":90,"reasoning_output_tokens":10}}
`
	geminiLog = `YOLO mode is enabled. All tool calls will be automatically approved.
{"type":"message","timestamp":"2026-11-21T05:57:39.123Z","role":"assistant","content":"First.","delta":true}
{"type":"tool_use","timestamp":"2026-11-21T05:57:39.223Z","tool_name":"read_file","tool_id":"x","parameters":{}}
{"type":"message","timestamp":"2026-11-21T05:57:40.023Z","role":"assistant","content":"I have\nread","delta":true}
{"type":"message","timestamp":"2026-11-21T05:57:40.123Z","role":"assistant","content":" it.","delta":true}
{"type":"result","timestamp":"2026-11-21T05:57:40.123Z","status":"success","stats":{"total_tokens":732,"input_tokens":642,"output_tokens":90,"cached":0,"input":642,"duration_ms":94,"tool_calls":0,"models":{"gemini-2.5-pro":{"total_tokens":366,"input_tokens":321,"output_tokens":45}}}}
`
	opencodeLog = `{"type":"text","timestamp":1795240891510,"sessionID":"ses_1","part":{"id":"prt_0","messageID":"msg_1","sessionID":"ses_1","type":"text","text":"I have read it.","time":{"start":1795240891500,"end":1795240891510}}}
{"type":"step_finish","timestamp":1795240891515,"sessionID":"ses_1","part":{"id":"prt_1","reason":"stop","messageID":"msg_1","sessionID":"ses_1","type":"step-finish","tokens":{"total":366,"input":300,"output":40,"reasoning":5,"cache":{"write":0,"read":21}},"cost":0.000827625}}
`
)

// The texts are those that the programs print where an account is used up.
func TestLimit(t *testing.T) {
	now := time.Now()
	soon := now.Add(2 * time.Hour).Truncate(time.Second)
	zone := func(z string) *time.Location {
		l, err := time.LoadLocation(z)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	clock := func(z string, at time.Time, layout string) string { return at.In(zone(z)).Format(layout) }
	pacific := now.In(zone("America/Los_Angeles"))
	midnight := time.Date(pacific.Year(), pacific.Month(), pacific.Day()+1, 0, 0, 0, 0, pacific.Location())
	another := now.UTC().Add(50 * time.Hour).Truncate(time.Minute)
	const hit = "You’ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit https://chatgpt.com/settings/usage to purchase more credits or try again at "
	for name, c := range map[string]struct {
		harness, text string
		want          time.Time // to the minute; zero is none
	}{
		"epoch":           {"claude-code", fmt.Sprintf("Claude AI usage limit reached|%d", soon.Unix()), soon},
		"time of day":     {"claude-code", "You've hit your 5-hour limit · resets " + clock("Europe/Berlin", soon, "3:04pm") + " (Europe/Berlin)", soon},
		"on the hour":     {"claude-code", "You've hit your session limit · resets " + clock("UTC", soon.Truncate(time.Hour), "3pm") + " (UTC)", soon.Truncate(time.Hour)},
		"another day":     {"claude-code", "You've hit your weekly limit · resets " + clock("America/New_York", now.Add(50*time.Hour), "Jan 2, 3:04pm") + " (America/New_York)", now.Add(50 * time.Hour)},
		"another year":    {"claude-code", "You've hit your limit for now · resets Jan 28, 2099, 11:04pm (UTC)", now.Add(8 * 24 * time.Hour)},
		"in JSON":         {"claude-code", `{"error":"rate_limit","last_assistant_message":"You've hit your 5-hour limit · resets ` + clock("UTC", soon, "3:04pm") + ` (UTC)"}`, soon},
		"no time":         {"claude-code", "You've hit your monthly limit, sorry", now.Add(time.Hour)},
		"past":            {"claude-code", "usage limit reached|1000000000", now.Add(time.Minute)},
		"far":             {"claude-code", "usage limit reached|9999999999", now.Add(8 * 24 * time.Hour)},
		"none":            {"claude-code", "all is well", time.Time{}},
		"no time at all":  {"claude-code", "You've hit your 5-hour limit · resets $(touch x) (UTC)", now.Add(time.Hour)},
		"zone with dots":  {"claude-code", "You've hit your 5-hour limit · resets 3pm (../../etc/passwd)", now.Add(time.Hour)},
		"the last counts": {"claude-code", "usage limit reached|1999999999 " + fmt.Sprintf("usage limit reached|%d", soon.Unix()), soon},

		"Codex":              {"codex", `{"type":"turn.failed","error":{"message":"` + hit + clock("UTC", soon, "3:04 PM") + `."}}`, soon},
		"Codex, another day": {"codex", hit + another.Format("Jan 2") + "nd, " + another.Format("2006 3:04 PM") + ".", another},
		"Codex, a screen":    {"codex", "■ " + strings.Replace(hit, "or try", "or\n  try", 1) + clock("UTC", soon, "3:04 PM") + ".\n", soon},
		"Codex, in a span":   {"codex", "You've hit your usage limit. Upgrade to Plus or try again in 3 hours 5 minutes.", now.Add(185 * time.Minute)},
		"Codex, by a key":    {"codex", "Rate limit reached for gpt-5 in organization org-x on tokens per day (TPD): Limit 100000, Used 99000, Requested 2000. Please try again in 2h3m4.5s.", now.Add(2*time.Hour + 3*time.Minute)},
		"Codex, it waits":    {"codex", "◦ Server is busy, reconnecting 1/5 (3m 11s • esc to interrupt)\n  └ Exceeded retry limit, last status: 429 Too Many Requests\n\n\n› Ask Codex to do anything", now.Add(time.Hour)},
		"Codex, it waited":   {"codex", `{"type":"error","message":"Reconnecting... 1/5 (exceeded retry limit, last status: 429 Too Many Requests)"}` + "\n{}", time.Time{}},
		"Codex, headless":    {"codex", `{"type":"error","message":"Reconnecting... 1/5 (exceeded retry limit, last status: 429 Too Many Requests)"}` + "\nTerminated\n", now.Add(time.Hour)},
		"Codex, of a minute": {"codex", "Rate limit reached for gpt-5 on tokens per min. Please try again in 12.3s.", time.Time{}},
		"Codex, no money":    {"codex", "Quota exceeded. Check your plan and billing details.", now.Add(time.Hour)},

		"Gemini, a screen":  {"gemini", "│ Usage limit reached for gemini-2.5-pro.   │\n│ Access resets at " + clock("UTC", soon, "3:04\u202fPM") + " UTC.  │", soon},
		"Gemini, an offset": {"gemini", "Usage limit reached for x.\nAccess resets at " + clock("Etc/GMT-1", soon, "3:04 PM") + " GMT+1.", soon},
		"Gemini, a span":    {"gemini", "You have exhausted your capacity on this model. Your quota will reset after 3h20m5s.", now.Add(200 * time.Minute)},
		"Gemini, the API":   {"gemini", `[API Error: Quota exceeded\nSuggested retry after 43200.5s.]`, now.Add(12 * time.Hour)},
		"Gemini, a day":     {"gemini", `{"type":"result","status":"error","error":{"message":"[API Error: You have exhausted your daily quota on this model.]"}}`, midnight},

		"of a key":           {"claude-code", `{"message":"You have reached your specified API usage limits. You will regain access on ` + soon.UTC().Format("2006-01-02 at 15:04") + ` UTC."}`, soon},
		"OpenCode, of a key": {"opencode", `{"message":"You have reached your specified API usage limits. You will regain access on ` + soon.UTC().Format("2006-01-02 at 15:04") + ` UTC."}`, soon},
		"OpenCode":           {"opencode", fmt.Sprintf("The usage limit has been reached fleet: retried at %d", soon.Unix()), soon},
		"OpenCode, no money": {"opencode", "You exceeded your current quota, please check your plan and billing details.", now.Add(time.Hour)},
	} {
		out, err := tool(t, "limit", strings.Join(limitLines(builtin(t, c.harness).Limits), "\n"), file(t, c.text), "/nonexistent")
		got, _ := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
		if (err == nil) == c.want.IsZero() {
			t.Errorf("%s: %q, %v", name, out, err)
		} else if d := time.Unix(got, 0).Sub(c.want).Abs(); err == nil && d > 2*time.Minute {
			t.Errorf("%s: %v, want %v", name, time.Unix(got, 0), c.want)
		}
	}
}

func TestDelay(t *testing.T) {
	hour := time.Now().UTC().Hour()
	hhmm := func(h int) string { return fmt.Sprintf("%02d00", (h+24)%24) }
	for name, c := range map[string]struct {
		args        []string
		least, most int
	}{
		"good":              {[]string{"ok", "0", "", "1000", "", "", "", ""}, 900, 1100},
		"one second":        {[]string{"ok", "0", "", "1", "", "", "", ""}, 1, 1},
		"by day":            {[]string{"ok", "0", "", "1000", "9000", hhmm(hour - 1), hhmm(hour + 2), "UTC"}, 900, 1100},
		"by night":          {[]string{"ok", "0", "", "1000", "9000", hhmm(hour + 2), hhmm(hour - 1), "UTC"}, 8100, 9900},
		"timeout":           {[]string{"timeout", "0", "", "1000", "", "", "", ""}, 900, 1100},
		"first failure":     {[]string{"failed", "1", "", "1000", "", "", "", ""}, 10, 10},
		"third failure":     {[]string{"failed", "3", "", "1000", "", "", "", ""}, 40, 40},
		"eighth failure":    {[]string{"failed", "8", "", "1000", "", "", "", ""}, 900, 900},
		"thousandth":        {[]string{"failed", "1000", "", "1000", "", "", "", ""}, 900, 900},
		"limit":             {[]string{"limit", "0", strconv.FormatInt(time.Now().Unix()+500, 10), "1000", "", "", "", ""}, 490, 501},
		"limit that passed": {[]string{"limit", "0", "1000000000", "1000", "", "", "", ""}, 1, 1},
	} {
		out, err := tool(t, "delay", c.args...)
		got, _ := strconv.Atoi(strings.TrimSpace(out))
		if err != nil || got < c.least || got > c.most {
			t.Errorf("%s: got %q, %v, want %d to %d", name, out, err, c.least, c.most)
		}
	}
}

// A file is written where it is missing, left as the agent has it, and written anew where the spec has changed it.
func TestFurnish(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	furnish := func(store string) string {
		t.Helper()
		args := []string{dir + "/home", dir + "/records", store + " .config/tool.json\n", ".tool/RULES.md"}
		if out, err := tool(t, "furnish", args...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(dir + "/home/.config/tool.json")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	write("records/x", "")
	first, second := write("store/aaaa-home-1", "first"), write("store/bbbb-home-1", "second")
	var got []string
	got = append(got, furnish(first))
	write("home/.config/tool.json", "the agent's")
	got = append(got, furnish(first), furnish(second))
	if err := os.Remove(dir + "/home/.config/tool.json"); err != nil {
		t.Fatal(err)
	}
	got = append(got, furnish(second), furnish(first))
	if d := cmp.Diff([]string{"first", "the agent's", "second", "second", "first"}, got); d != "" {
		t.Error(d)
	}
	if link, _ := os.Readlink(dir + "/home/.tool/RULES.md"); link != "/etc/fleet/instructions.md" {
		t.Errorf("instructions: %q", link)
	}
}
