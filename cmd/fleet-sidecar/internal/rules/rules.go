// Package rules decides on calls: which tools there are for an agent, with which arguments, and how often. It knows nothing
// of the tool.
package rules

import (
	"fmt"
	"strings"

	"fleet/schemas/sidecar"
)

// Rules are those of a sidecar, the same for each of its agents.
type Rules struct {
	c       *sidecar.Config
	schemas map[string]*sidecar.Schema
}

// New compiles the rules.
func New(c *sidecar.Config) (*Rules, error) {
	r := &Rules{c: c, schemas: map[string]*sidecar.Schema{}}
	for tool, text := range c.Arguments {
		s, err := sidecar.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("arguments of %s: %w", tool, err)
		}
		r.schemas[tool] = s
	}
	return r, nil
}

// Refusal is why a call is not made. Its text is for the agent.
type Refusal struct {
	Reason string // as in a sidecar.Call
	Text   string
}

// Offers tells whether a tool is shown.
func (r *Rules) Offers(tool string) bool { return r.c.Offers(tool) }

// maxFault bounds what is said about wrong arguments, which may quote them.
const maxFault = 2 << 10

// Decide returns nil where a call may be made.
func (r *Rules) Decide(tool string, a *Arguments) *Refusal {
	if !r.Offers(tool) {
		return &Refusal{sidecar.ReasonHidden, fmt.Sprintf("tool %.128q is not offered here", tool)}
	}
	s := r.schemas[tool]
	if s == nil {
		return nil
	}
	if err := s.Validate(a.value); err != nil {
		text := strings.ToValidUTF8(err.Error()[:min(len(err.Error()), maxFault)], "")
		return &Refusal{sidecar.ReasonArguments, "these arguments are not allowed here:\n" + text}
	}
	return nil
}
