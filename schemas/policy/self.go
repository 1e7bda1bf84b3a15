package policy

// Names that the gate answers for itself, in every mode, so that a probe inside an agent's containment learns whether
// the way to the gate is open, and closed for all else. No rule can list them and nothing is looked up or dialled for
// them.
const (
	// SelfName has an address, and answers plain HTTP on port 80 with status 200 and a line of text.
	SelfName = "gate.fleet.internal"

	// DeniedName is refused as a name is that no rule lists.
	DeniedName = "denied.fleet.internal"
)

// Names of a trial in a throwaway machine, in which both lead to one web server. The trial's policies list the first.
const (
	TrialName     = "canary.fleet.example"
	TrialUnlisted = "unlisted.fleet.example"
)

// isSelf tells whether a name in canonical form is one of the gate's own.
func isSelf(name string) bool { return name == SelfName || name == DeniedName }
