// Package model is a fleet with everything resolved: users and their numbers, unit names, durations, command lines.
// Renderers read it and nothing else, and never each other. It imports no renderer.
package model

import (
	"time"

	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// UnitName is a full systemd unit name, such as "fleet-demo-lead.service".
type UnitName string

// Fleet is a resolved spec.
type Fleet struct {
	Project     string
	Description string
	Agents      []Agent   // sorted by key; disabled ones are in it, see Agent.Enabled
	Secrets     []Secret  // sorted by name
	Sidecars    []Sidecar // sorted by name and agent
	Operators   string    // OS group that may operate agents
	Watchdog    Watchdog
	Retention   Retention
	Activation  Activation
	Trial       bool       // for a throwaway machine with a web server of the trial's
	UIDs        fleet.UIDs // the reserved range: as a whole it is rejected by the host's firewall
}

// Watchdog is fleet.Watchdog resolved.
type Watchdog struct {
	Every        time.Duration
	StalledRuns  int // consecutive runs with an unchanged heartbeat that make a stall: stalledAfter over every, at least 1
	AlertAfter   int // consecutive failures
	DeniedAlert  int // denials of one agent between two runs; 0 is never
	HeartbeatURL string
}

// Retention is fleet.Retention resolved.
type Retention struct {
	Generations int
	Transcripts time.Duration
	Jobs        time.Duration
}

// Activation is fleet.Activation resolved.
type Activation struct {
	Health  time.Duration
	Deadman time.Duration
	Job     time.Duration
}

// Isolation is how an agent is contained.
type Isolation string

// The isolation modes.
const (
	Namespace Isolation = "namespace"
	User      Isolation = "user"
)

// Agent is one resolved agent.
type Agent struct {
	Key       string
	User      string // OS user, PROJECT-KEY
	UID       int    // its group has the same name and number
	Name      string
	Role      string
	At        string // where in the spec stands what this contains; "" for an agent
	Enabled   bool   // a disabled agent keeps its user and its lock entry and has no units
	GateUser  string // OS user of its gate, PROJECT-KEY-gate
	GateUID   int
	Isolation Isolation
	OnChange  string // graceful, immediate or manual

	Harness      Harness
	Provider     *Provider // nil is the harness's vendor
	Mode         string    // interactive or headless
	Iteration    Iteration
	Session      time.Duration
	Prompt       string // variables already replaced; "" where the harness wants none
	Instructions string // composed Markdown
	Permissions  fleet.Permissions
	Model        string
	Effort       string
	Env          map[string]string // the spec's, and placeholders of secrets
	Exposed      []Exposed         // secrets whose values it has, sorted by name
	Limits       Limits
	Mounts       []fleet.Mount
	Git          fleet.Git
	Notify       string          // channel that is told how sessions ended, "" is none
	Hooks        map[string]Hook // keyed setup, before, after, onFailure, onCleanup
	LocalPorts   *fleet.PortRange
	Schedules    []Schedule // sorted by name
	Sudo         []string
	Systemd      fleet.Systemd
	Policy       *policy.Policy    // what its gate lets pass
	Calls        []Callable        // the chat and the sidecars that it may call, in the order of Fleet.Sidecars
	RuleNotes    map[string]string // what the spec notes of a rule, by its name
}

// Iteration is the pause between sessions. Night is zero where there is no difference.
type Iteration struct {
	Day, Night time.Duration
	From, To   string // HH:MM
	Timezone   string
}

// Hook is a script of the spec's.
type Hook struct {
	Script  string
	Timeout time.Duration
}

// Limits are resolved limits; sizes in bytes, 0 is "none set".
type Limits struct {
	Memory, MemoryHigh  uint64
	CPUQuota            string // such as "200%"
	CPUWeight, IOWeight int
	Tasks, Files        int
	Shm, Tmp, Disk      uint64
	CostPerDay          float64 // US dollars
	OOM                 string  // kill or continue
}

// Harness is the harness of one agent with model, effort and options resolved. In argv items only {{prompt}},
// {{settings}} and {{mcp}} are left to be filled in by the runner's renderer and by the runner; each item is one argument.
type Harness struct {
	Name         string
	Program      string
	Install      string
	Version      string
	Interactive  []string
	Headless     []string
	Resume       []string
	ResumeTalk   []string // {{session}} is left too
	Env          map[string]string
	Mode         any            // what the agent's permission mode is called there
	Settings     map[string]any // with variables, see SettingsVariables
	SettingsDir  string
	Server       map[string]any
	Instructions string
	Home         map[string]string
	Result       *fleet.Result
	Message      *fleet.Said
	SessionName  *fleet.Said
	Limits       []fleet.UsageLimit
	TurnEnd      string
	TurnFailed   []TurnFailed
	Login        []string // command line of its own login, nil where the agent has none
}

// TurnFailed is fleet.TurnFailed resolved.
type TurnFailed struct {
	Match string
	Still time.Duration // 0 is none
}

// Schedule is one job.
type Schedule struct {
	Name     string
	Every    time.Duration // 0 where Calendar is set
	Calendar []string      // OnCalendar= expressions, time zone included; it runs where one of them matches
	Key      string        // the key of the spec that says when: every, cron or calendar
	Expr     string        // its value there
	When     string        // the same in words, such as "at 02:30 on Mon to Fri, Europe/Berlin"
	Prompt   string
	Jitter   time.Duration
	CatchUp  bool
	Skip     bool // a run that comes due while the agent is busy is left out, else it waits
	Session  time.Duration
	Notify   string // channel that is told how it ended, "" is none
}
