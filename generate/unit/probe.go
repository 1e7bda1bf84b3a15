package unit

import (
	"time"

	"fleet/generate/model"
	"fleet/schemas/policy"
)

// probeLimit bounds the attempts; where the walls hold each takes milliseconds.
const probeLimit = 45 * time.Second

// outputLimit is for what a probe prints into a file of root's in /run.
const outputLimit = 256 << 10

// probe makes the oneshot that tries, as the agent and in its own sandbox, what an agent must not be able to do. The
// activator starts it in the health window, an operator by hand; systemd opens the file for what it prints.
func (b *builder) probe(a *model.Agent) {
	u := b.unit(b.m.ProbeUnit(a.Key), agentPath(a, ""))
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": containment probe of agent "+a.Key)
	b.owned(s, a, "manual")
	b.contained(s, a)
	b.signed(s, a)
	s.Int("StartLimitIntervalSec", 0)

	s = u.Section("Service")
	s.Words("Type", "oneshot")
	s.Span("TimeoutStartSec", probeLimit)
	s.Span("TimeoutStopSec", 5*time.Second)
	s.Words("KillMode", "control-group")
	b.sandbox(s, a, box{})
	s.Words("WorkingDirectory", "/")   // the home may be closed
	s.Bytes("LimitFSIZE", outputLimit) // the agent can make its probe write
	s.Bind(Bind{Source: b.m.ProbeProgram()})
	b.environment(s, a)
	s.Words("StandardInput", "null")
	s.Words("StandardOutput", "truncate:"+b.m.ProbeDir()+"/"+a.Key)
	s.Words("StandardError", "journal")
	s.Words("SyslogLevelPrefix", "no")
	b.assert(s, a, box{})
	s.Exec("ExecStart", Command{Argv: append([]string{b.m.ProbeProgram(), "__probe", "--as"}, b.probeArgs(a)...)})
	b.extras(u, a, "Service")
}

// probeArgs tell the probe whose homes and folders must be out of sight.
func (b *builder) probeArgs(a *model.Agent) []string {
	out := []string{"--hidden=/etc/fleet/" + b.m.Project + "/generations", "--hidden=" + b.m.StateDir() + "/txn"}
	if a.Isolation == model.User {
		out = append(out, "--shared")
	}
	if b.m.Trial {
		out = append(out, "--listed="+policy.TrialName)
		if a.Policy.Mode == policy.Enforce {
			out = append(out, "--unlisted="+policy.TrialUnlisted)
		}
	}
	for i := range b.m.Agents {
		if o := &b.m.Agents[i]; o.Key != a.Key {
			out = append(out, "--other="+o.User, "--hidden="+b.m.AgentRun(o.Key))
			break // one neighbour tells; naming all would change every agent's units with each new one
		}
	}
	return out
}
