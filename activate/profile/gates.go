package profile

import "path/filepath"

// CutDir holds a file for each agent that is cut off, over boots.
func (l Layout) CutDir() string { return filepath.Join(l.State(), "egress", "cut") }

// Cut exists while the agent is cut off; its text says why.
func (l Layout) Cut(agent string) string { return filepath.Join(l.CutDir(), agent) }

// Bypass is what opens an agent's gate for a while.
func (l Layout) Bypass(agent string) string { return filepath.Join(l.Run(), "egress", "bypass", agent) }

// GateControl is the socket on which an agent's gate answers root; the gate's user owns its folder.
func (l Layout) GateControl(agent string) string {
	return filepath.Join(l.Run(), "egress", "gate", agent, "control")
}

// GateState is the folder of an agent's gate: its user's, to be read through safefile.
func (l Layout) GateState(agent string) string {
	return filepath.Join(l.State(), "egress", "gate", agent)
}
