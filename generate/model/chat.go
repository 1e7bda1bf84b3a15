package model

import (
	"maps"
	"net/url"
	"slices"
	"strconv"

	"fleet/schemas/chat"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// ChatKey is the key of the chat's box, which is contained as a sidecar's is.
const ChatKey = chat.Key

// Ports of the chat at an agent's GateAddr, before those of its sidecars.
const chatPort, userChatPort = sidecarPort - 1, userSidecarPort - 1

// What a chat keeps and takes; how long and how fast are the spec's to say.
const (
	chatMessage  = 16 << 10 // bytes of a text: a page or two
	chatMessages = 100_000  // of each channel
	chatTasks    = 10_000   // that are done
	chatLessons  = 1_000
	chatMemory   = 512 << 20
)

// hasChat tells whether a fleet has one. The defaults of a spec have set the backend.
func hasChat(f *fleet.Fleet) bool {
	return f.Coordination.Backend != "" && f.Coordination.Backend != fleet.ChatNone
}

// ChatUsers returns the keys of the agents that see a channel, sorted; disabled ones too.
func ChatUsers(f *fleet.Fleet) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(f.Agents)) {
		if a := f.Agents[key]; hasChat(f) && a.HasChat() {
			out = append(out, key)
		}
	}
	return out
}

// channelKeys are the channels that every chat has.
var channelKeys = []string{chat.Alerts, chat.General, chat.Lessons, chat.Tasks}

// ChannelKeys returns the keys of the channels of a fleet, sorted: those of every chat, the spec's, and one for each agent.
func ChannelKeys(f *fleet.Fleet) []string {
	if !hasChat(f) {
		return nil
	}
	out := slices.Concat(channelKeys, slices.Collect(maps.Keys(f.Coordination.Channels)), ChatUsers(f))
	slices.Sort(out)
	return slices.Compact(out)
}

// chat resolves the team's chat, nil where it has none.
func (r *resolver) chat(uids map[string]int) *Sidecar {
	f := r.fleet
	if !hasChat(f) {
		return nil
	}
	box := Agent{
		Key: ChatKey, User: f.Project + "-" + ChatKey, UID: uids[f.Project+"-"+ChatKey], Name: ChatKey, At: "coordination",
		GateUser: GateUser(f.Project, ChatKey), GateUID: uids[GateUser(f.Project, ChatKey)],
		Enabled: true, Isolation: Namespace, OnChange: "immediate",
		Limits: Limits{Memory: chatMemory, Tasks: 512, Files: 1<<16 - 1, Shm: 16 << 20, Tmp: 64 << 20, OOM: "continue"},
		Hooks:  map[string]Hook{},
	}
	var err error
	box.Policy, err = egressOf(f, ChatKey, box.UID, policy.Enforce,
		[]rules{{place: "coordination.backend", rules: chatHosts(&f.Coordination), private: f.Egress.Private}}, []denials{{"egress.deny", f.Egress.Deny}})
	r.keep(err)
	out := &Sidecar{Box: box, Name: ChatKey, Secrets: ChatSecrets(f), Note: "channels and tasks of the team"}
	m := Fleet{Project: f.Project}
	for _, key := range ChatUsers(f) {
		a := f.Agents[key]
		port := chatPort
		if Isolation(a.Isolation) == User {
			port = userChatPort
		}
		if a.Enabled {
			out.Callers = append(out.Callers, Caller{Key: key, Port: port, Socket: m.ChatStdio(key)})
		}
	}
	out.Chat = r.chatConfig(out.Callers)
	return out
}

// chatHosts are what a backend cannot work without. Gateways of Discord and sockets of Slack have names of their own.
func chatHosts(c *fleet.Coordination) []fleet.EgressRule {
	var hosts []string
	switch c.Backend {
	case fleet.ChatDiscord:
		hosts = []string{"discord.com", "gateway.discord.gg", "*.discord.gg"}
	case fleet.ChatSlack:
		hosts = []string{"slack.com", "*.slack.com"}
	case fleet.ChatGitHub:
		hosts = []string{"api.github.com"}
	}
	var out []fleet.EgressRule
	if u, err := url.Parse(c.API); err == nil && u.Host != "" {
		r := fleet.EgressRule{Host: u.Hostname()}
		if port, err := strconv.Atoi(u.Port()); err == nil {
			r.Ports = []int{port}
			r.Protocol = map[string]string{"http": "http", "https": "tls"}[u.Scheme]
		}
		return append(out, r)
	}
	for _, h := range hosts {
		out = append(out, fleet.EgressRule{Host: h})
	}
	return out
}

// ChatSecrets are the names of the tokens that the chat's daemon holds, sorted and each once.
func ChatSecrets(f *fleet.Fleet) []string {
	all := []string{f.Coordination.TokenSecret, f.Coordination.AppTokenSecret}
	for _, key := range ChatUsers(f) {
		all = append(all, f.Agents[key].ChatToken, f.Agents[key].ChatAppToken)
	}
	all = slices.DeleteFunc(all, func(name string) bool { return name == "" })
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *resolver) chatConfig(callers []Caller) *chat.Config {
	f := r.fleet
	c := f.Coordination
	out := &chat.Config{
		Version: chat.Version, Project: f.Project, Trusted: sorted(f.Operators.ChatIDs), Agents: []chat.Agent{},
		Backend: chat.Backend{
			Kind: c.Backend, Server: c.Server, Repo: c.Repo, API: c.API, Token: c.TokenSecret, AppToken: c.AppTokenSecret,
		},
		Limits: chat.Limits{
			Message: chatMessage, PostsPerMinute: c.PostsPerMinute, KeepMessages: chatMessages,
			KeepFor: r.duration(f.Retention.Chat).String(), KeepTasks: chatTasks, KeepLessons: chatLessons,
		},
	}
	m := Fleet{Project: f.Project}
	for _, by := range callers {
		a := f.Agents[by.Key]
		one := chat.Agent{
			Key: by.Key, Name: a.Name, HTTP: chat.Socket(by.Key), Stdio: chat.Socket(by.Key),
			Wake: m.WakeDir(by.Key), Token: a.ChatToken, AppToken: a.ChatAppToken,
		}
		if !slices.Contains(channelKeys, by.Key) {
			one.Channel = by.Key
		}
		if a.Channels != nil {
			one.Channels = sorted(append(slices.Clone(*a.Channels), nonEmpty(one.Channel)...))
			one.Channels = slices.Compact(one.Channels)
		}
		out.Agents = append(out.Agents, one)
	}
	for _, key := range ChannelKeys(f) {
		out.Channels = append(out.Channels, chat.Channel{Key: key, ID: c.Channels[key]})
	}
	return out
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// Chat returns the team's chat as it would be, of a spec that is not checked yet, nil where it has none or does not parse.
func Chat(f *fleet.Fleet) *Sidecar {
	r := resolver{fleet: f}
	out := r.chat(nil)
	if r.err != nil {
		return nil
	}
	return out
}

// Chats tells whether an agent has a part in the team's chat.
func (f *Fleet) Chats(a *Agent) bool {
	return f.HasChat() && slices.ContainsFunc(a.Calls, func(c Callable) bool { return c.Name == ChatKey })
}

// HasChat tells whether the team has one.
func (f *Fleet) HasChat() bool { return f.chat() != nil }

// ChatConfig is that of the team's chat, nil where it has none.
func (f *Fleet) ChatConfig() *chat.Config {
	if s := f.chat(); s != nil {
		return s.Chat
	}
	return nil
}

func (f *Fleet) chat() *Sidecar {
	if len(f.Sidecars) > 0 && f.Sidecars[0].Chat != nil {
		return &f.Sidecars[0]
	}
	return nil
}

// ChatUser is the OS user of the chat's daemon.
func (f *Fleet) ChatUser() string { return f.Project + "-" + ChatKey }

// ChatControl is the unit of ChatSocket.
func (f *Fleet) ChatControl() UnitName { return f.Unit(ChatKey + ".socket") }

// ChatSocket is where operators reach the chat.
func (f *Fleet) ChatSocket() string { return f.RunDir() + "/chat.sock" }

// ChatStdio is where the agent's own programs reach the chat.
func (f *Fleet) ChatStdio(key string) string { return f.AgentRun(key) + "/chat.sock" }

// WakeDir is where the chat leaves word for an agent that something came for it; the chat's user writes there.
func (f *Fleet) WakeDir(key string) string { return f.WakeDirs() + "/" + key }

// WakeDirs is the folder of all of them.
func (f *Fleet) WakeDirs() string { return f.RunDir() + "/wake" }
