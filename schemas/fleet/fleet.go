// Package fleet holds the contract of a spec twice: as a JSON Schema for editors, and as Go types in the shape that a
// spec has after defaults are filled in. A field with omitempty is a key whose default is null: not set. A test proves
// both equal.
package fleet

// Version is the only value of the key version.
const Version = "fleet/v1"

// Fleet is a whole spec.
type Fleet struct {
	Version      string              `json:"version"`
	Project      string              `json:"project"`
	Description  string              `json:"description,omitempty"`
	Defaults     map[string]any      `json:"defaults"` // an agent's keys; empty after loading, when they are merged into every agent
	Agents       map[string]Agent    `json:"agents"`
	Egress       Egress              `json:"egress"`
	Secrets      map[string]Secret   `json:"secrets"`
	Sidecars     map[string]Sidecar  `json:"sidecars"`
	Coordination Coordination        `json:"coordination"`
	Operators    Operators           `json:"operators"`
	Watchdog     Watchdog            `json:"watchdog"`
	Retention    Retention           `json:"retention"`
	Harnesses    map[string]Harness  `json:"harnesses"`
	Providers    map[string]Provider `json:"providers"`
	Activation   Activation          `json:"activation"`
	UIDs         UIDs                `json:"uids"`
}

// Agent is one agent.
type Agent struct {
	Name         string              `json:"name,omitempty"`
	Role         string              `json:"role,omitempty"`
	Enabled      bool                `json:"enabled"`
	Harness      string              `json:"harness"`
	Login        bool                `json:"login"`
	Provider     string              `json:"provider,omitempty"` // "" is the harness's vendor
	Model        string              `json:"model,omitempty"`
	Effort       string              `json:"effort,omitempty"`
	Mode         string              `json:"mode"`
	Iteration    Iteration           `json:"iteration"`
	Session      Duration            `json:"session"`
	Prompt       string              `json:"prompt"`
	Instructions []Instruction       `json:"instructions"`
	Permissions  Permissions         `json:"permissions"`
	Env          map[string]string   `json:"env"`
	Secrets      []string            `json:"secrets"`
	Sidecars     []string            `json:"sidecars"`
	Channels     *[]string           `json:"channels,omitempty"` // keys of those that it sees; nil is all, none is no chat
	ChatToken    string              `json:"chatTokenSecret,omitempty"`
	ChatAppToken string              `json:"chatAppTokenSecret,omitempty"`
	Notify       string              `json:"notify,omitempty"` // channel that is told how sessions ended
	Egress       AgentEgress         `json:"egress"`
	Isolation    string              `json:"isolation"`
	Limits       Limits              `json:"limits"`
	Mounts       []Mount             `json:"mounts"`
	Git          Git                 `json:"git"`
	Hooks        map[string]Hook     `json:"hooks"` // setup, before, after, onFailure, onCleanup
	LocalPorts   *PortRange          `json:"localPorts,omitempty"`
	Schedules    map[string]Schedule `json:"schedules"`
	Sudo         []string            `json:"sudo"`
	Systemd      Systemd             `json:"systemd"`
	OnChange     string              `json:"onChange"`
}

// Iteration is the pause between two sessions. In a spec it is one duration, or an object with different pauses for day
// and night; a plain duration decodes to Day with all else empty, see UnmarshalJSON.
type Iteration struct {
	Day      Duration `json:"day"`
	Night    Duration `json:"night,omitempty"`    // "" where there is no difference
	From     string   `json:"from,omitempty"`     // HH:MM, begin of the day
	To       string   `json:"to,omitempty"`       // HH:MM, end of the day
	Timezone string   `json:"timezone,omitempty"` // IANA name, "" is the host's
}

// Instruction is a text, or a file below the spec's folder. A bare string in a spec is a text. After loading, Text
// holds the content in both cases and File the relative path, for comments.
type Instruction struct {
	File string `json:"file,omitempty"`
	Text string `json:"text,omitempty"`
}

// Permissions become the harness's managed settings.
type Permissions struct {
	Mode  string   `json:"mode"`
	Allow []string `json:"allow"`
	Ask   []string `json:"ask"`
	Deny  []string `json:"deny"`
}

// Limits bound what an agent can use of the host.
type Limits struct {
	Memory     Size    `json:"memory"`
	MemoryHigh Size    `json:"memoryHigh,omitempty"` // "" is no soft limit
	CPU        string  `json:"cpu,omitempty"`        // such as "200%"; "" is no limit
	CPUWeight  int     `json:"cpuWeight,omitempty"`  // 0 is systemd's default
	Tasks      int     `json:"tasks"`
	IO         int     `json:"io,omitempty"` // IOWeight; 0 is systemd's default
	Files      int     `json:"files"`
	Shm        Size    `json:"shm"`
	Tmp        Size    `json:"tmp"`
	Disk       Size    `json:"disk"`
	CostPerDay float64 `json:"costPerDay,omitempty"` // US dollars; 0 is no limit
	OOM        string  `json:"oom"`                  // kill or continue
}

// Mount is a further host folder.
type Mount struct {
	Source string `json:"source"`
	Target string `json:"target,omitempty"`
	RO     bool   `json:"ro"`
}

// Git is the agent's identity for commits.
type Git struct {
	Name    string `json:"name,omitempty"`
	Email   string `json:"email,omitempty"`
	Signing bool   `json:"signing"`
}

// Hook is a script that runs as the agent inside its containment. After loading, Script holds the content in both cases.
type Hook struct {
	Script  string   `json:"script,omitempty"`
	File    string   `json:"file,omitempty"`
	Timeout Duration `json:"timeout"`
}

// PortRange is a range of loopback ports, ends included.
type PortRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Schedule is a job at certain times. Exactly one of Every, Cron and Calendar is set.
type Schedule struct {
	Every    Duration `json:"every,omitempty"`
	Cron     string   `json:"cron,omitempty"`
	Calendar string   `json:"calendar,omitempty"`
	Prompt   string   `json:"prompt,omitempty"`
	Timezone string   `json:"timezone,omitempty"`
	Jitter   Duration `json:"jitter,omitempty"`
	CatchUp  bool     `json:"catchUp"`
	Overlap  string   `json:"overlap"` // queue or skip
	Session  Duration `json:"session,omitempty"`
	Notify   string   `json:"notify,omitempty"` // channel that is told how it ended
}

// Egress is what every agent may reach, and how the gates get there.
type Egress struct {
	Mode             string         `json:"mode"` // enforce, report or off
	Allow            []EgressRule   `json:"allow"`
	Deny             []EgressDenial `json:"deny"`
	Private          bool           `json:"private"`            // of rules that do not say it
	DNS              string         `json:"dns,omitempty"`      // ADDRESS or ADDRESS:PORT; "" is the host's resolver
	Upstream         string         `json:"upstream,omitempty"` // http://HOST:PORT
	UpstreamResolves bool           `json:"upstreamResolves"`
}

// AgentEgress is what one agent may reach besides.
type AgentEgress struct {
	Mode  string         `json:"mode,omitempty"` // "" is the fleet's
	Allow []EgressRule   `json:"allow"`
	Deny  []EgressDenial `json:"deny"`
}

// EgressRule allows a host. In a spec it may be a bare "host" or "host:port".
type EgressRule struct {
	Host     string        `json:"host"`
	Ports    []int         `json:"ports"`              // none: 443 for TLS and 80 for HTTP
	Protocol string        `json:"protocol,omitempty"` // http, tls or raw; "": http for port 80, else tls
	Methods  []string      `json:"methods"`
	Paths    []string      `json:"paths"`
	Private  *bool         `json:"private,omitempty"` // nil: Egress.Private
	Limits   *EgressLimits `json:"limits,omitempty"`
	Note     string        `json:"note,omitempty"`
}

// EgressLimits bound what one agent sends to the rule's host in a day.
type EgressLimits struct {
	RequestsPerDay int  `json:"requestsPerDay,omitempty"`
	BytesUpPerDay  Size `json:"bytesUpPerDay,omitempty"`
}

// EgressDenial refuses a host. In a spec it may be a bare "host" or "host:port".
type EgressDenial struct {
	Host    string   `json:"host"`
	Ports   []int    `json:"ports"` // none: all; with methods or paths 443 and 80
	Methods []string `json:"methods"`
	Paths   []string `json:"paths"`
	Note    string   `json:"note,omitempty"`
}

// Systemd holds extra directives of the agent's unit: directive to one value or a list of values.
type Systemd struct {
	Unit    map[string][]string `json:"Unit"`
	Service map[string][]string `json:"Service"`
	Unsafe  bool                `json:"unsafe"`
}

// Operators names who may operate agents through sudo.
type Operators struct {
	Group   string   `json:"group"`
	ChatIDs []string `json:"chatIds"` // identifiers of people at the chat's backend
}

// Watchdog sets the timer that restarts dead and stalled agents.
type Watchdog struct {
	Every               Duration `json:"every"`
	StalledAfter        Duration `json:"stalledAfter"`
	FailuresBeforeAlert int      `json:"failuresBeforeAlert"`
	DeniedBeforeAlert   int      `json:"deniedBeforeAlert"`
	HeartbeatURL        string   `json:"heartbeatUrl,omitempty"`
}

// Retention bounds what is kept.
type Retention struct {
	Generations int      `json:"generations"`
	Transcripts Duration `json:"transcripts"`
	Jobs        Duration `json:"jobs"`
	Chat        Duration `json:"chat"`
}

// Activation sets the deadlines of a switch.
type Activation struct {
	Health  Duration `json:"health"`
	Deadman Duration `json:"deadman"`
	Job     Duration `json:"job"`
}

// UIDs is the range from which OS users are numbered, ends included.
type UIDs struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Harness is the data of one harness; the built-in ones are in lib/harness.libsonnet and have the same shape.
type Harness struct {
	Program      string                     `json:"program,omitempty"` // looked up in the unit's PATH by preflight; "" where argv[0] is generated
	Install      string                     `json:"install,omitempty"` // the command that installs it, shown when it is missing
	Version      string                     `json:"version,omitempty"` // "" is any
	Interactive  []string                   `json:"interactive"`       // argv; items may hold {{model}} {{effort}} {{prompt}} {{settings}} {{mcp}} {{permissions.mode}}
	Headless     []string                   `json:"headless"`
	Resume       []string                   `json:"resume"`
	ResumeTalk   []string                   `json:"resumeTalk"` // headless, takes up {{session}}
	Options      map[string][]string        `json:"options"`    // argv items added where the key (model, effort) is set
	Efforts      []string                   `json:"efforts"`    // accepted values of effort; empty: the key is refused
	Models       []string                   `json:"models"`     // glob patterns of accepted models; empty: any
	Modes        map[string]any             `json:"modes"`      // what {{permissions.mode}} stands for by mode; empty: the mode's own name
	Env          map[string]string          `json:"env"`
	Settings     map[string]any             `json:"settings"`               // managed settings, file to content: an object by the ending of the name, or a text
	SettingsDir  string                     `json:"settingsDir,omitempty"`  // folder below /etc at which they are bound for this agent alone, "" is none
	Server       map[string]any             `json:"server"`                 // a sidecar as {{servers}} of the settings has it
	Instructions string                     `json:"instructions,omitempty"` // path below the home at which the instructions are bound, such as .claude/CLAUDE.md
	Egress       []EgressRule               `json:"egress"`                 // what every agent that runs it may reach
	Home         map[string]string          `json:"home"`                   // files that must be in the home before the first start, path to content; written by the agent's own runner only where missing
	Result       *Result                    `json:"result,omitempty"`       // what a headless run prints of tokens and cost, nil is nothing
	Message      *Said                      `json:"message,omitempty"`      // where a headless run prints what it says at the end, nil is the end of what it prints
	SessionName  *Said                      `json:"sessionName,omitempty"`  // where it prints what {{session}} is then
	Limits       []UsageLimit               `json:"limits"`                 // by what a used-up account is known; the first that matches counts
	TurnEnd      string                     `json:"turnEnd"`                // how the runner learns that an interactive turn is over: "stop-hook" or "exit"
	TurnFailed   []TurnFailed               `json:"turnFailed"`             // how a failed turn is seen where no hook tells
	Login        *HarnessLogin              `json:"login,omitempty"`        // nil: it has none
	Providers    map[string]HarnessProvider `json:"providers"`              // by kind
}

// HarnessLogin is how a harness is logged in to an account of its vendor's.
type HarnessLogin struct {
	Command  []string          `json:"command"`
	Egress   []EgressRule      `json:"egress"` // beside the harness's own
	Env      map[string]string `json:"env"`
	Settings map[string]any    `json:"settings"` // laid over those of the harness
}

// TurnFailed is a text with which a program shows that a turn has failed, or waits for what may not come.
type TurnFailed struct {
	Match string   `json:"match"`           // extended regular expression
	Still Duration `json:"still,omitempty"` // how long no letter changes meanwhile; "": nothing changes in a terminal for ten seconds
}

// Result says where a headless run tells of tokens and cost: in lines of JSON.
type Result struct {
	Line   string   `json:"line"`   // extended regular expression of such a line
	Sum    bool     `json:"sum"`    // over all such lines; else the last one counts
	Input  []string `json:"input"`  // keys whose numbers add up to the tokens that were read
	Output []string `json:"output"` // those that were written
	Cost   []string `json:"cost"`   // US dollars
}

// Said says where a headless run prints a text: in lines of JSON, of which the last counts.
type Said struct {
	Line   string `json:"line"`   // extended regular expression of such a line
	Key    string `json:"key"`    // of the text
	Joined bool   `json:"joined"` // lines that follow each other are one text
}

// UsageLimit is a text by which a used-up account is known, and how it tells the end of that.
type UsageLimit struct {
	Match string `json:"match"`          // extended regular expression
	Until string `json:"until"`          // what its first group is: see UntilEpoch and the others
	Zone  string `json:"zone,omitempty"` // time zone of a time that names none; "" is the agent's
}

// What the first group of a UsageLimit's pattern is.
const (
	UntilEpoch    = "epoch"    // seconds since 1970
	UntilTime     = "time"     // a time of day or a date
	UntilZoned    = "zoned"    // the same, the second group is its time zone
	UntilSpan     = "span"     // a span such as 3h20m or 2 hours 5 minutes
	UntilMidnight = "midnight" // there is none: the begin of the next day
	UntilHour     = "hour"     // there is none: an hour from then on
)
