package runner

import (
	"fmt"
	"slices"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/report"
)

// Programs by which the watchdog asks gates, and speaks in the chat.
const gateProgram, chatProgram = "libexec/fleet-gate", "libexec/fleet-chat"

// Render returns for each enabled agent K agents/K/run, agents/K/jobs/NAME for its schedules, agents/K/chat,
// agents/K/hooks/NAME, agents/K/home/home-N for files that its harness wants in the home, and agents/K/tmux.conf; and
// for all of them libexec/watchdog and the scripts that those call. The scripts name each other by their path in the
// store.
//
// A value that cannot be written safely is an error, a *report.Err with its path in the spec.
func Render(m *model.Fleet, t *artifact.Tree) error {
	var faults report.Report
	var programs []string
	for _, name := range []string{gateProgram, chatProgram} {
		e, ok := t.Entry(artifact.Path(name))
		if !ok {
			return fmt.Errorf("no artifact %q for the watchdog to ask", name)
		}
		programs = append(programs, e.StorePath())
	}
	scripts := append(slices.Clone(tools), demoScript, dueScript, delayScript, watchdog(m, programs[0], programs[1], &faults))
	if err := t.Add(scripts...); err != nil {
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
