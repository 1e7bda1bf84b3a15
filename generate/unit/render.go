package unit

import (
	"strings"

	"fleet/generate/artifact"
	"fleet/generate/model"
)

// Render returns every unit of the fleet but its anchor, the links of their wants folders, the scripts that they
// share and the agents' own files of /etc. t holds what other renderers made: units name it by content. A value that
// cannot be written gives a *report.Err with all of them, each at its path in the spec.
func Render(m *model.Fleet, t *artifact.Tree) error {
	b := &builder{m: m, t: t, stored: map[string][]string{}, shared: sharedSources(m)}
	b.own()
	b.target()
	b.slice()
	b.firewall()
	b.watchdog()
	b.flush()
	for i := range m.Agents {
		if a := &m.Agents[i]; a.Enabled {
			b.agentUnits(a)
			b.flush()
		}
	}
	for i := range m.Sidecars {
		if s := &m.Sidecars[i]; s.Box.Enabled {
			b.sidecarUnits(s)
			b.flush()
		}
	}
	if b.err != nil {
		return b.err
	}
	return b.faults.Err()
}

// flush puts the units made so far into the tree.
func (b *builder) flush() {
	for _, u := range b.units {
		u.seal()
		b.add(artifact.File{Path: artifact.Path("units/" + string(u.Name)), Mode: artifact.ModeText, Data: u.Text()})
	}
	b.units = b.units[:0]
}

func (b *builder) agentUnits(a *model.Agent) {
	if len(a.Sudo) > 0 && a.Isolation == model.Namespace {
		b.faults.ErrorHint(agentPath(a, "sudo"), "sudo must stand only with isolation user",
			"set isolation to user, or take sudo away")
	}
	b.checkMounts(a)
	b.agent(a)
	b.attach(a)
	b.login(a)
	b.probe(a)
	b.comeBack(a)
	if a.Isolation == model.Namespace {
		b.net(a)
	}
	b.gate(a)
	if a.Git.Signing {
		b.sign(a)
	}
	for i := range a.Schedules {
		b.job(a, &a.Schedules[i])
	}
}

// agentPath is where in the spec stands what a unit of an agent, or of a sidecar, comes from.
func agentPath(a *model.Agent, key string) string {
	return strings.TrimSuffix(a.Place()+"."+key, ".")
}
