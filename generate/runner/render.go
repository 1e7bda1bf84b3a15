package runner

import (
	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/report"
)

// Render returns for each enabled agent K agents/K/run, agents/K/jobs/NAME for its schedules, agents/K/hooks/NAME,
// agents/K/home/home-N for files that its harness wants in the home, and agents/K/tmux.conf; and for all of them
// libexec/watchdog and the scripts that those call. The scripts name each other by their path in the store.
//
// A value that cannot be written safely is an error, a *report.Err with its path in the spec.
func Render(m *model.Fleet, _ *artifact.Tree) ([]artifact.File, error) {
	var faults report.Report
	files := append([]artifact.File{demoScript}, tools...)
	for i := range m.Agents {
		if m.Agents[i].Enabled {
			files = append(files, newAgent(m, &m.Agents[i], &faults).files()...)
		}
	}
	files = append(files, watchdog(m, &faults))
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return files, nil
}
