package runner

import (
	_ "embed"

	"fleet/generate/artifact"
)

//go:embed script/run.sh
var runBody string

// The watchdog's body is in parts: what all of it uses, what looks at one agent, at its gate, and what looks at the project.
var (
	//go:embed script/watchdog.sh
	watchdogBody string
	//go:embed script/watchdog-agent.sh
	watchdogAgent string
	//go:embed script/watchdog-gate.sh
	watchdogGate string
	//go:embed script/watchdog-project.sh
	watchdogProject string
)

//go:embed script/session.sh
var sessionText string

//go:embed script/furnish.sh
var furnishText string

//go:embed script/limit.sh
var limitText string

//go:embed script/usage.sh
var usageText string

//go:embed script/prune.sh
var pruneText string

//go:embed script/delay.sh
var delayText string

//go:embed script/demo.sh
var demoText string

//go:embed script/tmux.conf
var tmuxText string

// The scripts that are the same for every fleet.
var (
	demoScript = artifact.Script("libexec/demo", demoText)
	tools      = []artifact.File{
		artifact.Script("libexec/delay", delayText),
		artifact.Script("libexec/furnish", furnishText),
		artifact.Script("libexec/limit", limitText),
		artifact.Script("libexec/prune", pruneText),
		artifact.Script("libexec/session", sessionText),
		artifact.Script("libexec/usage", usageText),
	}
)
