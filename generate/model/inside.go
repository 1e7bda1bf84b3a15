package model

import "path"

// Paths that an agent's processes see. They are the same for every agent, since each has a root of its own.
const (
	InsideInstructions = "/etc/fleet/instructions.md" // the composed instructions, read-only
	InsideConnect      = "/etc/fleet/mcp-connect"     // program that speaks to a sidecar's socket as a stdio server does
	InsideChat         = "/etc/fleet/chat"            // program by which the runner, hooks and scripts call the chat: chat tool --socket
	InsideMCP          = "/etc/fleet/mcp.json"        // where the agent's sidecars are, in the form of Claude Code's .mcp.json
	InsideBundle       = "/etc/fleet/ca.pem"          // roots to trust, where the gate looks into TLS
	InsideSignKey      = "/etc/fleet/sign.pub"        // public part of the SSH signing key, for user.signingkey
)

// InstructionsVariable as a whole file of a harness's settings is the file of the instructions.
const InstructionsVariable = "{{instructions}}"

// SettingsVariables are what a text in a harness's settings may stand for.
var SettingsVariables = []string{
	InstructionsVariable, "{{permissions.mode}}", "{{permissions.allow}}", "{{permissions.ask}}", "{{permissions.deny}}",
	"{{servers}}", "{{env}}", "{{model}}", "{{effort}}", "{{home}}", "{{transcriptDays}}", "{{beat}}", "{{turn}}", "{{turnFailed}}",
}

// SettingsFile is the artifact of one file of an agent's managed settings.
func (a *Agent) SettingsFile(name string) string { return a.File("settings/" + name) }

// ManagedDir is the folder of the harness's managed settings in an agent's root, "" where it has none.
func (h *Harness) ManagedDir() string {
	if h.SettingsDir == "" || path.IsAbs(h.SettingsDir) {
		return h.SettingsDir
	}
	return "/etc/" + h.SettingsDir
}

// AgentRoot is the empty tree that becomes the root of the agent's processes.
func (f *Fleet) AgentRoot(key string) string { return f.StateDir() + "/root/" + key }

// KeyDir is root's folder for the agent's signing key: sign and sign.pub.
func (f *Fleet) KeyDir(key string) string { return f.StateDir() + "/keys/" + key }

// StoppedFile exists while an agent stays stopped because a person said so.
func (f *Fleet) StoppedFile(key string) string { return f.StateDir() + "/stopped/" + key }

// UnitsDir holds what runs: for each unit the digest of its definition and its invocation.
func (f *Fleet) UnitsDir() string { return f.RunDir() + "/units" }

// EndFlag tells the agent's runner to end at its iteration boundary.
func (f *Fleet) EndFlag(key string) string { return f.AgentRun(key) + "/end" }

// SignSock is the socket of the ssh-agent that signs for the agent.
func (f *Fleet) SignSock(key string) string { return f.AgentRun(key) + "/sign.sock" }

// HostNamespaces lists the host's own namespaces, so that an agent's start can prove to be in others.
func (f *Fleet) HostNamespaces() string { return f.RunDir() + "/host" }
