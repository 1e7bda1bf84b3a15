// Package status is what `fleet status --json` prints and what the watchdog leaves in /run/fleet/PROJECT/status.json: the
// state of one project on one host at one time. Values that come from an agent are untrusted; they are bounded and hold
// no control characters.
package status

import (
	"encoding/json"
	"fmt"
	"time"
)

// Version is the version of the format.
const Version = 1

// FileName is the name of the watchdog's file in /run/fleet/PROJECT.
const FileName = "status.json"

// MaxFile bounds the watchdog's file: some 300 bytes for each of ten thousand agents.
const MaxFile = 4 << 20

// Where a status comes from.
const (
	SourceLive     = "live"     // asked of the host by the caller
	SourceWatchdog = "watchdog" // read from the watchdog's file, as old as Time says
)

// States of a generation.
const (
	Confirmed   = "confirmed"   // it is also what the next boot starts
	Unconfirmed = "unconfirmed" // it is live, and the next boot starts another one
	Reverting   = "reverting"   // a switch failed and its undoing is not complete
)

// States of an agent.
const (
	Working  = "working"  // a session is in progress
	Pausing  = "pausing"  // between two sessions
	Stopped  = "stopped"  // a person stopped it
	Failed   = "failed"   // it should run and does not
	Waiting  = "waiting"  // it starts, stops, or has a new unit that it takes up when the session in progress has ended
	Disabled = "disabled" // the spec says so
)

// Status is one project on one host.
type Status struct {
	Version    int        `json:"version"`
	Project    string     `json:"project"`
	Time       time.Time  `json:"time"`
	Source     string     `json:"source"`
	Generation Generation `json:"generation"`
	Drift      []Drift    `json:"drift"`
	Agents     []Agent    `json:"agents"`
	Sidecars   []Sidecar  `json:"sidecars,omitempty"`
	Healthy    bool       `json:"healthy"`
	Reasons    []string   `json:"reasons,omitempty"` // why the project is not healthy, its agents' own reasons apart
}

// Sidecar is a tool that holds secrets. Where its unit has failed, Status.Reasons tells why.
type Sidecar struct {
	Key    string   `json:"key"`
	Unit   string   `json:"unit"`
	State  string   `json:"state"`  // of its unit, as systemd says it; inactive waits for a call
	Agents []string `json:"agents"` // keys of those that may call it
	Gate   *Gate    `json:"gate,omitempty"`
	Egress *Egress  `json:"egress,omitempty"`
	Reason string   `json:"reason,omitempty"` // what calls for a person at its gate
}

// Generation is the live generation.
type Generation struct {
	Number int       `json:"number"`
	ID     string    `json:"id"`
	State  string    `json:"state"`
	Since  time.Time `json:"since,omitzero"` // when it went live
	Boot   int       `json:"boot"`           // the number that the next boot starts, 0 is none
}

// Drift is one difference between the generation and the host.
type Drift struct {
	Kind    string `json:"kind"` // link, generation, unit, override, user, firewall or sudoers
	Name    string `json:"name"` // the file, unit, user or rule
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Agent is one agent of the live generation.
type Agent struct {
	Key      string    `json:"key"`
	Name     string    `json:"name,omitempty"`
	User     string    `json:"user"`
	Unit     string    `json:"unit"`
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"` // why it is in this state, where that is not plain
	Session  *Session  `json:"session,omitempty"`
	LastBeat time.Time `json:"lastBeat,omitzero"`
	Gate     *Gate     `json:"gate,omitempty"`   // nil where it has none
	Egress   *Egress   `json:"egress,omitempty"` // nil where it is not known
	Memory   *Memory   `json:"memory,omitempty"`
	Next     time.Time `json:"next,omitzero"` // begin of the next session
	Healthy  bool      `json:"healthy"`
	Detail   *Detail   `json:"detail,omitempty"` // only where one agent was asked for
}

// States of a gate.
const (
	GateActive = "active" // it runs
	GateIdle   = "idle"   // it starts with the next connection
	GateFailed = "failed" // its sockets or its service do not work: the agent reaches nothing
	GateCut    = "cut"    // the operator has cut the agent off
	GateBypass = "bypass" // it lets through what no rule allows
)

// Gate is the agent's way out.
type Gate struct {
	State   string `json:"state"`
	Mode    string `json:"mode,omitempty"`    // of its policy, where it runs: enforce, report or off
	Reason  string `json:"reason,omitempty"`  // why it is cut off, bypassed or failed
	Seconds int64  `json:"seconds,omitempty"` // that a bypass still lasts
	Open    int64  `json:"open,omitempty"`    // connections of the agent
	Stale   bool   `json:"stale,omitempty"`   // its policy is not the generation's
	Error   string `json:"error,omitempty"`   // why what it read last is not in force
}

// Egress are the gate's decisions of the last 24 hours.
type Egress struct {
	Allowed int64 `json:"allowed"`
	Denied  int64 `json:"denied"`
	Would   int64 `json:"would,omitempty"` // of those allowed, by mode report or a bypass alone
}

// Session is the session in progress, which has no end, or the last one.
type Session struct {
	N      int       `json:"n"`
	Kind   string    `json:"kind"` // session or job
	Job    string    `json:"job,omitempty"`
	Thread string    `json:"thread,omitempty"` // CHANNEL/THREAD of the conversation that it answered in
	Start  time.Time `json:"start,omitzero"`
	End    time.Time `json:"end,omitzero"`
	Result string    `json:"result,omitempty"`

	TokensIn  int     `json:"tokensIn,omitempty"`
	TokensOut int     `json:"tokensOut,omitempty"`
	Cost      float64 `json:"costUSD,omitempty"`
}

// Memory is in bytes. A limit of 0 is none.
type Memory struct {
	Used  uint64 `json:"used"`
	Limit uint64 `json:"limit"`
}

// Detail is what only `fleet status KEY` shows.
type Detail struct {
	UID       int       `json:"uid"`
	Isolation string    `json:"isolation"`
	Harness   string    `json:"harness"`
	OnChange  string    `json:"onChange"`
	Exposure  string    `json:"exposure,omitempty"` // by systemd-analyze security, 0.0 is best
	Git       Git       `json:"git"`
	Sessions  []Session `json:"sessions"` // the last ones, newest first
	Jobs      []Job     `json:"jobs"`
	Counters  []Counter `json:"counters"`
	Queue     int       `json:"queue"` // prompts that wait
}

// Git is the agent's identity for commits.
type Git struct {
	Name      string `json:"name,omitempty"`
	Email     string `json:"email,omitempty"`
	PublicKey string `json:"publicKey,omitempty"` // of the SSH signing key, one line
}

// Job is one schedule of an agent.
type Job struct {
	Agent   string    `json:"agent"`
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Running bool      `json:"running"`
	Next    time.Time `json:"next,omitzero"`
	Last    time.Time `json:"last,omitzero"`
	Result  string    `json:"result,omitempty"`

	TokensIn  int     `json:"tokensIn,omitempty"` // of the last run, and so on
	TokensOut int     `json:"tokensOut,omitempty"`
	Cost      float64 `json:"costUSD,omitempty"`
}

// Counter counts packets of the agent that the host's firewall rejected or let pass.
type Counter struct {
	Name    string `json:"name"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Parse reads the watchdog's file. Keys that it does not know are ignored, since the watchdog belongs to the live
// generation, which another version may have built.
func Parse(b []byte) (*Status, error) {
	if len(b) > MaxFile {
		return nil, fmt.Errorf("%s must have at most %d bytes, has %d", FileName, MaxFile, len(b))
	}
	s := new(Status)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s must be JSON of this format: %w", FileName, err)
	}
	if s.Version != Version {
		return nil, fmt.Errorf("%s has version %d, this tool reads version %d", FileName, s.Version, Version)
	}
	return s, nil
}
