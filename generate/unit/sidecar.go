package unit

import (
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
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
	config := artifact.Path(s.Box.File(sidecar.FileName))
	text, err := sidecar.Encode(&s.Config)
	if err == nil {
		_, err = sidecar.Parse(text)
	}
	if err != nil {
		b.faults.Errorf(s.Box.Place(), "%v", err)
		return
	}
	b.add(artifact.File{Path: config, Mode: artifact.ModeText, Data: text})
	b.net(&s.Box)
	b.gate(&s.Box)
	for _, c := range s.Callers {
		b.sidecarSockets(s, c)
	}
	b.sidecarService(s, string(config))
}

// caller is the agent of that key.
func (b *builder) caller(key string) *model.Agent {
	for i := range b.m.Agents {
		if b.m.Agents[i].Key == key {
			return &b.m.Agents[i]
		}
	}
	return nil
}

// sidecarSockets make the sockets by which one agent calls: whoever connects is that agent.
func (b *builder) sidecarSockets(c *model.Sidecar, by model.Caller) {
	a := b.caller(by.Key)
	u, s := b.sidecarSocket(c, a, b.m.SidecarSocket(c.Name, by.Key), sidecar.HTTPSocket(by.Key))
	if a.Isolation == model.Namespace {
		b.joins(u.Section("Unit"), a)
		s.Yes("PrivateNetwork", "PrivateIPC") // both, see net
	}
	s.listen("ListenStream", a.GateAddr(), by.Port)

	_, s = b.sidecarSocket(c, a, b.m.SidecarStdio(c.Name, by.Key), sidecar.StdioSocket(by.Key))
	s.Path("ListenStream", by.Socket)
	s.Words("SocketUser", "root")
	s.Words("SocketGroup", a.User)
	s.Words("SocketMode", "0660")
	s.Yes("RemoveOnStop")
}

func (b *builder) sidecarSocket(c *model.Sidecar, a *model.Agent, name model.UnitName, descriptor string) (*Unit, Section) {
	u := b.unit(name, c.Box.Place())
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": sidecar "+c.Name+" for agent "+a.Key)
	b.owned(s, a, "restart")
	s.Units("PartOf", b.m.Target())
	s.Units("Wants", b.m.Firewall())
	s.Units("After", b.m.Firewall())
	s = u.Section("Socket")
	s.Units("Service", b.m.AgentUnit(c.Box.Key))
	s.Words("FileDescriptorName", descriptor)
	s.Int("TriggerLimitIntervalSec", 0) // one bad start must not leave the socket failed for good
	return u, s
}

// sidecarService makes the process that holds the secrets. It starts at the first call.
func (b *builder) sidecarService(c *model.Sidecar, config string) {
	a := &c.Box
	u := b.unit(b.m.AgentUnit(a.Key), a.Place())
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": sidecar "+c.Name)
	b.owned(s, a, "restart")
	b.contained(s, a)
	for _, by := range c.Callers {
		s.Units("Requires", b.m.SidecarSocket(c.Name, by.Key), b.m.SidecarStdio(c.Name, by.Key))
		s.Units("After", b.m.SidecarSocket(c.Name, by.Key), b.m.SidecarStdio(c.Name, by.Key))
	}
	s.Int("StartLimitIntervalSec", 0)

	s = u.Section("Service")
	program, file := b.store("libexec/"+SidecarProgram), b.store(config)
	box := box{tell: true}
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
		s.Units("Sockets", b.m.SidecarSocket(c.Name, by.Key), b.m.SidecarStdio(c.Name, by.Key))
	}
	b.sandbox(s, a, box)
	s.Bind(Bind{Source: program})
	s.Bind(Bind{Source: file})
	b.environment(s, a)
	for _, name := range c.Secrets {
		b.hidden(s, name)
	}
	b.recordAgent(s, a)
	b.assert(s, a, box)
	s.Exec("ExecStart", Command{Argv: []string{
		program, "--config=" + file, "--home=" + a.Home(), "--runtime=" + b.m.AgentOwn(a.Key), "--idle=" + sidecarIdle.String(),
	}, Fold: 1})
}

// reached orders a unit of an agent after the sidecars that it may call.
func (b *builder) reached(s Section, a *model.Agent) {
	for _, c := range b.m.Callable(a.Key) {
		for _, socket := range []model.UnitName{b.m.SidecarSocket(c.Name, a.Key), b.m.SidecarStdio(c.Name, a.Key)} {
			s.Units("Wants", socket)
			s.Units("After", socket)
		}
	}
}
