package unit

import (
	"maps"
	"slices"

	"fleet/generate/artifact"
	"fleet/generate/model"
)

// hostFiles are the host's files that an agent sees below /etc. It is an allow list: what a host keeps there beside
// these (keys, other users, configuration of services) is not there at all. A program whose configuration is missing
// uses its defaults; `mounts` adds what a fleet needs.
var hostFiles = []string{
	"/etc/alternatives", // targets of links in /usr/bin
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/localtime", "/etc/timezone",
	"/etc/mime.types", "/etc/protocols", "/etc/services",
	"/etc/os-release",
	"/etc/pki/ca-trust", "/etc/pki/tls/certs", // where Fedora keeps the roots
	"/etc/ssl/certs", "/etc/ssl/openssl.cnf", // never /etc/ssl as a whole, it has private/
	"/etc/terminfo",
}

// sudoFiles are what sudo reads besides, and what lets a command that runs as root talk to the host's systemd. The
// folder with the project's sudoers file is read through the link that a switch moves, so both ends must be there.
func sudoFiles(m *model.Fleet) []Bind {
	out := []Bind{{Source: m.RunDir()}, {Source: "/etc/fleet/" + m.Project}}
	for _, path := range []string{"/etc/sudoers", "/etc/sudoers.d", "/etc/pam.d", "/etc/security", "/run/systemd/system"} {
		out = append(out, Bind{Source: path})
	}
	return append(out, Bind{Source: "/etc/sudo.conf", Optional: true}, Bind{Source: "/run/systemd/private"})
}

// root writes the tree that the processes see: an empty one, with what they need bound into it. Everything below is
// read-only but for what Write names; see tmpfs for what can be written and is gone at the end.
//
// No source or target lies in a folder that an agent can write: root mounts there, over whatever link it finds.
func (b *builder) root(s Section, a *model.Agent, box box) {
	s.Path("RootDirectory", b.m.AgentRoot(a.Key))
	for _, dir := range []string{"/usr", "/bin", "/sbin", "/lib"} {
		s.Bind(Bind{Source: dir})
	}
	for _, dir := range []string{"/lib32", "/lib64", "/libx32"} {
		s.Bind(Bind{Source: dir, Optional: true})
	}
	for _, path := range hostFiles {
		s.Bind(Bind{Source: path, Optional: true})
	}
	for _, name := range etcNames {
		source := b.store(a.File("etc/" + name))
		if name == "passwd" && box.knows {
			source = "/etc/passwd"
		}
		s.Bind(Bind{Source: source, Target: "/etc/" + name})
	}
	if len(a.Policy.Inspected()) > 0 {
		s.Bind(Bind{Source: b.m.BundleDir(a.Key) + "/bundle.pem", Target: model.InsideBundle})
	}
	b.managed(s, a)
	if a.Git.Signing {
		s.At(agentPath(a, "git.signing")).Bind(Bind{Source: b.m.KeyDir(a.Key) + "/sign.pub", Target: model.InsideSignKey})
	}
	ours := []string{b.store("libexec/assert"), b.store("libexec/record")}
	if len(a.Calls) > 0 {
		s.Bind(Bind{Source: b.store("libexec/" + SidecarProgram), Target: model.InsideConnect})
	}
	for _, path := range b.references(append(ours, box.runs...)...) {
		s.Bind(Bind{Source: path})
	}
	if box.sudo {
		for _, bind := range sudoFiles(b.m) {
			s.At(agentPath(a, "sudo")).Bind(bind)
		}
	}
	s.Bind(Bind{Source: b.m.HostNamespaces()})
	if b.m.Chats(a) {
		s.Bind(Bind{Source: b.store("libexec/" + ChatProgram), Target: model.InsideChat})
		s.Bind(Bind{Source: b.m.WakeDir(a.Key)})
	}
	s.Bind(Bind{Source: b.m.AgentTerminals(a.Key), Target: "/dev/pts", Write: true})
	for _, path := range slices.Concat(writable(b.m, a), box.writes) {
		s.Bind(Bind{Source: path, Write: true})
	}
	for i, m := range a.Mounts {
		s.At(mountPath(a, i)).Bind(Bind{Source: m.Source, Target: m.Target, Write: !m.RO})
	}
}

// writable are the folders of the host that are bound to be written to. The project's units/ and the agent's folder in
// /run are root's: the agent cannot write there by their mode, but libexec/record must, which runs inside this tree.
func writable(m *model.Fleet, a *model.Agent) []string {
	return []string{a.Home(), m.AgentRecords(a.Key), m.AgentRun(a.Key), m.UnitsDir()}
}

// managed binds what the harness reads as its administrator's. Instructions are never bound below the home, which the
// agent can write; for a harness that reads them there the runner puts a link to this place.
func (b *builder) managed(s Section, a *model.Agent) {
	instructions := artifact.Path(a.File("instructions.md"))
	if b.has(instructions) {
		s.At(agentPath(a, "instructions")).Bind(Bind{Source: b.store(string(instructions)), Target: model.InsideInstructions})
	}
	if config := artifact.Path(a.File("gitconfig")); b.has(config) {
		s.At(agentPath(a, "git")).Bind(Bind{Source: b.store(string(config)), Target: "/etc/gitconfig"})
	}
	if servers := artifact.Path(a.File("mcp.json")); b.has(servers) {
		s.At(agentPath(a, "sidecars")).Bind(Bind{Source: b.store(string(servers)), Target: model.InsideMCP})
	}
	dir := a.Harness.ManagedDir()
	if dir == "" {
		return
	}
	from := s.At("harnesses." + a.Harness.Name + ".settings")
	for _, name := range slices.Sorted(maps.Keys(a.Harness.Settings)) {
		file := artifact.Path(a.SettingsFile(name))
		if a.Harness.Settings[name] == model.InstructionsVariable {
			file = instructions
		}
		if b.has(file) {
			from.Bind(Bind{Source: b.store(string(file)), Target: dir + "/" + name})
		}
	}
}
