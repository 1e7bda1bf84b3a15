package unit

import (
	"slices"
	"strings"
	"time"

	"fleet/generate/model"
)

const (
	// restartPause keeps an agent that fails at once from making the host hot. systemd never gives up on it; the
	// watchdog sees the restarts and raises an alert.
	restartPause = 10 * time.Second
	// startLimit bounds libexec/assert and what systemd does before it.
	startLimit = 30 * time.Second
	// stopLimit is what a process gets to end by itself. An agent that ignores it holds up a switch no longer.
	stopLimit = 20 * time.Second
)

// agent makes the service that runs an agent. Its main process is the runner.
func (b *builder) agent(a *model.Agent) {
	u := b.unit(b.m.AgentUnit(a.Key), agentPath(a, ""))
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", title(b.m, a))
	b.owned(s, a, a.OnChange)
	b.contained(s, a)
	b.signed(s, a)
	s.Units("PartOf", b.m.Target())
	s.Unless("ConditionPathExists", b.m.StoppedFile(a.Key))
	s.Int("StartLimitIntervalSec", 0)

	s = u.Section("Service")
	run := b.store(a.File("run"))
	box := box{sudo: len(a.Sudo) > 0, runs: []string{run}}
	s.Words("Type", "exec")
	s.Words("Restart", "always")
	s.Span("RestartSec", restartPause)
	s.Span("TimeoutStartSec", startLimit)
	s.Span("TimeoutStopSec", stopLimit+a.CleanupLimit())
	s.Words("KillMode", "mixed") // the runner ends what it started; systemd would also signal the hook of its end
	journal(s, u.Name)
	b.sandbox(s, a, box)
	b.environment(s, a)
	b.exposed(s, a)
	b.recordAgent(s, a, b.m.EndFlag(a.Key))
	b.run(s, a, box, run)
	b.extras(u, a, "Unit", "Service")
}

// title is what `systemctl status` shows.
func title(m *model.Fleet, a *model.Agent) string {
	who := strings.Join(slices.DeleteFunc([]string{a.Name, a.Role}, func(s string) bool { return s == "" }), ", ")
	if who != "" {
		who = " (" + who + ")"
	}
	return "fleet " + m.Project + ": agent " + a.Key + who
}

// owned marks a unit as the agent's, for the activator: what to do when it changes. Every unit needs the anchor, which
// proves the generation whole.
func (b *builder) owned(s Section, a *model.Agent, onChange string) {
	s.Words("X-Fleet-Agent", a.Key)
	s.Words("X-Fleet-OnChange", onChange)
	b.anchored(s)
}

func (b *builder) anchored(s Section) {
	s.Units("Requires", b.m.Anchor())
	s.Units("After", b.m.Anchor())
}

// contained ties a unit to what contains its network. In namespace mode that is the namespace, and the rules are a
// second wall; in user mode it is the rules: where their holder ends, the agent ends, and comes back with it, see
// firewall.
func (b *builder) contained(s Section, a *model.Agent) {
	firewall := b.m.Firewall()
	if a.Isolation == model.Namespace {
		b.joins(s, a)
		s.Units("Wants", firewall)
	} else {
		s.Units("BindsTo", firewall)
	}
	s.Units("After", firewall)
	b.gated(s, a)
}

// joins puts a unit into the agent's network namespace; it says PrivateNetwork= and PrivateIPC= besides.
func (b *builder) joins(s Section, a *model.Agent) {
	net := b.m.NetUnit(a.Key)
	s.Units("Requires", net)
	s.Units("After", net)
	s.Units("JoinsNamespaceOf", net)
}

// journal sends output there. The agent's lines cannot claim a priority, nor push out what others wrote.
func journal(s Section, name model.UnitName) {
	s.Words("StandardInput", "null")
	s.Words("StandardOutput", "journal")
	s.Words("StandardError", "inherit")
	s.Words("SyslogIdentifier", strings.TrimSuffix(string(name), ".service"))
	s.Words("SyslogLevelPrefix", "no")
	s.Span("LogRateLimitIntervalSec", 30*time.Second)
	s.Int("LogRateLimitBurst", 1000)
}

// environment sets what every process of the unit gets, root's own commands among them: nothing of the spec's is in it,
// since a loader path below the home would make root run what the agent wrote.
func (b *builder) environment(s Section, a *model.Agent) {
	s.Env("FLEET_AGENT", a.Key)
	s.Env("FLEET_PROJECT", b.m.Project)
	s.Env("HOME", a.Home())
	s.Env("LANG", "C.UTF-8")
	s.Env("LOGNAME", a.User)
	s.Env("PATH", "/usr/local/bin:/usr/bin:/bin")
	s.Env("SHELL", "/bin/sh") // the account's own is nologin
	s.Env("TERM", "screen-256color")
	s.Env("USER", a.User)
	b.ways(s, a)
	if a.Git.Signing {
		s.Env("SSH_AUTH_SOCK", b.m.SignSock(a.Key))
	}
}
