package fleet

// Backends of a team's chat.
const (
	ChatLocal   = "local"
	ChatDiscord = "discord"
	ChatSlack   = "slack"
	ChatGitHub  = "github"
	ChatNone    = "none"
)

// Coordination is the team's chat: where agents and people speak, and where tasks are.
type Coordination struct {
	Backend        string            `json:"backend"`
	Server         string            `json:"server,omitempty"`
	Repo           string            `json:"repo,omitempty"`
	API            string            `json:"api,omitempty"` // base address; "" is the service's public one
	Channels       map[string]string `json:"channels"`      // key -> the backend's ID; "" is on this host alone
	TokenSecret    string            `json:"tokenSecret,omitempty"`
	AppTokenSecret string            `json:"appTokenSecret,omitempty"` // slack's socket mode
	PostsPerMinute int               `json:"postsPerMinute"`
}

// HasChat tells whether an agent sees any channel.
func (a *Agent) HasChat() bool { return a.Channels == nil || len(*a.Channels) > 0 }
