package unit

import (
	"maps"
	"slices"
	"strings"

	"fleet/generate/model"
)

// record notes which definition runs.
func (b *builder) record(s Section) { s.Record(b.store("libexec/record"), b.m.UnitsDir()) }

// recordAgent notes it for a unit of an agent, takes flags away that were meant for the instance before, and opens the
// agent's folders where it has closed them.
func (b *builder) recordAgent(s Section, a *model.Agent, flags ...string) {
	args := append(append([]string{b.m.UnitsDir()}, flags...), "--")
	s.Record(b.store("libexec/record"), append(args, ownFolders(b.m, a)...)...)
}

// ownFolders are the folders on the host that belong to the agent.
func ownFolders(m *model.Fleet, a *model.Agent) []string {
	return []string{a.Home(), m.AgentRecords(a.Key), m.AgentOwn(a.Key)}
}

// run writes the assert and the main command. What the spec puts into the environment is set by env(1) for the main
// process alone.
func (b *builder) run(s Section, a *model.Agent, box box, program string) {
	b.assert(s, a, box)
	env := b.variables(s, a)
	if len(env) == 0 {
		s.Exec("ExecStart", launch(a, box.sudo, program))
		return
	}
	c := launch(a, box.sudo, "/usr/bin/env")
	c.Fold = len(c.Argv)
	c.Argv = append(append(c.Argv, env...), program)
	s.At(agentPath(a, "env")).Exec("ExecStart", c)
}

// assert refuses to start what the sandbox does not hold.
func (b *builder) assert(s Section, a *model.Agent, box box) {
	args := append([]string{b.store("libexec/assert"), mode(a, box), b.m.HostNamespaces(), b.m.AgentOwn(a.Key)}, b.expected(a, box)...)
	s.Exec("ExecStartPre", launch(a, box.sudo, args...))
}

func mode(a *model.Agent, box box) string {
	switch {
	case box.sudo:
		return "sudo"
	case box.knows:
		return "chat"
	case box.tell:
		return "sidecar"
	}
	return string(a.Isolation)
}

// expected are all mounts that may be written to.
func (b *builder) expected(a *model.Agent, box box) []string {
	out := slices.Concat([]string{"/tmp", "/var/tmp", "/dev/shm"}, writable(b.m, a), box.writes)
	for _, m := range a.Mounts {
		if !m.RO {
			out = append(out, mountinfo.Replace(m.Target))
		}
	}
	return out
}

// mountinfo writes a path as /proc/self/mountinfo has it, see proc(5).
var mountinfo = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)

// variables returns NAME=VALUE for the harness's and the agent's own variables; the agent's win.
func (b *builder) variables(s Section, a *model.Agent) []string {
	all := maps.Clone(a.Harness.Env)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, a.Env)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if _, err := variable(name, all[name]); err != nil {
			s.unit.fault(agentPath(a, "env."+name), err)
		}
		out = append(out, name+"="+all[name])
	}
	return out
}
