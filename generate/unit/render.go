package unit

import (
	"strings"

	"fleet/generate/artifact"
	"fleet/generate/model"
)

// Render returns every unit of the fleet but its anchor, the links of their wants folders, the scripts that they
// share and the agents' own files of /etc. t holds what other renderers made: units name it by content. A value that
// cannot be written gives a *report.Err with all of them, each at its path in the spec.
func Render(m *model.Fleet, t *artifact.Tree) ([]artifact.File, error) {
	b := newBuilder(m, t)
	b.target()
	b.slice()
	b.firewall()
	b.watchdog()
	for i := range m.Agents {
		if a := &m.Agents[i]; a.Enabled {
			b.agentUnits(a)
		}
	}
	files := b.own
	for _, u := range b.units {
		u.seal()
		files = append(files, artifact.Text(artifact.Path("units/"+string(u.Name)), u.String()))
	}
	if err := b.faults.Err(); err != nil {
		return nil, err
	}
	return append(files, b.wants...), nil
}

func (b *builder) agentUnits(a *model.Agent) {
	if len(a.Sudo) > 0 && a.Isolation == model.Namespace {
		b.faults.ErrorHint(agentPath(a, "sudo"), "sudo must stand only with isolation user",
			"set isolation to user, or take sudo away")
	}
	b.checkMounts(a)
	b.agent(a)
	b.attach(a)
	b.probe(a)
	b.comeBack(a)
	if a.Isolation == model.Namespace {
		b.net(a)
	}
	if a.Git.Signing {
		b.sign(a)
	}
	for i := range a.Schedules {
		b.job(a, &a.Schedules[i])
	}
}

func agentPath(a *model.Agent, key string) string {
	return strings.TrimSuffix("agents."+a.Key+"."+key, ".")
}
