package unit

import (
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/chat"
	"fleet/schemas/sidecar"
)

// SidecarProgram is the name of the sidecars' program in libexec.
const SidecarProgram = "fleet-sidecar"

const (
	// sidecarIdle is after how long without a session a sidecar ends; its sockets stay.
	sidecarIdle = 10 * time.Minute
	// sidecarWatch is how long it may hang.
	sidecarWatch = 30 * time.Second
)

// sidecarUnits make a tool that holds secrets: contained as an agent is, with a namespace and a gate of its own, and
// behind sockets that are where its callers are.
func (b *builder) sidecarUnits(s *model.Sidecar) {
	name, text, err := configOf(s)
	if err != nil {
		b.faults.Errorf(s.Box.Place(), "%v", err)
		return
	}
	config := artifact.Path(s.Box.File(name))
	b.add(artifact.File{Path: config, Mode: artifact.ModeText, Data: text})
	b.net(&s.Box)
	b.gate(&s.Box)
	for _, c := range s.Callers {
		b.sidecarSocket(s, c)
	}
	if s.Chat != nil {
		b.chatControl(s)
	}
	b.sidecarService(s, string(config))
}

// configOf returns the name and the text of what the daemon reads, which it has read once here.
func configOf(s *model.Sidecar) (name string, text []byte, err error) {
	if s.Chat != nil {
		if text, err = chat.Encode(s.Chat); err == nil {
			_, err = chat.Parse(text)
		}
		return chat.FileName, text, err
	}
	if text, err = sidecar.Encode(&s.Config); err == nil {
		_, err = sidecar.Parse(text)
	}
	return sidecar.FileName, text, err
}

// sidecarSocket makes the sockets by which one agent calls: whoever connects is that agent.
func (b *builder) sidecarSocket(c *model.Sidecar, by model.Caller) {
	a := b.m.Agent(by.Key)
	u := b.unit(b.m.SidecarSocket(c.Name, by.Key), c.Box.Place())
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": "+titleOf(c)+" for agent "+a.Key)
	b.owned(s, a, "restart")
	s.Units("PartOf", b.m.Target())
	lateSocket(s)
	s.Units("Wants", b.m.Firewall())
	s.Units("After", b.m.Firewall())
	s = u.Section("Socket")
	s.Units("Service", b.m.AgentUnit(c.Box.Key))
	s.Words("FileDescriptorName", sidecar.Socket(by.Key))
	s.listen("ListenStream", a.GateAddr(), by.Port)
	s.Path("ListenStream", by.Socket)
	s.Words("SocketUser", "root")
	s.Words("SocketGroup", a.User)
	s.Words("SocketMode", "0660")
	s.Yes("RemoveOnStop")
	s.Int("TriggerLimitIntervalSec", 0) // one bad start must not leave the socket failed for good
	if a.Isolation == model.Namespace {
		b.joins(u.Section("Unit"), a)
		s.Yes("PrivateNetwork", "PrivateIPC") // both, see net
	}
}

func titleOf(c *model.Sidecar) string {
	if c.Chat != nil {
		return "chat"
	}
	return "sidecar " + c.Name
}

// sidecarService makes the process that holds the secrets. It starts at the first call.
func (b *builder) sidecarService(c *model.Sidecar, config string) {
	a := &c.Box
	u := b.unit(b.m.AgentUnit(a.Key), a.Place())
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": "+titleOf(c))
	b.owned(s, a, "restart")
	b.contained(s, a)
	for _, by := range c.Callers {
		s.Units("Requires", b.m.SidecarSocket(c.Name, by.Key))
		s.Units("After", b.m.SidecarSocket(c.Name, by.Key))
	}
	if c.Chat != nil {
		s.Units("Requires", b.m.ChatControl())
		s.Units("After", b.m.ChatControl())
	}
	if c.Chat != nil && c.Chat.Backend.Kind != chat.Local {
		b.want(b.m.Target(), u.Name) // people elsewhere are heard before anybody here speaks
	}
	s.Int("StartLimitIntervalSec", 0)

	s = u.Section("Service")
	program, file := b.store("libexec/"+SidecarProgram), b.store(config)
	arguments := []string{"--home=" + a.Home(), "--runtime=" + b.m.AgentOwn(a.Key), "--idle=" + sidecarIdle.String()}
	if c.Chat != nil {
		program = b.store("libexec/" + ChatProgram)
		arguments = []string{"--state=" + b.m.AgentRecords(a.Key)}
	}
	box := box{tell: true}
	if c.Chat != nil {
		box.writes, box.knows = []string{b.m.WakeDirs()}, true
	}
	s.Words("Type", "notify")
	s.Words("Restart", "on-failure")
	s.Span("RestartSec", 500*time.Millisecond)
	s.Span("TimeoutStartSec", startLimit)
	s.Span("TimeoutStopSec", stopLimit)
	s.Span("WatchdogSec", sidecarWatch)
	s.Words("KillMode", "mixed") // the daemon ends its tool
	s.Words("LogNamespace", b.m.LogNamespace())
	s.Words("SyslogIdentifier", "fleet-"+b.m.Project+"-"+a.Key)
	s.Words("StandardInput", "null")
	s.Words("LogRateLimitIntervalSec", "0") // the sidecar bounds what it writes
	for _, by := range c.Callers {
		s.Units("Sockets", b.m.SidecarSocket(c.Name, by.Key))
	}
	b.sandbox(s, a, box)
	s.Bind(Bind{Source: program})
	s.Bind(Bind{Source: file})
	b.environment(s, a)
	for _, name := range c.Secrets {
		b.hidden(s, name)
	}
	if c.Chat != nil {
		b.chatService(s)
	}
	b.recordAgent(s, a)
	b.assert(s, a, box)
	s.Exec("ExecStart", Command{Argv: append([]string{program, "--config=" + file}, arguments...), Fold: 1})
}

// reached orders a unit of an agent after the sidecars that it may call.
func (b *builder) reached(s Section, a *model.Agent) {
	for _, c := range a.Calls {
		s.Units("Wants", b.m.SidecarSocket(c.Name, a.Key))
		s.Units("After", b.m.SidecarSocket(c.Name, a.Key))
	}
}
