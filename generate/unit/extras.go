package unit

import (
	"maps"
	"slices"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// extras adds the directives of the spec's author to the named sections, after ours, so that they count. They hold for
// every unit in which the agent's processes are.
func (b *builder) extras(u *Unit, a *model.Agent, sections ...string) {
	for _, name := range sections {
		keys := a.Systemd.Service
		if name == "Unit" {
			keys = a.Systemd.Unit
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			s := u.Section(name).At(agentPath(a, "systemd."+name+"."+key))
			if name == "Service" && key == "RuntimeMaxSec" && oneshot(u) {
				continue // systemd warns that it has no effect there
			}
			for _, value := range keys[key] {
				s.extra(key, value, a.Systemd.Unsafe)
			}
		}
	}
}

func (s Section) extra(key, value string, unsafe bool) {
	class, known := fleet.DirectiveValue(s.to.name, key, value)
	switch {
	case !known:
		s.unit.faults.ErrorHint(s.at, key+" must be a known directive of section "+s.to.name,
			"see `fleet explain agents.systemd`")
	case class == fleet.Loosens && !unsafe:
		s.unit.faults.ErrorHint(s.at, key+" must not loosen the sandbox", "set systemd.unsafe beside it if it must")
	default:
		s.Raw(key, value)
	}
}

func oneshot(u *Unit) bool {
	for _, s := range u.sections {
		for _, e := range s.entries {
			if e.key == "Type" && e.value == "oneshot" {
				return true
			}
		}
	}
	return false
}
