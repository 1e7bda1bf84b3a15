package runner

import (
	"os"
	"testing"
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// claudeResult, claudeMessage and claudeLimits are what the library has for Claude Code.
var (
	claudeResult = &fleet.Result{
		Line: `"type":"result"`, Input: []string{"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"},
		Output: []string{"output_tokens"}, Cost: []string{"total_cost_usd"},
	}
	claudeMessage = &fleet.Said{Line: claudeResult.Line, Key: "result"}
	claudeSession = &fleet.Said{Line: claudeResult.Line, Key: "session_id"}
	claudeLimits  = []fleet.UsageLimit{
		{Match: `usage limit reached[|]([0-9]{10})`, Until: fleet.UntilEpoch},
		{Match: `hit your [^"]{0,40}limit[^"]{1,20}resets ([A-Za-z0-9: ]{3,25}) [(]([A-Za-z0-9/_+-]{1,40})[)]`, Until: fleet.UntilZoned},
		{Match: `hit your [^"]{0,40}limit`, Until: fleet.UntilHour},
	}
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
					SettingsDir: "/etc/claude-code", Result: claudeResult, Message: claudeMessage, Limits: claudeLimits, TurnEnd: "stop-hook", TurnFailed: []model.TurnFailed{{Match: `^it's [[]"$`}, {Match: "wait", Still: time.Minute}},
					Home: map[string]string{".claude.json": `{"{{home}}":"{{tail20 KEY}}"}`, ".absent": "{{env NONE}}", ".whole": "{{env KEY}}"},
				},
				Env:    map[string]string{"KEY": `0123456789"abcdefghijklmno"`},
				Limits: model.Limits{Disk: 20 << 30, CostPerDay: 2.5},
				Hooks: map[string]model.Hook{
					"setup":  {Script: "#!/bin/bash\nexit 0", Timeout: 5 * time.Minute},
					"before": {Script: nasty, Timeout: 30 * time.Second},
				},
				Permissions: fleet.Permissions{Mode: "bypassPermissions", Deny: []string{nasty}},
				Schedules: []model.Schedule{
					{
						Name: "nightly", Prompt: nasty, Session: time.Hour, Skip: true,
						Calendar: []string{"*-*-* 03:00:00", "Fri *-*-* 04:00:00"},
					},
					{Name: "hourly", Prompt: nasty, Session: time.Minute, Every: time.Hour},
				},
			},
			{Key: "off", User: "demo-off"},
			{
				Key: "worker", User: "demo-worker", Enabled: true, Mode: "headless", Session: time.Minute, Prompt: "Work.",
				Iteration: model.Iteration{Day: time.Second},
				Harness: model.Harness{
					Name: "demo", Headless: []string{"demo", "--headless", "--", "{{prompt}}"}, Instructions: "INSTRUCTIONS.md",
					Result: claudeResult, Message: claudeMessage, TurnEnd: "exit",
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

// fakeChat notes what it is called for. It tells of the conversations in fake/conversations, CHANNEL THREAD LAST and true
// where a stranger waits, and forgets them with an answer. It refuses everything where there is fake/refuse. What root posts is
// in fake/said, but where it is deaf.
const fakeChat = `#!/bin/sh
if [ "$1" = post ]; then
	[ ! -e "$FAKE/deaf" ] || exit 1
	printf '%s: ' "$*" >>"$FAKE/said"
	cat >>"$FAKE/said"
	exit
fi
[ "$1 $2 ${3##*/}" = "tool --socket chat.sock" ] || exit 2
[ ! -e "$FAKE/hang" ] || sleep 600
shift 3
gets=0
while [ "$1" = --get ]; do
	[ "$2" = "conversations.$((gets / 4)).$(echo channel thread last untrusted | cut -d' ' -f $((gets % 4 + 1)))" ] || exit 2
	gets=$((gets + 1))
	shift 2
done
case $1 in conversations) text='' ;; *) text=$(base64 -w 0) ;; esac
printf '%s\n' "$* $text" >>"$FAKE/chat"
[ ! -e "$FAKE/refuse" ] || exit 1
case $1 in
conversations) { cat "$FAKE/conversations" 2>/dev/null; yes ''; } | head -n $((gets / 4)) | awk '{ print $1; print $2; print $3; print $4 }' ;;
answer) rm -f "$FAKE/conversations" ;;
esac
`

// fakeTool notes what it is called for. It tells of the conversations in fake/conversations, CHANNEL THREAD LAST and true
// where a stranger waits, and forgets them with an answer. It refuses everything where there is fake/refuse.
const fakeTool = `#!/bin/sh
[ "$1 $2 ${3##*/}" = "tool --socket chat.sock" ] || exit 2
[ ! -e "$FAKE/hang" ] || sleep 600
shift 3
gets=0
while [ "$1" = --get ]; do
	[ "$2" = "conversations.$((gets / 4)).$(echo channel thread last untrusted | cut -d' ' -f $((gets % 4 + 1)))" ] || exit 2
	gets=$((gets + 1))
	shift 2
done
case $1 in conversations) text='' ;; *) text=$(base64 -w 0) ;; esac
printf '%s\n' "$* $text" >>"$FAKE/chat"
[ ! -e "$FAKE/refuse" ] || exit 1
case $1 in
conversations) { cat "$FAKE/conversations" 2>/dev/null; yes ''; } | head -n $((gets / 4)) | awk '{ print $1; print $2; print $3; print $4 }' ;;
answer) rm -f "$FAKE/conversations" ;;
esac
`

func withGate(t testing.TB) *artifact.Tree {
	t.Helper()
	tree := artifact.NewTree()
	if err := tree.Add(artifact.Script(gateProgram, fakeGate), artifact.Script(chatProgram, fakeChat)); err != nil {
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
