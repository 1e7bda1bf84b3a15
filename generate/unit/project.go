package unit

import (
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
)

// target makes the unit that pulls in all else.
func (b *builder) target() {
	u := b.unit(b.m.Target(), "project")
	b.want("multi-user.target", u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project)
	b.anchored(s)
	s.Words("X-Fleet-OnChange", "reload") // nothing of its own runs
}

// slice makes the place of every process of the agents in the tree of cgroups; the firewall knows them by it. Limits
// are the agents' own.
func (b *builder) slice() {
	u := b.unit(b.m.Slice(), "project")
	u.Section("Unit").Text("Description", "agents of fleet "+b.m.Project)
	u.Section("Unit").Words("X-Fleet-OnChange", "reload")
}

// firewall makes the unit that holds the nft table. It is never restarted, only reloaded: a hash of the rules stands in
// it, which nothing else of systemd's reads.
func (b *builder) firewall() {
	ruleset := artifact.Path("nftables/" + b.m.Project + ".nft")
	script, live := b.store("libexec/firewall"), b.m.ActiveDir()+"/"+string(ruleset)
	u := b.unit(b.m.Firewall(), "project")
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": firewall")
	s.Words("X-Fleet-OnChange", "reload")
	if e, ok := b.t.Entry(ruleset); ok {
		s.Words("X-Fleet-ReloadTrigger", e.SHA256[:digestSize])
	} else {
		b.faults.Errorf("", "no artifact %q for unit %s", ruleset, u.Name)
	}
	b.anchored(s)
	// Before the network is up, which is before basic.target on some hosts.
	s.Bool("DefaultDependencies", false)
	s.Units("Conflicts", "shutdown.target")
	s.Units("Before", "shutdown.target", "network-pre.target")
	s.Units("After", "local-fs.target")
	s.Units("Wants", "network-pre.target")
	s.Int("StartLimitIntervalSec", 0)

	s = u.Section("Service")
	s.Words("Type", "exec")
	s.Words("Restart", "on-failure")
	s.Span("RestartSec", time.Second)
	s.Span("TimeoutStartSec", 30*time.Second)
	s.Span("TimeoutStopSec", 30*time.Second)
	s.Words("KillMode", "mixed") // the script ends its nft child itself, else an ordered stop counts as failed
	// In the slice that the rules name: when that is stopped and started its cgroup is another one, and the holder,
	// gone and back with it, names the new one.
	s.Words("Slice", string(b.m.Slice()))
	hardened(s, "CAP_NET_ADMIN")
	s.Yes("ProtectHome", "ProtectControlGroups", "ProtectKernelTunables", "PrivateIPC")
	s.Words("RestrictAddressFamilies", "AF_UNIX", "AF_NETLINK")
	s.Words("RuntimeDirectory", "fleet/"+b.m.Project+"/firewall")
	s.Words("RuntimeDirectoryMode", "0700")
	s.Words("RuntimeDirectoryPreserve", "restart")
	b.recordHost(s)
	s.Exec("ExecStart", Command{Argv: []string{script, live}})
	s.Exec("ExecStartPost", Command{Argv: []string{script, "wait", live}})
	s.Exec("ExecReload", Command{Argv: []string{script, "reload", live}})
	s.Exec("ExecStop", Command{Argv: []string{script, "withdraw", live}})
}

// recordHost notes what runs and lists the host's namespaces: agents of isolation user have no net unit that would.
func (b *builder) recordHost(s Section) {
	b.record(s)
	s.Exec("ExecStartPre", Command{Prefix: "+", Argv: []string{b.store("libexec/namespaces"), b.m.HostNamespaces()}})
}

// watchdog makes the timer and the service that look after the agents.
func (b *builder) watchdog() {
	u := b.unit(b.m.WatchdogTimer(), "watchdog")
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": when the watchdog runs")
	s.Words("X-Fleet-OnChange", "restart")
	b.anchored(s)
	s.Units("PartOf", b.m.Target())
	s = u.Section("Timer")
	every := s.At("watchdog.every")
	every.Span("OnActiveSec", b.m.Watchdog.Every)
	every.Span("OnUnitActiveSec", b.m.Watchdog.Every)
	s.Span("AccuracySec", time.Second) // stalls are counted in runs

	u = b.unit(b.m.WatchdogService(), "watchdog")
	s = u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": watchdog")
	s.Words("X-Fleet-OnChange", "restart")
	b.anchored(s)
	s.Int("StartLimitIntervalSec", 0)
	s = u.Section("Service")
	s.Words("Type", "oneshot")
	s.Span("TimeoutStartSec", watchdogBase+time.Duration(len(b.m.Agents))*watchdogEach)
	// Agents' folders in /run and homes are their own alone: it looks at time stamps there and reads nothing.
	// It asks gates on sockets in folders that are theirs alone; status.json goes to the operators' group.
	s.Raw("Environment", "FLEET_BOOT=%b") // as in a gate's unit
	hardened(s, "CAP_CHOWN", "CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_NET_ADMIN")
	s.Yes("ProtectControlGroups", "ProtectKernelTunables", "PrivateIPC")
	s.Words("RestrictAddressFamilies", "AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK")
	s.Path("ReadWritePaths", b.m.RunDir())
	s.Path("ReadWritePaths", b.m.StateDir())
	b.record(s)
	s.Exec("ExecStart", Command{Argv: []string{b.store("libexec/watchdog")}})
}

// watchdogBase and watchdogEach bound one run: each agent may have to be started again, which may take a minute.
const (
	watchdogBase = 4 * time.Minute
	watchdogEach = 65 * time.Second
)

// comeBack has the firewall start the agents of isolation user that it took along when its process ended. A link, since
// the firewall's own text must not change with the agents.
func (b *builder) comeBack(a *model.Agent) {
	if a.Isolation == model.User {
		b.want(b.m.Firewall(), b.m.AgentUnit(a.Key))
	}
}
