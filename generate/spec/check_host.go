package spec

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"fleet/schemas/fleet"
)

// Folders whose programs only root can change.
var rootsPrograms = []string{"/usr", "/bin", "/sbin", "/opt"}

// Programs that run any command that they are told to, as an argument or from their own prompt, or that write any file.
var shells = strings.Fields(`
	ash bash busybox csh dash fish ksh sh tcsh zsh
	awk find gawk lua mawk node perl php python python3 ruby sed xargs
	ed emacs ex less man more most nano nvim pg vi view vim visudo
	chroot docker env gdb nerdctl nice nohup nsenter podman runuser screen script setsid ssh strace su sudo systemd-run
	timeout tmux unshare watch
	at chmod chown cp crontab ctr dd git insmod install ln make modprobe mount mv rsync scp tar tee`)

// sudo checks the commands that an agent may run as root.
func (c *checker) sudo(p place, a fleet.Agent) {
	if len(a.Sudo) > 0 && a.Isolation == "namespace" {
		c.error(p, `cannot work with isolation "namespace": no process in it can gain rights (NoNewPrivileges)`,
			`set isolation: "user", which weakens containment, or let a service outside do the work`)
	}
	for i, line := range a.Sudo {
		c.sudoLine(p.at(i), line, a)
	}
}

func (c *checker) sudoLine(p place, line string, a fleet.Agent) {
	words := strings.Split(line, " ")
	program := words[0]
	switch {
	case strings.Join(strings.Fields(line), " ") != line:
		c.error(p, show(line)+" must have single spaces between its words",
			"arguments with spaces in them cannot be told apart: write a script")
	case strings.ContainsAny(line, "*?[]{}!\\\"'"):
		c.error(p, show(line)+" must be one exact command line, without patterns, quotes and backslashes",
			"write a line for each command, or a script that takes fixed arguments")
	case !path.IsAbs(program) || path.Clean(program) != program:
		c.error(p, show(program)+" is not an absolute path", `write it as "/usr/bin/systemctl restart nginx.service"`)
	case !slices.ContainsFunc(rootsPrograms, func(f string) bool { return within(program, f) && program != f }):
		c.error(p, show(program)+" must lie in /usr, /bin, /sbin or /opt", "root must not run what an agent could change")
	case slices.ContainsFunc(a.Mounts, func(m fleet.Mount) bool { return !m.RO && within(program, m.Target) }):
		c.error(p, show(program)+" lies in a mount that the agent can write",
			"root must not run what an agent could change")
	default:
		c.sudoArguments(p, words, a)
	}
}

func (c *checker) sudoArguments(p place, words []string, a fleet.Agent) {
	open := []string{"/home", "/tmp", "/var/tmp", "/dev/shm", "/run/fleet"}
	for _, m := range a.Mounts {
		if !m.RO {
			open = append(open, m.Target)
		}
	}
	for _, word := range words[1:] {
		_, value, _ := strings.Cut(word, "=")
		for _, f := range open {
			if within(path.Clean(word), f) || within(path.Clean(value), f) {
				c.error(p, fmt.Sprintf("root must not act on %s, which the agent can write", show(word)),
					"a link planted there would lead root anywhere")
				return
			}
		}
	}
	if name := path.Base(words[0]); slices.Contains(shells, name) {
		c.warn(p, fmt.Sprintf("%s can run other commands or change any file: the agent may become root by it", name),
			"allow a script of your own that does the one thing")
	}
}

// ephemeral is where Linux takes ports for outgoing connections from (ip_local_port_range).
const ephemeral = 32768

func (c *checker) localPorts(p place, a fleet.Agent) {
	r := a.LocalPorts
	if r == nil {
		return
	}
	switch {
	case a.Isolation != "user":
		c.error(p, `goes with isolation "user" only`, "in a namespace all of localhost is the agent's own: take it out")
	case r.From > r.To:
		c.error(p, fmt.Sprintf("from must not be greater than to, is %d and %d", r.From, r.To), "")
	case r.To >= ephemeral:
		c.warn(p, "ports from 32768 on are also taken by outgoing connections", "use ports from 1024 to 32767")
	}
}

// sharedPorts refuses a port that two agents have.
func (c *checker) sharedPorts() {
	keys := slices.DeleteFunc(c.keys(), func(key string) bool { return c.fleet.Agents[key].LocalPorts == nil })
	from := func(key string) int { return c.fleet.Agents[key].LocalPorts.From }
	slices.SortStableFunc(keys, func(a, b string) int { return from(a) - from(b) })
	last := ""
	for _, key := range keys {
		if last != "" && from(key) <= c.fleet.Agents[last].LocalPorts.To {
			p := place{"agents", key, "localPorts"}
			c.error(p, fmt.Sprintf("has ports of agents.%s.localPorts", last), "give each agent a range of its own")
		}
		if last == "" || c.fleet.Agents[key].LocalPorts.To > c.fleet.Agents[last].LocalPorts.To {
			last = key
		}
	}
}

// directiveLimit bounds a value; systemd's own lines have at most 1 MiB.
const directiveLimit = 4 * kib

func (c *checker) systemd(p place, s fleet.Systemd) {
	c.section(p, "Unit", s.Unit, s.Unsafe)
	c.section(p, "Service", s.Service, s.Unsafe)
}

func (c *checker) section(p place, section string, directives map[string][]string, unsafe bool) {
	for _, key := range slices.Sorted(maps.Keys(directives)) {
		at := p.in(section, key)
		for _, value := range directives[key] {
			c.length(at, value, directiveLimit)
		}
		c.directive(at, section, key, directives[key], unsafe)
	}
}

// directive refuses what is not known, and what loosens containment where unsafe does not stand beside it.
func (c *checker) directive(p place, section, key string, values []string, unsafe bool) {
	if _, known := fleet.Directive(section, key); !known {
		c.error(p, show(key)+" is not a directive that a fleet takes in ["+section+"]",
			"limits, env, hooks and other keys of an agent set many; others could run programs outside containment")
		return
	}
	for _, value := range values {
		class, _ := fleet.DirectiveValue(section, key, value)
		switch {
		case class != fleet.Loosens:
		case unsafe:
			c.warn(p, fmt.Sprintf("%s=%s loosens containment", key, clip(value)), "")
		default:
			c.error(p, fmt.Sprintf("%s=%s loosens containment", key, clip(value)),
				"leave it out; if you mean it, set unsafe: true beside "+section)
		}
	}
}
