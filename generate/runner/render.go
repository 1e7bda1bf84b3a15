package runner

import (
	"fmt"
	"slices"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/report"
)

// gateProgram tells the watchdog of gates.
const gateProgram = "libexec/fleet-gate"

// Render returns for each enabled agent K agents/K/run, agents/K/jobs/NAME for its schedules, agents/K/hooks/NAME,
// agents/K/home/home-N for files that its harness wants in the home, and agents/K/tmux.conf; and for all of them
// libexec/watchdog and the scripts that those call. The scripts name each other by their path in the store.
//
// A value that cannot be written safely is an error, a *report.Err with its path in the spec.
func Render(m *model.Fleet, t *artifact.Tree) error {
	var faults report.Report
	gate, ok := t.Entry(gateProgram)
	if !ok {
		return fmt.Errorf("no artifact %q for the watchdog to ask", gateProgram)
	}
	if err := t.Add(slices.Concat(tools, []artifact.File{demoScript, watchdog(m, gate.StorePath(), &faults)})...); err != nil {
		return err
	}
	for i := range m.Agents {
		if !m.Agents[i].Enabled {
			continue
		}
		if err := t.Add(newAgent(m, &m.Agents[i], &faults).files()...); err != nil {
			return err
		}
	}
	return faults.Err()
}
