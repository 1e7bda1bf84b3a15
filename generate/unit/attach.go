package unit

import (
	"time"

	"fleet/generate/model"
)

// attach makes the template that puts an operator's pty, the instance, before the agent's terminal. Nobody but the
// agent connects to its tmux. Whoever shall only look is given no input by the program that holds the pty's other
// end.
func (b *builder) attach(a *model.Agent) {
	u := b.unit(b.m.AttachUnit(a.Key), agentPath(a, ""))
	s := u.Section("Unit")
	s.Raw("Description", "fleet "+b.m.Project+": terminal of agent "+a.Key+" on pts/%i")
	b.owned(s, a, "manual")
	b.contained(s, a)
	s.Units("After", b.m.AgentUnit(a.Key))
	s.Words("CollectMode", "inactive-or-failed")

	s = u.Section("Service")
	s.Words("Type", "exec")
	s.Words("Restart", "no")
	s.Span("TimeoutStartSec", startLimit)
	s.Span("TimeoutStopSec", 5*time.Second)
	s.Words("KillMode", "control-group")
	s.Int("SuccessExitStatus", 1) // tmux's when it is told to end
	b.onTerminal(s)
	b.sandbox(s, a, box{})
	b.environment(s, a)
	b.recordAgent(s, a)
	b.assert(s, a, box{})
	s.Exec("ExecStart", Command{Argv: []string{
		"/usr/bin/tmux", "-N", "-S", b.m.AgentOwn(a.Key) + "/tmux",
		"attach-session",
	}})
	b.extras(u, a, "Service")
}
