package runner

import (
	"os"
	"testing"
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// sample is a fleet whose texts try to leave their quotes.
func sample() *model.Fleet {
	nasty := "it's `id` $(id) ${HOME} \\ \"q\" %n #x\n;reboot\nEOF\nEND\n'\"'\"'\tünï {{prompt"
	return &model.Fleet{
		Project:   "demo",
		Operators: "fleet-operators",
		Watchdog:  model.Watchdog{Every: 5 * time.Minute, StalledRuns: 6, AlertAfter: 3, DeniedAlert: 50, HeartbeatURL: "https://ping.example.com/'x'"},
		Retention: model.Retention{Transcripts: 30 * 24 * time.Hour, Jobs: 7 * 24 * time.Hour},
		Agents: []model.Agent{
			{
				Key: "lead", User: "demo-lead", Enabled: true, Mode: "interactive", Session: 2 * time.Hour, Prompt: nasty,
				Iteration: model.Iteration{Day: 5 * time.Minute, Night: time.Hour, From: "08:00", To: "20:30", Timezone: "Europe/Berlin"},
				Harness: model.Harness{
					Name: "claude-code", Program: "claude", Interactive: []string{"claude", "--model", nasty[:20], "--", "{{prompt}}"},
					Headless: []string{"claude", "-p", "--", "{{prompt}}"}, Resume: []string{"claude", "--continue", "--", "{{prompt}}"},
					Settings: "claude-code", SettingsDir: "/etc/claude-code", Result: "claude-json", TurnEnd: "stop-hook",
					Home: map[string]string{".claude.json": `{"{{home}}":"{{tail20 KEY}}"}`},
				},
				Env:    map[string]string{"KEY": `0123456789"abcdefghijklmno"`},
				Limits: model.Limits{Disk: 20 << 30},
				Hooks: map[string]model.Hook{
					"setup":  {Script: "#!/bin/bash\nexit 0", Timeout: 5 * time.Minute},
					"before": {Script: nasty, Timeout: 30 * time.Second},
				},
				Permissions: fleet.Permissions{Mode: "bypassPermissions", Deny: []string{nasty}},
				Schedules:   []model.Schedule{{Name: "nightly", Prompt: nasty, Session: time.Hour}},
			},
			{Key: "off", User: "demo-off"},
			{
				Key: "worker", User: "demo-worker", Enabled: true, Mode: "headless", Session: time.Minute, Prompt: "Work.",
				Iteration: model.Iteration{Day: time.Second},
				Harness: model.Harness{
					Name: "demo", Headless: []string{"demo", "--headless", "--", "{{prompt}}"}, Instructions: "INSTRUCTIONS.md",
					Result: "claude-json", TurnEnd: "exit",
				},
			},
		},
	}
}

// fakeGate tells what stands in fake/look, or that all gates are idle.
const fakeGate = `#!/bin/sh
[ "$1" = look ] || exit 2
shift 3
cat "$FAKE/look" 2>/dev/null || printf '%s idle 0 0 0 0 0 - - 0\n' "$@"
`

func withGate(t testing.TB) *artifact.Tree {
	t.Helper()
	tree := artifact.NewTree()
	if err := tree.Add(artifact.Script(gateProgram, fakeGate)); err != nil {
		t.Fatal(err)
	}
	return tree
}

func render(t testing.TB, m *model.Fleet) *artifact.Tree {
	t.Helper()
	tree := withGate(t)
	if err := Render(m, tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
