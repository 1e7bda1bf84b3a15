package policy

import "net/netip"

// Names that the gate answers for itself, in every mode, so that a probe inside an agent's containment learns whether
// the way to the gate is open, and closed for all else. No rule can list them and nothing is looked up or dialled for
// them.
const (
	// SelfName has an address, and answers plain HTTP on port 80 with status 200 and a line of text.
	SelfName = "gate.fleet.internal"

	// DeniedName is refused as a name is that no rule lists.
	DeniedName = "denied.fleet.internal"

	// DeniedAddr is refused as an address is that no rule lists. It is one of those that nobody has (RFC 5737).
	DeniedAddr = "192.0.2.1"
)

var deniedAddr = netip.MustParseAddr(DeniedAddr)

// Names of a trial in a throwaway machine, in which both lead to one web server. The trial's policies list the first.
const (
	TrialName     = "canary.fleet.example"
	TrialUnlisted = "unlisted.fleet.example"
)

// isSelf tells whether a host is one of the gate's own.
func isSelf(h Host) bool { return h.Name == SelfName || h.Name == DeniedName || h.Addr == deniedAddr }
