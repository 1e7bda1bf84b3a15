package unit

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/generate/egress"
	"fleet/generate/model"
)

// GateProgram is the name of the gate's program in libexec.
const GateProgram = "fleet-gate"

const (
	// gateIdle is after how long without a connection a gate ends; its sockets stay.
	gateIdle = 10 * time.Minute
	// gateStop is what it gets to end its connections and write their records.
	gateStop = 15 * time.Second
	// gateWatch is how long it may hang.
	gateWatch = 30 * time.Second
	// gateSlack is how late its timers may be. With the kernel's 50 µs, a fifth of the CPU for a new tunnel went into the
	// Go runtime's watch over its own threads, which looks every 20 µs.
	gateSlack = 5 * time.Millisecond
	// gateFiles are for 16,000 connections, gateMemory for as many that are idle and some that are not.
	gateFiles, gateMemory = 65536, 512 << 20
)

// gate makes the agent's way out: sockets where the agent is, and behind them the gate where it is not.
func (b *builder) gate(a *model.Agent) {
	b.gateSocket(a)
	b.gateService(a)
	if len(a.Policy.Inspected()) > 0 {
		b.authority(a)
	}
}

// gated orders a unit of the agent after its way out. Not Requires=, by which a restart of the socket would restart it.
func (b *builder) gated(s Section, a *model.Agent) {
	s.Units("Wants", b.m.GateSocket(a.Key))
	s.Units("After", b.m.GateSocket(a.Key))
	if len(a.Policy.Inspected()) > 0 {
		s.Units("Wants", b.m.CAUnit(a.Key))
		s.Units("After", b.m.CAUnit(a.Key))
	}
	b.reached(s, a)
}

// ways tells programs of the proxy, though what they send reaches the gate without it too; and of the roots to trust,
// by the variables that curl, git, node, Python, Go, Rust, Deno and pip know.
func (b *builder) ways(s Section, a *model.Agent) {
	for _, name := range model.ProxyVariables {
		s.Env(name, a.ProxyURL())
	}
	direct := "localhost,127.0.0.1,::1"
	if a.Isolation == model.User && len(a.Calls) > 0 {
		direct += "," + a.GateAddr().String() // where its sidecars are
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		s.Env(name, direct)
	}
	if len(a.Policy.Inspected()) == 0 {
		return
	}
	s.Env("FLEET_INSPECTED", inspected(a)) // a session that began with other roots ends, in its own time
	for _, name := range model.BundleVariables {
		s.Env(name, model.InsideBundle)
	}
}

// gateSocket makes the sockets. systemd binds them in the agent's network namespace; there is no other way out of it.
func (b *builder) gateSocket(a *model.Agent) {
	u := b.unit(b.m.GateSocket(a.Key), agentPath(a, "egress"))
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": way out of agent "+a.Key)
	b.owned(s, a, "restart")
	s.Units("PartOf", b.m.Target())
	lateSocket(s)
	if a.Isolation == model.Namespace {
		b.joins(s, a)
	}
	s.Units("Wants", b.m.Firewall())
	s.Units("After", b.m.Firewall())

	s = u.Section("Socket")
	at, ports := a.GateAddr(), a.GatePorts()
	s.listen("ListenDatagram", at, ports.DNS)
	s.listen("ListenStream", at, ports.DNS)
	s.listen("ListenStream", at, ports.Proxy)
	s.listen("ListenStream", at, ports.Transparent)
	s.Int("Backlog", 4096)
	s.Int("TriggerLimitIntervalSec", 0) // one bad start must not leave the socket failed for good
	if a.Isolation == model.Namespace {
		s.Yes("PrivateNetwork", "PrivateIPC") // both, see net
	}
}

// lateSocket has a socket not be before sockets.target, as sockets are: that comes before basic.target, and the agents'
// namespaces after it. systemd breaks such a circle by leaving out one unit of it, any.
func lateSocket(s Section) {
	s.Bool("DefaultDependencies", false)
	s.Units("Conflicts", "shutdown.target")
	s.Units("Before", "shutdown.target")
}

func (s Section) listen(key string, at netip.Addr, port int) {
	s.put(key, net.JoinHostPort(at.String(), strconv.Itoa(port)), nil)
}

// gateService makes the gate. Its policy may change while it runs: a hash of it stands in the unit, and a reload reads
// it again.
func (b *builder) gateService(a *model.Agent) {
	u := b.unit(b.m.GateService(a.Key), agentPath(a, "egress"))
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": gate of agent "+a.Key)
	b.owned(s, a, "restart")
	policy := egress.PolicyPath(a)
	if e, ok := b.t.Entry(policy); ok {
		s.Words("X-Fleet-ReloadTrigger", e.SHA256[:digestSize])
	} else {
		b.faults.Errorf("", "no artifact %q for unit %s", policy, u.Name)
	}
	s.Units("Requires", b.m.GateSocket(a.Key))
	s.Units("After", b.m.GateSocket(a.Key), b.m.Firewall())
	s.Units("Wants", b.m.Firewall())
	s.Int("StartLimitIntervalSec", 0)

	s = u.Section("Service")
	s.Words("Type", "notify")
	s.Words("NotifyAccess", "main")
	s.Words("Restart", "on-failure")
	s.Span("RestartSec", 500*time.Millisecond)
	s.Span("TimeoutStartSec", startLimit)
	s.Span("TimeoutStopSec", gateStop)
	s.Span("WatchdogSec", gateWatch)
	s.Span("TimerSlackNSec", gateSlack)
	program := b.store("libexec/" + GateProgram)
	b.gateBox(s, a, program)
	s.Words("RuntimeDirectory", strings.TrimPrefix(b.m.GateRunDir(a.Key), "/run/"))
	s.Words("RuntimeDirectoryMode", "0700")
	s.Words("RuntimeDirectoryPreserve", "yes") // a gate that is killed leaves records in it to the next start
	s.Words("LogRateLimitIntervalSec", "0")    // the gate bounds what it writes
	b.held(s, a)
	b.recordGate(s, a)
	ports := a.GatePorts()
	s.Raw("Environment", "FLEET_BOOT=%b") // in a container, its sandbox shows it another id than the tool reads
	s.Exec("ExecStart", Command{Argv: []string{
		program,
		"--walls=" + b.m.HostNamespaces(),
		"--policy=" + b.policyFile(a),
		"--state=" + b.m.GateStateDir(a.Key),
		"--control=" + b.m.GateRunDir(a.Key) + "/control",
		"--cut=" + b.m.CutDir() + "/" + a.Key,
		"--bypass=" + b.m.BypassDir() + "/" + a.Key,
		"--idle=" + gateIdle.String(),
		"--dns-port=" + strconv.Itoa(ports.DNS),
		"--proxy-port=" + strconv.Itoa(ports.Proxy),
	}, Fold: 1})
	s.Exec("ExecReload", Command{Prefix: "+", Argv: b.takePolicy(a)})
	s.Exec("ExecReload", Command{Argv: []string{
		program, "reload", "--policy=" + b.policyFile(a), "--control=" + b.m.GateRunDir(a.Key) + "/control",
	}})
}

// policyFile is the policy that the gate reads.
func (b *builder) policyFile(a *model.Agent) string { return b.m.GatePolicyDir(a.Key) + "/policy.json" }

// takePolicy has root copy the live generation's policy to where the gate can read it.
func (b *builder) takePolicy(a *model.Agent) []string {
	return []string{
		b.store("libexec/policy"), b.m.ActiveDir() + "/" + string(egress.PolicyPath(a)), b.policyFile(a), a.GateUser,
	}
}

// recordGate notes which definition runs, and takes the policy.
func (b *builder) recordGate(s Section, a *model.Agent) {
	s.Record(b.store("libexec/record"), append([]string{b.m.UnitsDir(), "--then"}, b.takePolicy(a)...)...)
}

// gateBox is the sandbox of what runs as the gate's user: it sees the host's programs and configuration, nothing of
// the agents', and of fleet's just its own folders.
func (b *builder) gateBox(s Section, a *model.Agent, runs ...string) {
	s.Words("Slice", string(b.m.GateSlice()))
	s.Words("User", a.GateUser)
	s.Words("Group", a.GateUser)
	s.Words("StateDirectory", strings.TrimPrefix(b.m.GateStateDir(a.Key), "/var/lib/"))
	s.Words("StateDirectoryMode", "0700")
	for _, dir := range []string{"/run", "/var"} {
		s.Words("TemporaryFileSystem", dir+":ro,mode=0755,size=1M")
	}
	// Root's own commands see this tree too. In the project's folder in /run, which has all that they read and write,
	// the gate can write just where it may by its user.
	for _, path := range []string{b.m.RunDir(), b.m.GateStateDir(a.Key)} {
		s.Bind(Bind{Source: path, Write: true})
	}
	for _, path := range append(runs,
		b.store("libexec/record"), b.store("libexec/policy"), b.m.CutDir(), "/run/systemd/notify") {
		s.Bind(Bind{Source: path})
	}
	// Where /etc/resolv.conf may lead.
	for _, path := range []string{"/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman"} {
		s.Bind(Bind{Source: path, Optional: true})
	}
	s.Words("LogNamespace", b.m.LogNamespace())
	s.Words("SyslogIdentifier", "fleet-"+b.m.Project+"-"+a.Key+"-gate")
	hardened(s)
	s.Yes("PrivateIPC", "PrivateUsers", "ProtectControlGroups", "ProtectHome", "ProtectKernelTunables", "RemoveIPC")
	s.Yes("PrivateMounts")
	s.Words("ProtectProc", "invisible")
	s.Words("SystemCallFilter", "~@privileged", "@resources")
	s.Words("RestrictAddressFamilies", "AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK")
	s.Words("InaccessiblePaths", "-/boot", "-/srv", "-/opt", "-/mnt", "-/media")
	s.Bytes("MemoryMax", gateMemory)
	s.Int("TasksMax", 256)
	s.Int("LimitNOFILE", gateFiles)
}

// authority makes the oneshot that gives the agent the roots to trust: the host's and its own gate's.
func (b *builder) authority(a *model.Agent) {
	u := b.unit(b.m.CAUnit(a.Key), agentPath(a, "egress"))
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": roots of trust of agent "+a.Key)
	b.owned(s, a, "restart")
	s.Units("PartOf", b.m.Target())
	s = u.Section("Service")
	s.Words("Type", "oneshot")
	s.Yes("RemainAfterExit")
	s.Span("TimeoutStartSec", startLimit)
	program := b.store("libexec/" + GateProgram)
	b.gateBox(s, a, program)
	s.Bind(Bind{Source: b.m.BundleDir(a.Key), Write: true})
	b.recordGate(s, a)
	s.Env("FLEET_INSPECTED", inspected(a)) // so that it runs again when they change
	s.Exec("ExecStart", Command{Argv: []string{
		program, "ca",
		"--policy=" + b.policyFile(a),
		"--state=" + b.m.GateStateDir(a.Key),
		"--bundle=" + b.m.BundleDir(a.Key) + "/bundle.pem",
	}, Fold: 1})
}

// literals are the addresses that rules of the agent name, sorted.
func literals(a *model.Agent) []string {
	var out []string
	for _, at := range a.Literals() {
		out = append(out, at.Addr().String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// inspected is a hash of the hosts whose TLS the gate looks into.
func inspected(a *model.Agent) string {
	sum := sha256.Sum256([]byte(strings.Join(a.Policy.Inspected(), "\n")))
	return hex.EncodeToString(sum[:8])
}
