package spec

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"fleet/schemas/fleet"
)

// forbidden is a folder that no mount may show, hold or lie in, and why.
type forbidden struct{ folder, why string }

// Sources: what holds the host's secrets, its control files, or sockets through which it is commanded. A source must
// neither lie in one of these nor hold one.
var forbiddenSources = []forbidden{
	{"/etc", "is the host's configuration"},
	{"/root", "is root's home"},
	{"/proc", "shows the host's processes"},
	{"/sys", "controls the kernel"},
	{"/dev", "holds devices"},
	{"/run", "holds sockets of the host's services"},
	{"/var/run", "holds sockets of the host's services"},
	{"/boot", "holds the kernel"},
	{"/efi", "holds the boot loader"},
	{"/tmp", "can be written by everybody"},
	{"/var/tmp", "can be written by everybody"},
	{"/lost+found", "may hold parts of any file"},
	{"/var/lib/fleet", "is fleet's own"},
	{"/var/lib/docker", "belongs to a container engine"},
	{"/var/lib/containers", "belongs to a container engine"},
	{"/var/lib/containerd", "belongs to a container engine"},
	{"/var/lib/kubelet", "belongs to a container engine"},
	{"/var/lib/rancher", "belongs to a container engine"},
	{"/var/lib/lxc", "belongs to a container engine"},
	{"/var/lib/lxd", "belongs to a container engine"},
	{"/var/lib/incus", "belongs to a container engine"},
	{"/var/lib/machines", "holds machines"},
	{"/var/lib/libvirt", "holds machines"},
	{"/var/lib/private", "holds state of the host's services"},
	{"/var/lib/systemd", "holds systemd's credentials and random seed"},
	{"/var/lib/sss", "holds cached passwords"},
	{"/var/lib/samba", "holds passwords"},
	{"/var/lib/cloud", "may hold credentials of the cloud"},
	{"/var/lib/tailscale", "holds keys"},
	{"/var/lib/dpkg", "is from where root runs scripts"},
	{"/var/lib/apt", "is what root installs from"},
	{"/var/spool", "is from where root runs jobs"},
	{"/var/backups", "holds copies of the password files"},
	{"/var/log", "holds logs, which may hold credentials"},
	{"/var/mail", "is mail"},
}

// Names by which a part of a path tells that credentials lie there, in whatever home or folder.
var credentialStores = []string{
	".ssh", ".gnupg", ".aws", ".azure", ".gcloud", ".kube", ".docker", ".netrc", ".npmrc", ".pypirc", ".pgpass",
	".my.cnf",
	".git-credentials", ".password-store", ".claude", ".claude.json", ".codex", ".gemini", ".config", ".local",
	".mozilla",
	".thunderbird", ".vault-token", ".terraform.d", ".m2", ".gem", ".cargo", ".bash_history", ".zsh_history",
	".vscode-server",
	"keyrings", ".env",
}

var socketName = regexp.MustCompile(`\.(sock|socket)$`)

// Targets: what the unit's root tree has there itself, or what would change the programs that an agent runs.
var forbiddenTargets = []forbidden{
	{"/usr", "holds the programs"},
	{"/bin", "holds the programs"},
	{"/sbin", "holds the programs"},
	{"/lib", "holds the programs"},
	{"/lib32", "holds the programs"},
	{"/lib64", "holds the programs"},
	{"/libx32", "holds the programs"},
	{"/etc", "is put together by fleet"},
	{"/proc", "is the kernel's view"},
	{"/sys", "is the kernel's view"},
	{"/dev", "is put together by fleet"},
	{"/run", "is put together by fleet"},
	{"/var/run", "is put together by fleet"},
	{"/var/lib/fleet", "is fleet's own"},
	{"/tmp", "is the agent's own already"},
	{"/var/tmp", "is the agent's own already"},
	{"/root", "is root's home"},
}

// mounts checks the mounts of one agent.
func (c *checker) mounts(p place, mounts []fleet.Mount) {
	for i, m := range mounts {
		at := p.at(i)
		c.source(at.in("source"), m.Source)
		c.target(at, m)
		for j, other := range mounts[:i] {
			c.twoTargets(at, p.at(j), m, other)
		}
	}
}

// target checks where a mount stands in the agent's tree.
func (c *checker) target(p place, m fleet.Mount) {
	at := p.in("target")
	if m.Target == m.Source {
		if c.failedBelow(p) {
			return // what is wrong with the path was said
		}
		at = p.in("source")
	}
	if !c.folder(at, m.Target, forbiddenTargets) {
		return
	}
	parts := strings.Split(strings.Trim(m.Target, "/"), "/")
	if parts[0] == "home" && (len(parts) < 2 || strings.HasPrefix(parts[1], c.fleet.Project+"-")) {
		c.error(at, show(m.Target)+" must not be mounted: the agent can write in its home",
			"a link planted there would lead the mount anywhere; use a target such as /srv/data")
	}
}

// twoTargets refuses two mounts of one agent that stand in each other's way.
func (c *checker) twoTargets(p, q place, m, other fleet.Mount) {
	switch {
	case m.Target == other.Target:
		c.error(p, fmt.Sprintf("has the same target as %s, %s", q, show(m.Target)), "")
	case within(m.Target, other.Target) && !other.RO, within(other.Target, m.Target) && !m.RO:
		c.error(p, fmt.Sprintf("one of its target and that of %s lies in the other, which the agent can write", q),
			"a link planted there would lead the mount anywhere; give them targets side by side")
	}
}

// source checks a folder of the host that is to be shown to an agent.
func (c *checker) source(p place, source string) {
	if !c.folder(p, source, forbiddenSources) {
		return
	}
	parts := strings.Split(strings.Trim(source, "/"), "/")
	store := slices.IndexFunc(parts, func(part string) bool { return slices.Contains(credentialStores, part) })
	switch {
	case store >= 0:
		c.error(p, fmt.Sprintf("%s must not be shown to an agent: %s is where credentials lie", show(source),
			parts[store]), "")
	case parts[0] == "home" && len(parts) < 3:
		c.error(p, show(source)+" must not be shown to an agent: a home holds credentials",
			"name the one folder in it that the agent needs")
	case parts[0] == "home" && strings.HasPrefix(parts[1], c.fleet.Project+"-"):
		c.error(p, show(source)+" must not be shown to an agent: it is in an agent's home",
			"use a folder such as /srv/shared for what agents share")
	case socketName.MatchString(source):
		c.error(p, show(source)+" must not be shown to an agent: it is a socket",
			"a service's socket is a way out of containment")
	}
}

// folder refuses a path that is not absolute and clean, that cannot be written, or that meets a forbidden one. It says
// whether the path is good.
func (c *checker) folder(p place, name string, list []forbidden) bool {
	switch {
	case !path.IsAbs(name) || path.Clean(name) != name:
		c.error(p, show(name)+" is not an absolute path", "write it without . and .. and without a slash at its end")
		return false
	case strings.ContainsAny(name, `:"'\`):
		c.error(p, show(name)+" must not hold a colon, quote or backslash",
			"systemd gives them a meaning; rename the folder or link to it")
		return false
	case name == "/":
		c.error(p, "must not be the whole file system", "name the one folder that the agent needs")
		return false
	}
	for _, f := range list {
		if within(name, f.folder) || within(f.folder, name) {
			in := ""
			if name != f.folder && within(f.folder, name) {
				in = " in it"
			}
			c.error(p, fmt.Sprintf("%s must not be mounted: %s%s %s", show(name), f.folder, in, f.why), "")
			return false
		}
	}
	return true
}

// within says whether name is folder or lies in it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

// sharedMounts looks at the mounts of all agents together: root resolves a source when it starts a unit, so none may
// lie where an agent can plant a link.
func (c *checker) sharedMounts() {
	type writable struct {
		at    place
		agent string
		fleet.Mount
	}
	var open []writable
	for _, key := range c.keys() {
		for i, m := range c.fleet.Agents[key].Mounts {
			if !m.RO {
				open = append(open, writable{place{"agents", key, "mounts"}.at(i), key, m})
			}
		}
	}
	if len(open) == 0 {
		return
	}
	warned := map[string]bool{}
	for _, key := range c.keys() {
		for i, m := range c.fleet.Agents[key].Mounts {
			at := place{"agents", key, "mounts"}.at(i)
			for _, w := range open {
				switch {
				case m.Source != w.Source && within(m.Source, w.Source):
					c.error(at.in("source"), fmt.Sprintf("%s lies in %s, which %s can write", show(m.Source), show(w.Source), w.at),
						"a link planted there would lead the mount anywhere; use folders side by side")
				case m.Source == w.Source && key != w.agent && !warned[m.Source]:
					warned[m.Source] = true
					c.warn(w.at, fmt.Sprintf("%s can be written by %s and is seen by %s", show(w.Source), w.agent, key),
						"one agent can feed the other files; that is a way past what each may reach")
				}
			}
		}
	}
}
