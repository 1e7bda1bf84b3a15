// Package policy says what an agent may reach. The generator writes a Policy for each agent; the gate, the plan and
// `fleet egress test` compile it to a Matcher and ask that, so that all of them decide alike.
//
// Everything here is pure: no clock, no look-up, no state. What needs those (budgets, the rate of names below a
// wildcard, the host's own addresses) belongs to the gate.
package policy

// Version is the version of the format.
const Version = 1

// FileName is the policy's name in the folder of its agent inside a generation.
const FileName = "policy.json"

// Modes of a policy. What is unsafe, see Unsafe, is refused in each of them.
const (
	Enforce = "enforce" // what no rule allows is refused
	Report  = "report"  // it is allowed, and the decision says so
	Off     = "off"     // it is allowed, and nothing is said
)

// Bypassed is the mode of a Matcher while a Bypass runs, and of no Policy: what no rule allows is allowed, and the
// decision says so.
const Bypassed = "bypassed"

// Protocols of a rule: what the gate expects on its ports.
const (
	HTTP = "http" // plain HTTP, each request is decided on
	TLS  = "tls"  // a ClientHello first, whose name must be the host
	Raw  = "raw"  // any bytes; the server may speak first
)

// Policy is the content of an agent's policy.json. Hosts, ports, methods and paths are in canonical form.
type Policy struct {
	Version  int       `json:"version"`
	Project  string    `json:"project"`
	Agent    string    `json:"agent"`
	UID      int64     `json:"uid,omitempty"` // the agent's
	Mode     string    `json:"mode"`
	Allow    []Rule    `json:"allow"`
	Deny     []Denial  `json:"deny"`
	DNS      string    `json:"dns,omitempty"` // resolver that the gate asks, ADDRESS:PORT; "" is the host's
	Upstream *Upstream `json:"upstream,omitempty"`
	Secrets  []Secret  `json:"secrets,omitempty"` // that the gate puts into requests
	Quoting  []string  `json:"quoting,omitempty"` // hosts to which bodies may quote a placeholder: conversations go there
}

// Rule allows requests. Of all rules whose host and port fit, those with the most specific host decide: an exact host
// before a wildcard, a longer wildcard before a shorter one; and of those with the same host a Denial wins.
type Rule struct {
	Name     string   `json:"name"`              // how a person finds it: its place in the spec, or the harness that brings it
	Host     string   `json:"host"`              // a name, "*." and a name for all below it, or with Private an address
	Ports    []int    `json:"ports"`             // rising
	Protocol string   `json:"protocol"`          // of all its ports
	Methods  []string `json:"methods,omitempty"` // none is any but CONNECT and TRACE
	Paths    []string `json:"paths,omitempty"`   // "/a/b" is that one, "/a/*" all below; none is any
	Private  bool     `json:"private,omitempty"` // the host may lie at a private or loopback address
	Limits   *Limits  `json:"limits,omitempty"`
}

// Limits bound what goes to one host in a day; 0 is no limit.
type Limits struct {
	RequestsPerDay int64 `json:"requestsPerDay,omitempty"`
	BytesUpPerDay  int64 `json:"bytesUpPerDay,omitempty"`
}

// Denial refuses requests.
type Denial struct {
	Name    string   `json:"name"`
	Host    string   `json:"host"`            // as a Rule's; an address needs nothing more
	Ports   []int    `json:"ports,omitempty"` // rising; none is every port
	Methods []string `json:"methods,omitempty"`
	Paths   []string `json:"paths,omitempty"` // compared without regard to case and to a last slash
}

// Upstream is the proxy that all connections of the gate go through.
type Upstream struct {
	Host     string `json:"host"` // name or address
	Port     int    `json:"port"`
	Resolves bool   `json:"resolves,omitempty"` // it is given names, so that the gate checks no address
}
