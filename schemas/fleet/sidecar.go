package fleet

// Identities of a sidecar.
const (
	Shared   = "shared"
	PerAgent = "per-agent"
)

// Sidecar is a tool with secrets that agents call over MCP.
type Sidecar struct {
	Command        []string                  `json:"command"`
	URL            string                    `json:"url,omitempty"`
	Secrets        []string                  `json:"secrets"`
	Tools          []string                  `json:"tools"`
	DenyTools      []string                  `json:"denyTools"`
	Arguments      map[string]map[string]any `json:"arguments"`      // JSON Schema by tool
	CallsPerMinute int                       `json:"callsPerMinute"` // 0 is no limit
	CallTimeout    Duration                  `json:"callTimeout"`
	MaxMessage     Size                      `json:"maxMessage"`
	AuditArguments bool                      `json:"auditArguments"`
	Identity       string                    `json:"identity"`
	Env            map[string]string         `json:"env"`
	Egress         SidecarEgress             `json:"egress"`
	Limits         SidecarLimits             `json:"limits"`
	Note           string                    `json:"note,omitempty"`
}

// SidecarEgress is what a tool may reach. The fleet's own list does not count.
type SidecarEgress struct {
	Mode  string         `json:"mode"`
	Allow []EgressRule   `json:"allow"`
	Deny  []EgressDenial `json:"deny"`
}

// SidecarLimits bound what a tool can use of the host.
type SidecarLimits struct {
	Memory Size `json:"memory"`
	Tasks  int  `json:"tasks"`
}
