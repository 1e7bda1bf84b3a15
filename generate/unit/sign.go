package unit

import (
	"time"

	"fleet/generate/model"
)

// sign makes the ssh-agent that signs for the agent and never shows the key: a socket that only the agent's group may
// connect to, in a folder of root's, and a service of another user behind it.
func (b *builder) sign(a *model.Agent) {
	b.signSocket(a)
	b.signService(a)
}

// signed orders a unit after the socket, whose start makes the key. Not Requires=, by which a restart of the socket
// would restart the agent.
func (b *builder) signed(s Section, a *model.Agent) {
	if a.Git.Signing {
		s.Units("Wants", b.m.SignSocket(a.Key))
		s.Units("After", b.m.SignSocket(a.Key))
	}
}

func (b *builder) signSocket(a *model.Agent) {
	from := agentPath(a, "git.signing")
	u := b.unit(b.m.SignSocket(a.Key), from)
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": signatures for agent "+a.Key)
	b.owned(s, a, "restart")
	s.Units("PartOf", b.m.Target())

	s = u.Section("Socket")
	s.Path("ListenStream", b.m.SignSock(a.Key))
	s.Words("SocketUser", "root")
	s.Words("SocketGroup", a.User)
	s.Words("SocketMode", "0660")
	s.Yes("RemoveOnStop")
	s.Int("TriggerLimitIntervalSec", 0) // one bad start must not leave the socket failed for good
	s.Words("Slice", string(b.m.Slice()))
	hardened(s)
	s.Yes("PrivateNetwork", "ProtectHome", "ProtectControlGroups", "ProtectKernelTunables")
	s.Path("ReadWritePaths", b.m.StateDir())
	s.Exec("ExecStartPre", Command{Argv: []string{b.store("libexec/sign"), "key", b.m.KeyDir(a.Key), a.User}})
}

func (b *builder) signService(a *model.Agent) {
	u := b.unit(b.m.SignService(a.Key), agentPath(a, "git.signing"))
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": ssh-agent that signs for agent "+a.Key)
	b.owned(s, a, "restart")
	s.Units("Requires", b.m.SignSocket(a.Key))
	s.Units("After", b.m.SignSocket(a.Key))
	s.Int("StartLimitIntervalSec", 0)

	s = u.Section("Service")
	s.Words("Type", "exec")
	s.Words("Slice", string(b.m.Slice()))
	s.Yes("DynamicUser")
	s.Span("TimeoutStopSec", 5*time.Second)
	s.Words("RuntimeDirectory", "fleet-"+b.m.Project+"-"+a.Key+"-sign")
	s.Words("RuntimeDirectoryMode", "0700")
	s.Words("LoadCredential", "sign:"+b.m.KeyDir(a.Key)+"/sign")
	hardened(s)
	s.Yes("PrivateNetwork", "PrivateIPC", "PrivateUsers", "ProtectControlGroups", "ProtectHome", "ProtectKernelTunables")
	s.Words("ProtectProc", "invisible")
	s.Words("ProcSubset", "pid")
	s.Words("RestrictAddressFamilies", "AF_UNIX")
	s.Bytes("MemoryMax", 64<<20) // the agent is its client and may send what it likes
	s.Int("TasksMax", 32)
	s.Exec("ExecStart", Command{Argv: []string{b.store("libexec/sign"), "serve"}})
}
