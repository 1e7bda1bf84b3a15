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
	{"/etc", "it is the host's configuration"},
	{"/root", "it is root's home"},
	{"/proc", "it shows the host's processes"},
	{"/sys", "it controls the kernel"},
	{"/dev", "it holds devices"},
	{"/run", "it holds sockets of the host's services"},
	{"/var/run", "it holds sockets of the host's services"},
	{"/boot", "it holds the kernel"},
	{"/efi", "it holds the boot loader"},
	{"/tmp", "everybody writes there"},
	{"/var/tmp", "everybody writes there"},
	{"/lost+found", "it may hold parts of any file"},
	{"/var/lib/fleet", "it is fleet's own"},
	{"/var/lib/docker", "it belongs to a container engine"},
	{"/var/lib/containers", "it belongs to a container engine"},
	{"/var/lib/containerd", "it belongs to a container engine"},
	{"/var/lib/kubelet", "it belongs to a container engine"},
	{"/var/lib/rancher", "it belongs to a container engine"},
	{"/var/lib/lxc", "it belongs to a container engine"},
	{"/var/lib/lxd", "it belongs to a container engine"},
	{"/var/lib/incus", "it belongs to a container engine"},
	{"/var/lib/machines", "it holds machines"},
	{"/var/lib/libvirt", "it holds machines"},
	{"/var/lib/private", "it holds state of the host's services"},
	{"/var/lib/systemd", "it holds systemd's credentials and random seed"},
	{"/var/lib/sss", "it holds cached passwords"},
	{"/var/lib/samba", "it holds passwords"},
	{"/var/lib/cloud", "it may hold credentials of the cloud"},
	{"/var/lib/tailscale", "it holds keys"},
	{"/var/lib/dpkg", "root runs scripts from it"},
	{"/var/lib/apt", "root reads it"},
	{"/var/spool", "root runs jobs from it"},
	{"/var/backups", "it holds copies of the password files"},
	{"/var/log", "logs may hold credentials, and are not to be written by an agent"},
	{"/var/mail", "it is mail"},
}

// Names by which a part of a path tells that credentials lie there, in whatever home or folder.
var credentialStores = []string{
	".ssh", ".gnupg", ".aws", ".azure", ".gcloud", ".kube", ".docker", ".netrc", ".npmrc", ".pypirc", ".pgpass", ".my.cnf",
	".git-credentials", ".password-store", ".claude", ".claude.json", ".codex", ".gemini", ".config", ".local", ".mozilla",
	".thunderbird", ".vault-token", ".terraform.d", ".m2", ".gem", ".cargo", ".bash_history", ".zsh_history", ".vscode-server",
	"keyrings", ".env",
}

var socketName = regexp.MustCompile(`\.(sock|socket)$`)

// Targets: what the unit's root tree has there itself, or what would change the programs that an agent runs.
var forbiddenTargets = []forbidden{
	{"/usr", "it holds the programs"},
	{"/bin", "it holds the programs"},
	{"/sbin", "it holds the programs"},
	{"/lib", "it holds the programs"},
	{"/lib32", "it holds the programs"},
	{"/lib64", "it holds the programs"},
	{"/libx32", "it holds the programs"},
	{"/etc", "fleet puts it together for the agent"},
	{"/proc", "the kernel's view is there"},
	{"/sys", "the kernel's view is there"},
	{"/dev", "fleet puts it together for the agent"},
	{"/run", "fleet puts it together for the agent"},
	{"/var/run", "fleet puts it together for the agent"},
	{"/var/lib/fleet", "it is fleet's own"},
	{"/tmp", "the agent has its own there"},
	{"/var/tmp", "the agent has its own there"},
	{"/home", "the agent can write there, and a link that it plants would lead the mount anywhere"},
	{"/root", "it is root's home"},
}

// mounts checks the mounts of one agent.
func (c *checker) mounts(p place, mounts []fleet.Mount) {
	for i, m := range mounts {
		at := p.at(i)
		c.source(at.in("source"), m.Source)
		if target := at.in("target"); m.Target != m.Source {
			c.folder(target, m.Target, forbiddenTargets)
		} else if c.folder(at.in("source"), m.Source, forbiddenTargets) {
			continue
		}
		for j, other := range mounts[:i] {
			c.twoTargets(at, p.at(j), m, other)
		}
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
		c.error(p, fmt.Sprintf("%s must not be shown to an agent: %s is where credentials lie", show(source), parts[store]), "")
	case parts[0] == "home" && len(parts) < 3:
		c.error(p, show(source)+" must not be shown to an agent: a home holds credentials", "name the one folder in it that the agent needs")
	case parts[0] == "home" && strings.HasPrefix(parts[1], c.fleet.Project+"-"):
		c.error(p, show(source)+" must not be shown to an agent: it is in an agent's home", "use a folder such as /srv/shared for what agents share")
	case socketName.MatchString(source):
		c.error(p, show(source)+" must not be shown to an agent: it is a socket", "a service's socket is a way out of containment")
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
		c.error(p, show(name)+" must not hold a colon, quote or backslash", "systemd gives them a meaning; rename the folder or link to it")
		return false
	case name == "/":
		c.error(p, "must not be the whole file system", "name the one folder that the agent needs")
		return false
	}
	for _, f := range list {
		if within(name, f.folder) || within(f.folder, name) {
			what := show(name) + " must not be mounted: "
			if name != f.folder {
				what += f.folder + ": "
			}
			c.error(p, what+f.why, "")
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
