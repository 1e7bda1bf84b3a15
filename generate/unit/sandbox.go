package unit

import (
	"errors"
	"strconv"
	"strings"

	"fleet/generate/model"
)

// box is a sandbox of one unit of an agent.
type box struct {
	sudo   bool     // the unit's processes may call sudo
	runs   []string // store paths of what it runs, besides libexec/assert
	tell   bool     // its main process tells systemd when it is ready
	writes []string // folders that it may write to, besides what every agent has
	knows  bool     // it must know the host's users, by number and name: whose connection is which one's
}

// sandbox writes what contains the processes of an agent. It is the same for its service, its jobs and the operator's
// terminal. systemd leaves some of this out where it cannot have it, so libexec/assert checks from inside.
//
// Measured with systemd 252 on Debian 12: exposure 1.0 with isolation namespace, 1.4 with user.
func (b *builder) sandbox(s Section, a *model.Agent, box box) {
	s.Words("Slice", string(b.m.Slice()))
	s.Words("User", a.User)
	s.Words("Group", a.User)
	s.Path("WorkingDirectory", a.Home())
	b.root(s, a, box)
	tmpfs(s, a)
	privilege(s, a, box)
	isolation(s, a, box)
	kernel(s)
	calls(s)
	limits(s, a)
}

// tmpfs mounts what is gone when the unit ends. PrivateTmp= is not used: it gives a folder of the host's /tmp, which
// has no size of its own, and it wins over a tmpfs at the same place. The read-only ones hold nothing but mount
// points, which systemd would else leave in the tree on disk; without one /run would be open to everybody and of no
// size.
func tmpfs(s Section, a *model.Agent) {
	for _, dir := range []string{"/etc", "/run", "/var"} {
		s.Words("TemporaryFileSystem", dir+":ro,mode=0755,size=1M")
	}
	tmp := s.At(agentPath(a, "limits.tmp"))
	tmp.sized("/tmp", a.Limits.Tmp)
	tmp.sized("/var/tmp", a.Limits.Tmp)
	// PrivateDevices= and PrivateIPC= leave the host's /dev/shm in place, where two agents could meet.
	s.At(agentPath(a, "limits.shm")).sized("/dev/shm", a.Limits.Shm)
}

// sized mounts a tmpfs that everybody in the unit can write.
func (s Section) sized(dir string, bytes uint64) {
	s.put("TemporaryFileSystem", dir+":mode=1777,size="+size(bytes), atLeast(1, bytes))
}

func atLeast(least, n uint64) error {
	if n < least {
		return errors.New("the limit must be set")
	}
	return nil
}

// sudoCaps are what a command that an agent runs by sudo may have. Whatever needs more is a service of its own, for
// which `systemctl start` is the command to allow.
var sudoCaps = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID",
}

// privilege: no way to become more than the agent's user.
func privilege(s Section, a *model.Agent, box box) {
	s.Words("UMask", "0077")
	s.Words("KeyringMode", "private")
	if !box.sudo {
		s.Yes("NoNewPrivileges")
		if !box.knows { // in a user namespace all users of the host are one, nobody
			s.Yes("PrivateUsers")
		}
		s.Words("CapabilityBoundingSet")
		return
	}
	// With User= systemd sets no-new-privileges for the sake of its filters, and sudo fails. So the unit's command
	// starts as root, where systemd needs no such thing, and launch drops to the agent's user before anything of the
	// agent's runs. CAP_SYS_ADMIN is what systemd looks for; launch takes it away for good.
	s = s.At(agentPath(a, "sudo"))
	words := []string{"CAP_SYS_ADMIN"}
	for _, c := range sudoCaps {
		words = append(words, "CAP_"+c)
	}
	s.Words("CapabilityBoundingSet", words...)
}

// launch returns the command line that starts argv as the agent.
func launch(a *model.Agent, sudo bool, argv ...string) Command {
	if !sudo {
		return Command{Argv: argv}
	}
	caps := "-all,+" + strings.ToLower(strings.Join(sudoCaps, ",+"))
	return Command{Prefix: "!", Argv: append([]string{
		"/usr/bin/setpriv", "--reuid=" + a.User, "--regid=" + a.User, "--init-groups",
		"--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=" + caps, "--",
	}, argv...)}
}

// isolation: nothing of the host's other processes and services.
func isolation(s Section, a *model.Agent, box box) {
	s.Words("ProtectSystem", "strict")
	s.Words("ProtectHome", "read-only") // the tree's /home; what is bound below stays writable
	s.Words("ProtectProc", "invisible")
	// Names and processes of every unit are in /sys/fs/cgroup, the host's network devices in /sys/class. The + makes
	// the path one of the agent's root: without it systemd means the host's and hides nothing.
	s.Words("InaccessiblePaths", "+/sys", "-+/dev/hugepages")
	s.Yes("PrivateDevices", "PrivateIPC", "PrivateMounts", "RemoveIPC")
	s.Words("DevicePolicy", "closed")
	notify(s, box)
	// A second wall: it holds where the rules of nftables are gone.
	s.Words("IPAddressDeny", "any")
	if a.Isolation == model.Namespace {
		s.Yes("PrivateNetwork")
		// There is no device but loopback, IPv6 leads nowhere, and IPv4 to the gate: what it answers to a connection that
		// was redirected bears the address that the agent asked for.
		s.Words("IPAddressAllow", "localhost", "0.0.0.0/0")
		return
	}
	s.Words("IPAddressAllow", "localhost")
	for _, at := range literals(a) {
		s.Words("IPAddressAllow", at) // what the gate answers for it bears its address
	}
}

// notify: an agent gets no NOTIFY_SOCKET. A status would reach terminals, and EXTEND_TIMEOUT_USEC= would hold up a stop.
func notify(s Section, box box) {
	access := "none"
	if box.tell {
		access = "main"
		s.Bind(Bind{Source: "/run/systemd/notify"})
	}
	s.Words("NotifyAccess", access)
}

// kernel: no change to what all processes share.
func kernel(s Section) {
	s.Yes("ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
		"ProtectKernelTunables", "LockPersonality", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID")
	// Netlink is what getaddrinfo(3) and node ask for the machine's addresses. AF_VSOCK, AF_PACKET and others pass
	// netfilter by.
	s.Words("RestrictAddressFamilies", "AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK")
}

// calls: what a service needs, without io_uring (which opens sockets past RestrictAddressFamilies=), keyrings (which
// others of the same UID could share) and the calls that read another process. EPERM instead of a signal lets programs
// fall back; node, git, tmux and Claude Code do.
func calls(s Section) {
	s.Words("SystemCallArchitectures", "native")
	s.Words("SystemCallFilter", "@system-service")
	s.Words("SystemCallFilter", "~@aio", "@keyring", "process_vm_readv", "process_vm_writev", "userfaultfd")
	s.Words("SystemCallErrorNumber", "EPERM")
}

// limits: an agent that runs away does not take others along.
func limits(s Section, a *model.Agent) {
	l := a.Limits
	at := func(key string) Section { return s.At(agentPath(a, "limits."+key)) }
	at("memory").put("MemoryMax", size(l.Memory), atLeast(1, l.Memory))
	at("memory").Int("MemorySwapMax", 0) // else it fills the host's swap
	if l.MemoryHigh > 0 {
		at("memoryHigh").Bytes("MemoryHigh", l.MemoryHigh)
	}
	if l.CPUQuota != "" {
		at("cpu").Words("CPUQuota", l.CPUQuota)
	}
	if l.CPUWeight > 0 {
		at("cpuWeight").Int("CPUWeight", l.CPUWeight)
	}
	if l.IOWeight > 0 {
		at("io").Int("IOWeight", l.IOWeight)
	}
	at("tasks").put("TasksMax", strconv.Itoa(l.Tasks), atLeast(1, uint64(max(l.Tasks, 0))))
	at("files").put("LimitNOFILE", strconv.Itoa(l.Files), atLeast(1, uint64(max(l.Files, 0))))
	s.Int("LimitCORE", 0)
	at("oom").Words("OOMPolicy", l.OOM)
	s.Int("OOMScoreAdjust", 500) // where memory ends, agents go before services
}
