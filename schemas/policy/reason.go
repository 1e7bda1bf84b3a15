package policy

// Reasons of a Decision: short codes for the audit, the header X-Fleet-Deny and for programs. Help has the sentence.
const (
	ReasonAllowed = "allowed"
	ReasonOff     = "mode-off"

	// No rule allows it.
	ReasonHost     = "host-not-listed"
	ReasonAddress  = "address-not-listed" // an IP address in place of a name
	ReasonPort     = "port-not-listed"
	ReasonProtocol = "protocol-not-listed"
	ReasonMethod   = "method-not-listed"
	ReasonPath     = "path-not-listed"
	ReasonDenied   = "denied" // a rule of the deny list

	// Rules allow it, and would not do what they are for.
	ReasonLongName   = "long-name"  // a name below a wildcard that could carry data out
	ReasonUnreadable = "unreadable" // methods or paths are to be decided on and the protocol hides them

	// The operator's switch, and the gate's own names.
	ReasonCut  = "cut"
	ReasonSelf = "self"

	// Unsafe in every mode.
	ReasonBadRequest = "bad-request"
	ReasonBadHost    = "bad-host"
	ReasonBadPort    = "bad-port"
	ReasonBadMethod  = "bad-method"
	ReasonBadPath    = "bad-path"
	ReasonPrivate    = "private-address"   // Class Local where no rule says private
	ReasonForbidden  = "forbidden-address" // Class Never

	// Of the gate alone, which reads what a request brings: a placeholder where no secret is put in. Somebody may try to
	// use the secret elsewhere.
	ReasonPlaceholder = "placeholder"
)

// Unsafe tells whether what a reason refuses is refused in every mode: it has no one reading, it reaches what no
// rule names and no agent should, or it is not for rules to allow.
func Unsafe(reason string) bool {
	switch reason {
	case ReasonBadRequest, ReasonBadHost, ReasonBadPort, ReasonBadMethod, ReasonBadPath,
		ReasonPrivate, ReasonForbidden, ReasonCut, ReasonSelf, ReasonPlaceholder:
		return true
	}
	return false
}
