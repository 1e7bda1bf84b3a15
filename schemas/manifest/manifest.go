// Package manifest describes a generation: its files, users and units. The generator writes it, the activator and
// `fleet verify` prove a folder whole by it.
package manifest

// Version is the version of the format.
const Version = 1

// Tool is the version of the tool. It is a constant, since what a Go build stamps changes with every commit and would
// make every generation differ.
const Tool = "0.1.0"

// FileName is the manifest's name inside a generation.
const FileName = "manifest.json"

// ID identifies a generation by content: the lower-case hex SHA-256 over all files but the manifest, see ComputeID.
type ID string

// Short is the form that people see, the first 8 digits.
func (id ID) Short() string {
	if len(id) < 8 {
		return string(id)
	}
	return string(id[:8])
}

// Manifest is the content of manifest.json.
type Manifest struct {
	Version    int               `json:"version"`
	Tool       string            `json:"tool"`   // version of the tool that built it
	Target     string            `json:"target"` // GOOS/GOARCH of the daemons, such as linux/amd64
	Project    string            `json:"project"`
	ID         ID                `json:"id"`
	Spec       map[string]string `json:"spec"` // SHA-256 of the evaluated spec ("spec") and of every imported file, by path relative to the spec
	Files      []File            `json:"files"`
	Users      []User            `json:"users"`
	Groups     []string          `json:"groups"` // groups that must exist beside the users' own, such as fleet-operators
	Agents     []Agent           `json:"agents"`
	Units      []Unit            `json:"units"`
	Secrets    []Secret          `json:"secrets,omitempty"`
	Sidecars   []Sidecar         `json:"sidecars,omitempty"`
	Table      string            `json:"table"` // nft table, family inet
	UIDs       [2]int            `json:"uids"`  // reserved range
	Activation Activation        `json:"activation"`
	Retention  int               `json:"retention"` // generations kept
}

// File is one file or link of the generation.
type File struct {
	Path   string `json:"path"`
	Mode   string `json:"mode"`             // octal, such as "0444"; "link" for a symbolic link
	SHA256 string `json:"sha256,omitempty"` // of the content
	Link   string `json:"link,omitempty"`   // target of a link
	Size   int64  `json:"size"`
	Store  string `json:"store,omitempty"` // name in the host's store, where units name the file by content
}

// User is an OS user of the generation.
type User struct {
	Name  string `json:"name"`
	UID   int    `json:"uid"`
	Home  string `json:"home"`
	Agent string `json:"agent,omitempty"`
	Gate  bool   `json:"gate,omitempty"` // of the agent's gate, not of the agent
}

// NoHome is the home of users that have none.
const NoHome = "/nonexistent"

// Agent is what activation, status and diff must know of an agent; nothing here is secret.
type Agent struct {
	Key            string            `json:"key"`
	Name           string            `json:"name"`
	User           string            `json:"user"`
	Unit           string            `json:"unit"`
	Enabled        bool              `json:"enabled"`
	Isolation      string            `json:"isolation"`
	Harness        string            `json:"harness"`
	Program        string            `json:"program,omitempty"` // must be found on the host, "" where generated
	Install        string            `json:"install,omitempty"` // how to install it
	OnChange       string            `json:"onChange"`
	Session        int               `json:"session"` // seconds
	Sudo           []string          `json:"sudo,omitempty"`
	Mounts         []string          `json:"mounts,omitempty"`         // "SOURCE TARGET ro" or "... rw"
	Ports          string            `json:"ports,omitempty"`          // "FROM-TO"
	PermissionMode string            `json:"permissionMode,omitempty"` // of the harness's managed settings
	Unsafe         []string          `json:"unsafe,omitempty"`         // loosened systemd directives
	Limits         map[string]string `json:"limits,omitempty"`
	Signing        bool              `json:"signing,omitempty"`
	Login          bool              `json:"login,omitempty"` // its harness is logged in to an account, whose token it has
	Schedules      []string          `json:"schedules,omitempty"`
}

// Secret is a credential of the fleet: its name and who is near it. The value is in the host's vault.
type Secret struct {
	Name        string   `json:"name"`
	Disposition string   `json:"disposition"`     // broker, sidecar, expose or absent
	Agents      []string `json:"agents"`          // keys of those that may use it
	Hosts       []string `json:"hosts"`           // to which gates send it
	Place       string   `json:"place,omitempty"` // where it stands in a request, for people
}

// Sidecar is one instance of a tool that holds secrets.
type Sidecar struct {
	Name    string   `json:"name"` // in the spec
	Key     string   `json:"key"`  // by which its units, users and folders are named, as an agent's by its key
	User    string   `json:"user"`
	Unit    string   `json:"unit"`
	Agents  []string `json:"agents"`            // keys of those that may call it
	Secrets []string `json:"secrets"`           // that it holds
	Program string   `json:"program,omitempty"` // must be found on the host, "" where the tool is reached by HTTP
	Offers  string   `json:"offers"`            // which tools, for people
}

// The policies by which a changed unit is treated, in the unit itself as X-Fleet-OnChange=.
const (
	OnChangeRestart   = "restart"
	OnChangeGraceful  = "graceful"
	OnChangeImmediate = "immediate"
	OnChangeManual    = "manual"
	OnChangeReload    = "reload"
)

// Unit is one unit file.
type Unit struct {
	Name     string `json:"name"`
	Agent    string `json:"agent,omitempty"`
	OnChange string `json:"onChange"`
	Digest   string `json:"digest,omitempty"` // as recorded for a running instance, see libexec/record; "" where none is
}

// Activation holds the deadlines of a switch, in seconds.
type Activation struct {
	Health  int `json:"health"`
	Deadman int `json:"deadman"`
	Job     int `json:"job"`
}
