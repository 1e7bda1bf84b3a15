package unit

import (
	"slices"

	"fleet/schemas/fleet"
)

// Loosened returns the extra directives that give an agent more than the sandbox does, as KEY=VALUE, sorted.
func Loosened(s fleet.Systemd) []string {
	var out []string
	for section, keys := range map[string]map[string][]string{"Unit": s.Unit, "Service": s.Service} {
		for key, values := range keys {
			for _, v := range values {
				if class, known := fleet.DirectiveValue(section, key, v); !known || class == fleet.Loosens {
					out = append(out, key+"="+v)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
