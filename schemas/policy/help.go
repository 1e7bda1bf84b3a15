package policy

import (
	"fmt"
	"net"
	"strconv"

	"fleet/schemas/report"
)

// maxShown bounds each of the agent's own texts in a message.
const maxShown = 120

// Help says in a sentence or two what a decision on q was and how an operator changes it. It is safe to show: what
// the agent wrote is cut and escaped.
func (d Decision) Help(q Request) string {
	at := where(q)
	switch {
	case d.Reported:
		d.Allow, d.Reported = false, false
		return "allowed in mode report only: " + d.Help(q)
	case d.Bypassed:
		d.Allow, d.Bypassed = false, false
		return "allowed by a bypass only: " + d.Help(q)
	case d.Allow && d.Rule == "":
		return at + " is allowed: this agent's egress mode is off"
	case d.Allow:
		return fmt.Sprintf("%s is allowed by %s", at, d.Rule)
	}
	return at + " " + d.why(q)
}

func (d Decision) why(q Request) string {
	switch d.Reason {
	case ReasonHost:
		return "is not in the allow list; to allow it, the operator adds it to egress.allow" + apply
	case ReasonAddress:
		return "is an address and not in the allow list; use the host's name, or the operator adds the address with private true" + apply
	case ReasonPort:
		return "is refused: rules name other ports of this host; the operator adds the port to egress.allow" + apply
	case ReasonProtocol:
		return fmt.Sprintf("is refused: %s has another protocol for this port; the operator changes it%s", d.Rule, apply)
	case ReasonMethod:
		return fmt.Sprintf("is refused: no rule for this path has the method %s; the operator adds it%s", shown(q.Method), apply)
	case ReasonPath:
		return fmt.Sprintf("is refused: no rule has the path %s; the operator adds it%s", shown(q.Path), apply)
	case ReasonDenied:
		return fmt.Sprintf("is refused by %s; only the operator can take that rule out", d.Rule)
	case ReasonLongName:
		return fmt.Sprintf("is refused: more than %d characters below the wildcard of %s; the operator lists the name itself%s",
			MaxChild, d.Rule, apply)
	case ReasonUnreadable:
		if !d.Held.Here().Empty() {
			return fmt.Sprintf("is refused: %s is raw, and a secret goes to this host and port; the operator makes it tls, or takes the "+
				"port out of the secret%s", d.Rule, apply)
		}
		return fmt.Sprintf("is refused: %s is raw, and methods or paths of this host are denied; the operator changes one of them%s",
			d.Rule, apply)
	case ReasonPrivate:
		return "is refused: its address is a private one; where that is meant, the operator sets private true" + apply
	case ReasonCut:
		return fmt.Sprintf("is refused: the operator has cut this agent off; fleet egress restore %s opens it again", d.Agent)
	case ReasonPlaceholder:
		return "is refused: the placeholder of a secret stands where no secret is put in; fleet egress log shows which"
	case ReasonSelf:
		return "is the gate's own name: it has nothing but http://" + SelfName + "/"
	case ReasonForbidden:
		return "is refused: no agent may reach link-local, metadata, multicast and reserved addresses"
	}
	return "is refused: " + malformed(d.Reason)
}

const apply = ", then builds and switches"

func malformed(reason string) string {
	switch reason {
	case ReasonBadHost:
		return ErrHost.Error()
	case ReasonBadPort:
		return ErrPort.Error()
	case ReasonBadMethod:
		return "method must be in upper case, and not CONNECT, TRACE or PRI"
	case ReasonBadPath:
		return ErrPath.Error()
	}
	return "it is a request that cannot be decided on"
}

// where names what was asked for.
func where(q Request) string {
	host := q.Host
	if host == "" && q.Addr.IsValid() {
		host = q.Addr.String()
	}
	if q.Kind == KindDNS {
		return shown(host)
	}
	return net.JoinHostPort(shown(host), strconv.Itoa(int(q.Port)))
}

func shown(s string) string {
	if len(s) > maxShown {
		return report.Printable(s[:maxShown]) + "..."
	}
	return report.Printable(s)
}
