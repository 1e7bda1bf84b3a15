package settings

import (
	"bytes"
	"encoding/json"
	"time"

	"fleet/generate/model"
)

// claudeSettings is the part of Claude Code's managed settings that fleet sets; code.claude.com/docs/en/settings describes
// the keys. Tried with 2.1.329.
type claudeSettings struct {
	Permissions                     claudePermissions       `json:"permissions"`
	SkipDangerousModePermissionAsk  bool                    `json:"skipDangerousModePermissionPrompt,omitempty"`
	AllowManagedHooksOnly           bool                    `json:"allowManagedHooksOnly"`
	AllowManagedPermissionRulesOnly bool                    `json:"allowManagedPermissionRulesOnly"`
	CleanupPeriodDays               int                     `json:"cleanupPeriodDays"` // of its own transcripts; 0 would keep none
	Env                             map[string]string       `json:"env,omitempty"`
	Hooks                           map[string][]claudeHook `json:"hooks"`
}

type claudePermissions struct {
	DefaultMode string   `json:"defaultMode"`
	Allow       []string `json:"allow,omitempty"`
	Ask         []string `json:"ask,omitempty"`
	Deny        []string `json:"deny,omitempty"`
}

type claudeHook struct {
	Hooks []claudeCommand `json:"hooks"`
}

type claudeCommand struct {
	Type    string `json:"type"`
	Command string `json:"command"`
	Timeout int    `json:"timeout"` // seconds
}

// The commands of the hooks. FLEET_OWN and FLEET_PID come from the agent's runner; without them nothing is done, so that
// an operator's own session is let alone.
const (
	// beat is a sign of life: a tool was called, a session began.
	beat = `[ -z "${FLEET_OWN:-}" ] || : >"$FLEET_OWN/beat"`
	// A hook's parent is the harness, and the harness's is the runner's process FLEET_PID, or its grandparent where a
	// wrapper starts it. Of a second harness that the agent itself starts, neither is, and its turns end nothing.
	ours = `parent() { read -r s <"/proc/$1/stat"; s=${s##*) } && s=${s#* } && echo "${s%% *}"; }; ` +
		`a=$(parent $PPID); b=$(parent $a); case ${FLEET_PID:-none} in "$a" | "$b") `
	turn       = ours + `: >"$FLEET_OWN/turn" ;; esac`
	turnFailed = ours + `head -c 65536 >"$FLEET_OWN/turn.new" && mv "$FLEET_OWN/turn.new" "$FLEET_OWN/turn.failed" ;; esac`
)

// hookTimeout is far more than any of the commands needs, in seconds.
const hookTimeout = 10

// signsOfLife are the events of a session that goes on.
var signsOfLife = []string{
	"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "SubagentStop", "PreCompact",
}

func claudeCode(a *model.Agent, keep time.Duration) (string, error) {
	s := claudeSettings{
		Permissions: claudePermissions{
			DefaultMode: a.Permissions.Mode, Allow: a.Permissions.Allow, Ask: a.Permissions.Ask, Deny: a.Permissions.Deny,
		},
		SkipDangerousModePermissionAsk:  a.Permissions.Mode == "bypassPermissions",
		AllowManagedHooksOnly:           true,
		AllowManagedPermissionRulesOnly: true,
		CleanupPeriodDays:               max(1, int(keep/(24*time.Hour))),
		Env:                             a.Harness.Env,
		Hooks:                           map[string][]claudeHook{},
	}
	for _, event := range signsOfLife {
		s.hook(event, beat)
	}
	s.hook("Stop", turn)
	s.hook("StopFailure", turnFailed)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return b.String(), err
}

func (s claudeSettings) hook(event, command string) {
	s.Hooks[event] = []claudeHook{{Hooks: []claudeCommand{{Type: "command", Command: command, Timeout: hookTimeout}}}}
}
