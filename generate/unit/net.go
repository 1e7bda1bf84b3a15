package unit

import (
	"strconv"

	"fleet/generate/model"
)

// net makes the unit that holds the agent's network namespace as long as nobody stops it, so that all its units meet in
// one. PrivateNetwork= and PrivateIPC= must stand in all of them: a unit that lacks one joins neither.
func (b *builder) net(a *model.Agent) {
	u := b.unit(b.m.NetUnit(a.Key), agentPath(a, "isolation"))
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": network namespace of agent "+a.Key)
	b.owned(s, a, a.OnChange)
	s.Units("PartOf", b.m.Target())

	s = u.Section("Service")
	s.Words("Type", "oneshot")
	s.Yes("RemainAfterExit")
	s.Words("Slice", string(b.m.Slice()))
	s.Yes("PrivateNetwork", "PrivateIPC")
	hardened(s, "CAP_NET_ADMIN", "CAP_SYS_PTRACE") // the second to see the namespaces of PID 1
	s.Path("ReadWritePaths", b.m.RunDir())
	s.Words("RestrictAddressFamilies", "AF_UNIX", "AF_NETLINK")
	s.Exec("ExecStart", Command{Argv: []string{b.store("libexec/namespaces"), b.m.HostNamespaces(), "net", "ipc"}})
	ports := a.GatePorts()
	s.Exec("ExecStart", Command{Argv: []string{
		b.store("libexec/net"), strconv.Itoa(ports.DNS), strconv.Itoa(ports.Transparent),
	}})
}

// hardened is the sandbox of a unit of root's that only runs a script of ours.
func hardened(s Section, caps ...string) {
	s.Words("CapabilityBoundingSet", caps...)
	s.Words("ProtectSystem", "strict")
	s.Words("DevicePolicy", "closed")
	s.Words("KeyringMode", "private")
	s.Words("UMask", "0077")
	s.Yes("NoNewPrivileges", "ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
		"LockPersonality", "MemoryDenyWriteExecute", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
		"PrivateDevices", "PrivateTmp")
	s.Words("SystemCallArchitectures", "native")
	s.Words("SystemCallFilter", "@system-service")
	s.Words("SystemCallErrorNumber", "EPERM")
	s.Int("LimitCORE", 0)
}
