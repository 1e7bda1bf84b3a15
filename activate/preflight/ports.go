package preflight

import (
	"fmt"

	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// ports refuses loopback ports that an agent of another project has too: the two could speak with each other there.
func ports(q Question, r *report.Report) {
	for _, a := range q.Manifest.Agents {
		mine := manifest.PortRange(a.Ports)
		if !a.Enabled || a.Ports == "" {
			continue
		}
		for _, other := range q.Others {
			for _, b := range other.Agents {
				theirs := manifest.PortRange(b.Ports)
				if b.Enabled && b.Ports != "" && mine[0] <= theirs[1] && theirs[0] <= mine[1] {
					r.ErrorHint("agents."+a.Key+".localPorts", fmt.Sprintf("%s overlaps %s of agent %s of project %s",
						a.Ports, b.Ports, b.Key, other.Project), "give one of them other ports")
				}
			}
		}
	}
}
