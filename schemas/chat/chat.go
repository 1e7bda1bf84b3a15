// Package chat says what a project's chat is: the agents that speak in it, its channels, what each agent sees of them,
// and where people read along. The generator writes a Config; fleet-chat reads it at its start. The records of what was
// said and done there are what commands print as JSON.
package chat

import (
	"slices"
	"strings"
	"time"
)

// Version is the version of the format.
const Version = 1

// Key names the chat's units and user as an agent's key does.
const Key = "chat"

// FileName is the file's name in a generation.
const FileName = "chat.json"

// Keys of the channels that every chat has.
const (
	Alerts  = "alerts"  // what people must know of
	General = "general" // everything else
	Lessons = "lessons" // each message is a lesson
	Tasks   = "tasks"   // where tasks are, each with a thread of its own
)

// Kinds of backends.
const (
	Local   = "local" // the store on this host alone
	Discord = "discord"
	Slack   = "slack"
	GitHub  = "github"
)

// Config is the content of chat.json.
type Config struct {
	Version  int       `json:"version"`
	Project  string    `json:"project"`
	Backend  Backend   `json:"backend"`
	Channels []Channel `json:"channels"`          // by rising key, those that every chat has among them
	Agents   []Agent   `json:"agents"`            // by rising key
	Trusted  []string  `json:"trusted,omitempty"` // identifiers of operators at the backend, rising; others are untrusted
	Limits   Limits    `json:"limits"`
}

// Backend is where people read along.
type Backend struct {
	Kind     string `json:"kind"`
	Server   string `json:"server,omitempty"`   // discord: ID of the server; slack: ID of the workspace, "" is the token's
	Repo     string `json:"repo,omitempty"`     // github: OWNER/NAME
	API      string `json:"api,omitempty"`      // base address of the service, "" is its public one
	Token    string `json:"token,omitempty"`    // name of the systemd credential with the bot's token
	AppToken string `json:"appToken,omitempty"` // slack: the same of the app-level token, which socket mode takes
}

// Channel is one channel.
type Channel struct {
	Key string `json:"key"`
	ID  string `json:"id,omitempty"` // the backend's identifier; "" is a channel that is only on this host
}

// Agent is one that speaks in the chat. It is known from the socket: systemd passes sockets with these names, which it
// has bound where only this agent reaches them. Both may have one name: their families tell which is which.
type Agent struct {
	Key   string `json:"key"`
	Name  string `json:"name,omitempty"`  // as people know it, "" is the key
	HTTP  string `json:"http,omitempty"`  // FileDescriptorName= of the TCP socket that speaks streamable HTTP
	Stdio string `json:"stdio,omitempty"` // of the Unix socket that speaks as stdio does, a message on each line

	// Channels are the keys of those that it sees and writes to, rising. nil is all that there are, empty is none.
	Channels []string `json:"channels"`
	Channel  string   `json:"channel,omitempty"` // its own: what people write there is for it
	Wake     string   `json:"wake,omitempty"`    // folder for files that say that something came for it

	Token    string `json:"token,omitempty"`    // credential with the token of a bot of its own
	AppToken string `json:"appToken,omitempty"` // slack: credential with the app-level token of that bot
}

// Limits bound what is kept and how fast it comes.
type Limits struct {
	Message        int    `json:"message"`        // bytes that a message's text may have
	PostsPerMinute int    `json:"postsPerMinute"` // what each agent may write in any minute, tasks and lessons included
	KeepMessages   int    `json:"keepMessages"`   // in each channel; older ones are dropped
	KeepFor        string `json:"keepFor"`        // how long messages and done tasks are, as time.Duration prints it
	KeepTasks      int    `json:"keepTasks"`      // done ones; those that are not done are kept
	KeepLessons    int    `json:"keepLessons"`    // the newest
}

// Socket is the name of the sockets of an agent, of which FileDescriptorName= takes 255 characters.
func Socket(agent string) string { return "agent-" + agent }

// ControlSocket is the FileDescriptorName= of the Unix socket of operators.
const ControlSocket = "control"

// Age is after how long messages are dropped. Parse has refused a Config that says it wrongly.
func (c *Config) Age() time.Duration {
	d, _ := time.ParseDuration(c.Limits.KeepFor)
	return d
}

// Title is the agent's name as people know it.
func (a *Agent) Title() string {
	if a.Name == "" {
		return a.Key
	}
	return a.Name
}

// Sees tells whether an agent sees a channel that there is, and may write to it.
func (a *Agent) Sees(channel string) bool {
	return a.Channels == nil || slices.Contains(a.Channels, channel)
}

// Channel returns the channel with this key, and whether there is one; the channels must rise.
func (c *Config) Channel(key string) (Channel, bool) {
	i, found := slices.BinarySearchFunc(c.Channels, key, func(one Channel, key string) int {
		return strings.Compare(one.Key, key)
	})
	if !found {
		return Channel{}, false
	}
	return c.Channels[i], true
}
