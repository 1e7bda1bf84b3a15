// Package sidecar says what a sidecar offers to whom: the tool that it runs or reaches, the tool's secrets, and which calls
// pass. The generator writes a Config for each instance; fleet-sidecar reads it at its start. Which hosts the tool reaches
// stands in the policy of its gate.
package sidecar

import (
	"encoding/json"
	"time"
)

// Version is the version of the format.
const Version = 1

// FileName is the file's name in the folder of its sidecar inside a generation.
const FileName = "sidecar.json"

// Config is the content of sidecar.json.
type Config struct {
	Version int     `json:"version"`
	Project string  `json:"project"`
	Name    string  `json:"name"`   // of the sidecar in the spec
	Agents  []Agent `json:"agents"` // that may call it, by rising key: one, or all that share it
	Tool    Tool    `json:"tool"`

	Tools     []string `json:"tools,omitempty"`     // names that are offered, rising; none is all
	DenyTools []string `json:"denyTools,omitempty"` // names that are not, rising; they win

	// Arguments has a JSON Schema, draft 2020-12, for the arguments of some tools. A call whose arguments do not follow it
	// never reaches the tool.
	Arguments map[string]json.RawMessage `json:"arguments,omitempty"`

	CallsPerMinute int    `json:"callsPerMinute,omitempty"` // of each agent, in any minute; 0 is no limit
	AuditArguments bool   `json:"auditArguments,omitempty"` // records have the arguments themselves, not just a hash
	CallTimeout    string `json:"callTimeout"`              // after which a call is given up, as time.Duration prints it
	MaxMessage     int    `json:"maxMessage"`               // bytes of one message, either way
}

// Agent is one that may call the tool. It is known from the socket: systemd passes sockets with these names, which it has
// bound where only this agent reaches them.
type Agent struct {
	Key   string `json:"key"`
	UID   int64  `json:"uid,omitempty"`
	HTTP  string `json:"http,omitempty"`  // FileDescriptorName= of the TCP socket that speaks streamable HTTP
	Stdio string `json:"stdio,omitempty"` // of the Unix socket that speaks as stdio does, a message on each line
}

// Tool is an MCP server: a program that speaks on its standard input and output, or one that is reached over HTTP.
type Tool struct {
	Command []string          `json:"command,omitempty"` // program and arguments
	Env     map[string]string `json:"env,omitempty"`     // its environment besides PATH, HOME and LANG
	URL     string            `json:"url,omitempty"`     // of streamable HTTP
	Secrets []Secret          `json:"secrets,omitempty"`
}

// Secret is a credential of the tool, with one place where the tool finds it. Its value is in the systemd credential of
// the same name.
type Secret struct {
	Name string `json:"name"`

	Env    string `json:"env,omitempty"`    // a variable of the program
	File   bool   `json:"file,omitempty"`   // the program reads the file of this name in $CREDENTIALS_DIRECTORY
	Header string `json:"header,omitempty"` // a field of each request to the URL
	Bearer bool   `json:"bearer,omitempty"` // Authorization: Bearer of each request to the URL
}

// Socket is the name of the sockets of an agent, of which FileDescriptorName= takes 255 characters.
func Socket(agent string) string { return "agent-" + agent }

// Timeout is how long a call may take. Parse has refused a Config that says it wrongly.
func (c *Config) Timeout() time.Duration {
	d, _ := time.ParseDuration(c.CallTimeout)
	return d
}

// Shared tells that calls of several agents meet in the tool.
func (c *Config) Shared() bool { return len(c.Agents) > 1 }
