package unit

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"fleet/generate/model"
)

func mountPath(a *model.Agent, i int) string { return agentPath(a, "mounts["+strconv.Itoa(i)+"]") }

// taken are the places in every agent's root that are fleet's: a mount there would change what contains the agent.
var taken = []string{
	"/bin", "/dev", "/etc/fleet", "/etc/gitconfig", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run",
	"/sbin", "/sys",
	"/tmp", "/usr", "/var/lib/fleet", "/var/tmp",
}

func takenBy(a *model.Agent) []string {
	out := append([]string{a.Home()}, taken...)
	out = append(out, hostFiles...)
	for _, name := range etcNames {
		out = append(out, "/etc/"+name)
	}
	if dir := a.Harness.ManagedDir(); dir != "" {
		out = append(out, dir)
	}
	return out
}

// checkMounts refuses mounts below a folder that an agent can write: root mounts there, and follows the links that the
// agent has put in the way.
func (b *builder) checkMounts(a *model.Agent) {
	if len(a.Mounts) == 0 {
		return
	}
	places, open := takenBy(a), b.agentsOwn()
	for i, m := range a.Mounts {
		for _, dir := range open {
			if within(m.Source, dir) {
				b.faults.ErrorHint(mountPath(a, i)+".source", strconv.Quote(m.Source)+" must not lie in "+dir+
					", which agents can write", "bind a folder that only root and the operator can write, such as /srv/NAME")
			}
		}
		for _, dir := range b.shared {
			if m.Source != dir && within(m.Source, dir) {
				b.faults.ErrorHint(mountPath(a, i)+".source", strconv.Quote(m.Source)+" must not lie in "+dir+
					", which an agent can write", "set ro on the mount of "+dir+", or bind that folder itself")
			}
		}
		for _, dir := range places {
			b.apart(a, i, dir, dir)
		}
		for j, other := range a.Mounts[:i] {
			b.apart(a, i, other.Target, "the target of "+mountPath(a, j))
		}
	}
}

// apart refuses a target that is in a place, is it, or holds it.
func (b *builder) apart(a *model.Agent, i int, place, called string) {
	target := a.Mounts[i].Target
	if within(target, place) || within(place, target) {
		b.faults.ErrorHint(mountPath(a, i)+".target", strconv.Quote(target)+" must not meet "+called,
			"choose another place, such as /mnt/NAME")
	}
}

// agentsOwn are the host's folders that agents can write, or anybody.
func (b *builder) agentsOwn() []string {
	out := []string{"/tmp", "/var/tmp", "/dev/shm", "/run/fleet", "/var/lib/fleet"}
	for i := range b.m.Agents {
		out = append(out, b.m.Agents[i].Home())
	}
	return out
}

// sharedSources are the sources of all mounts that an agent can write.
func sharedSources(m *model.Fleet) []string {
	var out []string
	for i := range m.Agents {
		for _, mount := range m.Agents[i].Mounts {
			if !mount.RO {
				out = append(out, path.Clean(mount.Source))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// within reports whether p is dir or lies below it.
func within(p, dir string) bool {
	p, dir = path.Clean(p), path.Clean(dir)
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}
