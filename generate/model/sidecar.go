package model

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/chat"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
	"fleet/schemas/sidecar"
)

// Sidecar is one instance of a tool with secrets. It is contained as an agent is: by a user, a network namespace and a
// gate of its own. Its own key is "sidecar-NAME", or "sidecar-NAME-AGENT" where each agent has one. The team's chat, with the
// key "chat", is one too.
type Sidecar struct {
	Box     Agent // what contains it; it has no harness
	Name    string
	Callers []Caller // sorted by key
	Secrets []string // that are loaded for it, sorted
	Config  sidecar.Config
	Chat    *chat.Config // of the team's chat, which is no tool; nil else
	Note    string
}

// Caller is an agent that may call a sidecar, and where.
type Caller struct {
	Key    string
	Port   int    // streamable HTTP, at the agent's GateAddr
	Socket string // the same as stdio has it
}

// Ports of the first sidecar of an agent; each further one has the next. See GatePorts for those of isolation user.
const sidecarPort, userSidecarPort = 3200, 23200

// instance names an instance of a sidecar: key is "" where all agents share it.
type instance struct{ name, agent string }

func (i instance) key() string {
	if i.agent == "" {
		return "sidecar-" + i.name
	}
	return "sidecar-" + i.name + "-" + i.agent
}

// instances returns the sidecars that somebody calls, sorted.
func instances(f *fleet.Fleet) []instance {
	var out []instance
	for _, name := range slices.Sorted(maps.Keys(f.Sidecars)) {
		callers := SidecarUsers(f, name)
		switch {
		case len(callers) == 0:
		case f.Sidecars[name].Identity == fleet.PerAgent:
			for _, key := range callers {
				out = append(out, instance{name, key})
			}
		default:
			out = append(out, instance{name, ""})
		}
	}
	return out
}

// SidecarKeys returns the keys of all instances, sorted by name, that of the team's chat first.
func SidecarKeys(f *fleet.Fleet) []string {
	var out []string
	if hasChat(f) {
		out = append(out, ChatKey)
	}
	for _, i := range instances(f) {
		out = append(out, i.key())
	}
	return out
}

// CallSocket is the unit of the sockets by which an agent calls a sidecar, or the chat.
type CallSocket struct{ Sidecar, Agent string }

// CallSockets returns those of a fleet, of disabled agents too.
func CallSockets(f *fleet.Fleet) []CallSocket {
	var out []CallSocket
	for _, key := range ChatUsers(f) {
		out = append(out, CallSocket{ChatKey, key})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Sidecars)) {
		for _, key := range SidecarUsers(f, name) {
			out = append(out, CallSocket{name, key})
		}
	}
	return out
}

// SidecarUsers returns the keys of the agents that may call a sidecar, sorted.
func SidecarUsers(f *fleet.Fleet, name string) []string {
	var out []string
	for key, a := range f.Agents {
		if slices.Contains(a.Sidecars, name) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// sidecarSecrets returns the secrets of an instance, sorted. Where each agent has a tool of its own, a secret may be for
// some of them.
func sidecarSecrets(f *fleet.Fleet, i instance) []string {
	var out []string
	for _, name := range slices.Sorted(slices.Values(f.Sidecars[i.name].Secrets)) {
		of := f.Secrets[name].Agents
		if i.agent == "" || len(of) == 0 || slices.Contains(of, i.agent) {
			out = append(out, name)
		}
	}
	return out
}

// sidecars resolves all instances. uids is that of Resolve.
func (r *resolver) sidecars(uids map[string]int) []Sidecar {
	var out []Sidecar
	if c := r.chat(uids); c != nil {
		out = append(out, *c)
	}
	for _, i := range instances(r.fleet) {
		s := r.fleet.Sidecars[i.name]
		key := i.key()
		box := Agent{
			Key: key, User: r.fleet.Project + "-" + key, UID: uids[r.fleet.Project+"-"+key], Name: i.name, At: "sidecars." + i.name,
			GateUser: GateUser(r.fleet.Project, key), GateUID: uids[GateUser(r.fleet.Project, key)],
			Isolation: Namespace, OnChange: "immediate",
			Limits: Limits{
				Memory: r.size(s.Limits.Memory), Tasks: s.Limits.Tasks, Files: 4096, Shm: 64 << 20, Tmp: 256 << 20, OOM: "continue",
			},
			Hooks: map[string]Hook{},
		}
		var err error
		box.Policy, err = sidecarEgress(r.fleet, i, box.UID)
		r.keep(err)
		one := Sidecar{Box: box, Name: i.name, Secrets: sidecarSecrets(r.fleet, i), Note: s.Note}
		one.Callers = r.callers(i)
		one.Box.Enabled = len(one.Callers) > 0
		one.Config = r.sidecarConfig(i, s, &one)
		out = append(out, one)
	}
	return out
}

// callers returns who may call an instance. The ports of an agent follow the names of its sidecars.
func (r *resolver) callers(i instance) []Caller {
	keys := []string{i.agent}
	if i.agent == "" {
		keys = SidecarUsers(r.fleet, i.name)
	}
	var out []Caller
	m := Fleet{Project: r.fleet.Project}
	for _, key := range keys {
		a := r.fleet.Agents[key]
		port := sidecarPort
		if Isolation(a.Isolation) == User {
			port = userSidecarPort
		}
		port += slices.Index(slices.Sorted(slices.Values(a.Sidecars)), i.name)
		if a.Enabled {
			out = append(out, Caller{Key: key, Port: port, Socket: m.AgentRun(key) + "/sidecar-" + i.name + ".sock"})
		}
	}
	return out
}

func (r *resolver) sidecarConfig(i instance, s fleet.Sidecar, one *Sidecar) sidecar.Config {
	out := sidecar.Config{
		Version: sidecar.Version, Project: r.fleet.Project, Name: i.name, Agents: []sidecar.Agent{},
		Tool:  sidecar.Tool{Command: s.Command, URL: s.URL},
		Tools: sorted(s.Tools), DenyTools: sorted(s.DenyTools), CallsPerMinute: s.CallsPerMinute,
		AuditArguments: s.AuditArguments, CallTimeout: r.duration(s.CallTimeout).String(),
		MaxMessage: int(r.size(s.MaxMessage)), //nolint:gosec // bounded by the spec's checks
	}
	for tool, schema := range s.Arguments {
		b, err := json.Marshal(schema)
		r.keep(err)
		if out.Arguments == nil {
			out.Arguments = map[string]json.RawMessage{}
		}
		out.Arguments[tool] = b
	}
	for _, c := range one.Callers {
		out.Agents = append(out.Agents, sidecar.Agent{
			Key: c.Key, HTTP: sidecar.Socket(c.Key), Stdio: sidecar.Socket(c.Key),
		})
	}
	if s.URL == "" {
		out.Tool.Env = toolEnv(&one.Box, s.Env)
	}
	for _, name := range one.Secrets {
		out.Tool.Secrets = append(out.Tool.Secrets, toolSecret(name, r.fleet.Secrets[name], s.URL != ""))
	}
	return out
}

// toolEnv tells a program of its gate too.
func toolEnv(box *Agent, env map[string]string) map[string]string {
	out := maps.Clone(env)
	if out == nil {
		out = map[string]string{}
	}
	for _, name := range ProxyVariables {
		out[name] = cmp.Or(out[name], box.ProxyURL())
	}
	if len(box.Policy.Inspected()) > 0 {
		for _, name := range BundleVariables {
			out[name] = cmp.Or(out[name], InsideBundle)
		}
	}
	return out
}

func toolSecret(name string, s fleet.Secret, remote bool) sidecar.Secret {
	out := sidecar.Secret{Name: name}
	switch {
	case !remote:
		out.Env = cmp.Or(s.Env, name)
	case s.Header != "":
		out.Header = s.Header
	default:
		out.Bearer = true
	}
	return out
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// sidecarEgress returns the policy of an instance: its own rules, and the fleet's denials.
func sidecarEgress(f *fleet.Fleet, i instance, uid int) (*policy.Policy, error) {
	s := f.Sidecars[i.name]
	place := "sidecars." + i.name + ".egress"
	return egressOf(f, i.key(), uid, s.Egress.Mode,
		[]rules{{place: place + ".allow", rules: s.Egress.Allow, private: f.Egress.Private}},
		[]denials{{"egress.deny", f.Egress.Deny}, {place + ".deny", s.Egress.Deny}})
}

// Sidecars returns the sidecars of a spec that is not checked yet, without numbers of users: for its checks. What does not
// parse is left out.
func Sidecars(f *fleet.Fleet) []Sidecar {
	r := resolver{fleet: f}
	out := r.sidecars(nil)
	if r.err != nil {
		return nil
	}
	return slices.DeleteFunc(out, func(s Sidecar) bool { return s.Chat != nil })
}

// Contained returns everybody that has a user, a gate and a way out: agents, and the sidecars' boxes.
func (f *Fleet) Contained() []*Agent {
	out := make([]*Agent, 0, len(f.Agents)+len(f.Sidecars))
	for i := range f.Agents {
		out = append(out, &f.Agents[i])
	}
	for i := range f.Sidecars {
		out = append(out, &f.Sidecars[i].Box)
	}
	return out
}

// Offers says which tools of the server are offered.
func (s *Sidecar) Offers() string {
	if s.Chat != nil {
		return "channels and tasks of the team"
	}
	out := "all tools"
	if len(s.Config.Tools) > 0 {
		out = strings.Join(s.Config.Tools, ", ")
	}
	if len(s.Config.DenyTools) > 0 {
		out += " but " + strings.Join(s.Config.DenyTools, ", ")
	}
	if len(s.Config.Arguments) > 0 {
		out += "; arguments of " + strings.Join(slices.Sorted(maps.Keys(s.Config.Arguments)), ", ") + " are bounded"
	}
	if n := s.Config.CallsPerMinute; n > 0 {
		out += "; " + strconv.Itoa(n) + " calls a minute"
	}
	return out
}

// Callable is a sidecar as one agent sees it.
type Callable struct {
	Name, Socket string
	Port         int
}

// tellCallers gives each agent what it may call.
func (f *Fleet) tellCallers() {
	for i := range f.Sidecars {
		s := &f.Sidecars[i]
		for _, c := range s.Callers {
			a := f.Agent(c.Key)
			a.Calls = append(a.Calls, Callable{Name: s.Name, Socket: c.Socket, Port: c.Port})
		}
	}
}
