package unit

import (
	"time"

	"fleet/generate/model"
)

// login makes the template that runs the harness's own login as the agent on an operator's pty, the instance. What it gets
// lies in the agent's home: the agent has it.
func (b *builder) login(a *model.Agent) {
	if len(a.Harness.Login) == 0 {
		return
	}
	u := b.unit(b.m.LoginUnit(a.Key), agentPath(a, "login"))
	s := u.Section("Unit")
	s.Raw("Description", "fleet "+b.m.Project+": login of agent "+a.Key+" on pts/%i")
	b.owned(s, a, "manual")
	b.contained(s, a)
	s.Words("CollectMode", "inactive") // how a failed one ended is asked

	s = u.Section("Service")
	run := b.store(a.File("login"))
	box := box{runs: []string{run}}
	s.Words("Type", "exec")
	s.Words("Restart", "no")
	s.Span("TimeoutStartSec", startLimit)
	s.Span("TimeoutStopSec", 5*time.Second)
	s.Words("KillMode", "control-group")
	b.onTerminal(s)
	b.sandbox(s, a, box)
	b.environment(s, a)
	b.recordAgent(s, a)
	b.run(s, a, box, run)
	b.extras(u, a, "Service")
}

// onTerminal puts a unit on the pty that its instance names.
func (b *builder) onTerminal(s Section) {
	s.Words("StandardInput", "tty-force")
	s.Words("StandardOutput", "tty")
	s.Words("StandardError", "journal")
	s.Raw("TTYPath", "/dev/pts/%i")
	s.Yes("TTYReset")
	s.Words("SyslogLevelPrefix", "no")
}
