package runner

import (
	_ "embed"

	"fleet/generate/artifact"
)

// runBody is the end of every agent's and job's script; before it stands what an agent does, loopBody, or a job.
var (
	//go:embed script/run.sh
	runBody string
	//go:embed script/loop.sh
	loopBody string
	//go:embed script/job.sh
	jobBody string
	//go:embed script/chat.sh
	chatBody string
)

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

//go:embed script/login.sh
var loginBody string

//go:embed script/session.sh
var sessionText string

//go:embed script/furnish.sh
var furnishText string

//go:embed script/limit.sh
var limitText string

//go:embed script/usage.sh
var usageText string

//go:embed script/records.sh
var recordsText string

//go:embed script/due.sh
var dueText string

//go:embed script/said.sh
var saidText string

//go:embed script/delay.sh
var delayText string

//go:embed script/demo.sh
var demoText string

//go:embed script/tmux.conf
var tmuxText string

// The scripts that are the same for every fleet.
var (
	demoScript    = artifact.Script("libexec/demo", demoText)
	dueScript     = artifact.Script("libexec/due", dueText)     // which jobs alone call
	delayScript   = artifact.Script("libexec/delay", delayText) // and loops
	furnishScript = artifact.Script("libexec/furnish", furnishText)
	tools         = []artifact.File{
		furnishScript,
		artifact.Script("libexec/limit", limitText),
		artifact.Script("libexec/records", recordsText),
		artifact.Script("libexec/said", saidText),
		artifact.Script("libexec/session", sessionText),
		artifact.Script("libexec/usage", usageText),
	}
)
