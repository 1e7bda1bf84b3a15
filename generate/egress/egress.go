// Package egress writes the policy of each agent's gate.
package egress

import (
	"fmt"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/policy"
)

// PolicyPath is where an agent's policy stands in a generation.
func PolicyPath(a *model.Agent) artifact.Path { return artifact.Path(a.File(policy.FileName)) }

// Render writes the policies of the enabled agents.
func Render(m *model.Fleet, t *artifact.Tree) error {
	for _, a := range m.Contained() {
		if !a.Enabled {
			continue
		}
		b, err := policy.Encode(a.Policy)
		if err != nil {
			return fmt.Errorf("agents.%s.egress: %w", a.Key, err)
		}
		if err := t.Add(artifact.File{Path: PolicyPath(a), Mode: artifact.ModeText, Data: b}); err != nil {
			return err
		}
	}
	return nil
}
