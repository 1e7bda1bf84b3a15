//go:build linux

package runner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tool runs a script of libexec/ with plain sh and returns what it prints.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	for _, f := range tools {
		if string(f.Path) == "libexec/"+name {
			cmd := exec.Command("sh", append([]string{"-c", string(f.Data), name}, args...)...)
			cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=/usr/bin:/bin"}
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

func TestUsage(t *testing.T) {
	real, err := os.ReadFile("testdata/claude-result.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ form, log, want string }{
		"Claude Code":        {"claude-json", "some output\n" + string(real), `,"tokensIn":642,"tokensOut":90,"costUSD":0.004368`},
		"cached tokens":      {"claude-json", `{"type":"result","usage":{"input_tokens":1,"cache_creation_input_tokens":20,"cache_read_input_tokens":300,"output_tokens":4},"total_cost_usd":1e-05}`, `,"tokensIn":321,"tokensOut":4,"costUSD":0.000010`},
		"no result":          {"claude-json", "hello\n", ""},
		"text":               {"text", string(real), ""},
		"cut off":            {"claude-json", `{"type":"result","total_cost_usd":1`, ""},
		"key in a text":      {"claude-json", `{"type":"result","result":"\"total_cost_usd\":99,\"usage\":{\"input_tokens\":7}","usage":{"input_tokens":5,"output_tokens":6},"total_cost_usd":0.5}`, `,"tokensIn":5,"tokensOut":6,"costUSD":0.500000`},
		"no number":          {"claude-json", `{"type":"result","usage":{"input_tokens":"$(id)","output_tokens":-5},"total_cost_usd":}`, `,"tokensIn":0,"tokensOut":0,"costUSD":0.000000`},
		"number that is not": {"claude-json", `{"type":"result","usage":{"input_tokens":1.2.3eE+-9,"output_tokens":5},"total_cost_usd":1}`, `,"tokensIn":1,"tokensOut":5,"costUSD":1.000000`},
		"huge":               {"claude-json", `{"type":"result","usage":{"input_tokens":1e300,"output_tokens":5},"total_cost_usd":1}`, ""},
		"NUL":                {"claude-json", "\x00\x1b[2J\n" + string(real), `,"tokensIn":642,"tokensOut":90,"costUSD":0.004368`},
	} {
		got, err := tool(t, "usage", c.form, file(t, c.log))
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
	if got, err := tool(t, "usage", "claude-json", "/nonexistent"); err != nil || got != "" {
		t.Errorf("no log: %q, %v", got, err)
	}
}

func TestLimit(t *testing.T) {
	now := time.Now()
	soon := now.Add(2 * time.Hour).Truncate(time.Second)
	clock := func(z string, at time.Time, layout string) string {
		zone, err := time.LoadLocation(z)
		if err != nil {
			t.Fatal(err)
		}
		return at.In(zone).Format(layout)
	}
	for name, c := range map[string]struct {
		text string
		want time.Time // to the minute; zero is none
	}{
		"epoch":          {fmt.Sprintf("Claude AI usage limit reached|%d", soon.Unix()), soon},
		"time of day":    {"You've hit your 5-hour limit · resets " + clock("Europe/Berlin", soon, "3:04pm") + " (Europe/Berlin)", soon},
		"on the hour":    {"You've hit your session limit · resets " + clock("UTC", soon.Truncate(time.Hour), "3pm") + " (UTC)", soon.Truncate(time.Hour)},
		"another day":    {"You've hit your weekly limit · resets " + clock("America/New_York", now.Add(50*time.Hour), "Jan 2, 3:04pm") + " (America/New_York)", now.Add(50 * time.Hour)},
		"another year":   {"You've hit your limit for now · resets Jan 28, 2099, 11:04pm (UTC)", now.Add(8 * 24 * time.Hour)},
		"in JSON":        {`{"error":"rate_limit","last_assistant_message":"You've hit your 5-hour limit · resets ` + clock("UTC", soon, "3:04pm") + ` (UTC)"}`, soon},
		"no time":        {"You've hit your monthly limit, sorry", now.Add(time.Hour)},
		"past":           {"usage limit reached|1000000000", now.Add(time.Minute)},
		"far":            {"usage limit reached|9999999999", now.Add(8 * 24 * time.Hour)},
		"none":           {"all is well", time.Time{}},
		"no time at all": {"You've hit your 5-hour limit · resets $(touch x) (UTC)", now.Add(time.Hour)},
		"zone with dots": {"You've hit your 5-hour limit · resets 3pm (../../etc/passwd)", now.Add(time.Hour)},
	} {
		out, err := tool(t, "limit", file(t, c.text), "/nonexistent")
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

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	records := filepath.Join(dir, "sessions.jsonl")
	old, young := filepath.Join(dir, "logs/1.log"), filepath.Join(dir, "logs/2.log")
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{old, young} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat(strings.Repeat("x", 255)+"\n", 5000) + "last\n"
	if err := os.WriteFile(records, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := tool(t, "prune", records, filepath.Join(dir, "logs"), "60"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, _ := os.ReadFile(records)
	if n := strings.Count(string(b), "\n"); n != 2000 || !strings.HasSuffix(string(b), "\nlast\n") {
		t.Errorf("%d records are left, ending in %q", n, b[max(0, len(b)-10):])
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the old transcript is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
}
