package fleet

// Dispositions of a secret.
const (
	Broker     = "broker"  // the gate holds it
	ForSidecar = "sidecar" // a tool holds it
	Expose     = "expose"  // the agent has it
	Absent     = "absent"  // nobody has it
)

// Secret is a credential and how it is contained. Its value is no part of a spec.
type Secret struct {
	Disposition string      `json:"disposition"`
	Like        string      `json:"like,omitempty"` // a known credential; "" is the one of the secret's own name
	Hosts       []string    `json:"hosts"`
	Ports       []int       `json:"ports"`
	Methods     []string    `json:"methods"`
	Paths       []string    `json:"paths"`
	Header      string      `json:"header,omitempty"`
	Bearer      bool        `json:"bearer"`
	Basic       bool        `json:"basic"`
	Query       string      `json:"query,omitempty"`
	SigV4       string      `json:"sigv4,omitempty"`
	Env         string      `json:"env,omitempty"` // "" is the secret's name, or with Expose none
	Placeholder Placeholder `json:"placeholder"`
	Agents      []string    `json:"agents"`
	Note        string      `json:"note,omitempty"`
}

// Placeholder is the form of what an agent has in place of a secret.
type Placeholder struct {
	Prefix string `json:"prefix,omitempty"`
	Length int    `json:"length,omitempty"` // 0 is as long as it comes
}
