// Package detach lets a switch run apart from the terminal that asked for it. The request, the progress and the result
// are files of root's in /run, so that any client can follow a switch, leave it, and come back to it.
package detach

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Kinds of a request.
const (
	Switch   = "switch"
	Rollback = "rollback"
)

// Request says what a detached process is to do.
type Request struct {
	Project   string        `json:"project"`
	Kind      string        `json:"kind"`
	Source    string        `json:"source,omitempty"` // absolute path of a build; "" where Number is set
	Number    int           `json:"number,omitempty"` // generation on the host
	ID        string        `json:"id"`               // of the generation
	Invoker   int           `json:"invoker"`          // uid of the person who called sudo, 0 for root
	Confirm   time.Duration `json:"confirm,omitempty"`
	Boot      bool          `json:"boot,omitempty"`      // move the boot default only
	Now       bool          `json:"now,omitempty"`       // restart what would wait for its boundary
	Force     bool          `json:"force,omitempty"`     // also a generation that failed before
	Fallbacks []int         `json:"fallbacks,omitempty"` // generations to try where Number is damaged, best first
}

// Result is how a request ended.
type Result struct {
	Status     int      `json:"status"` // exit status for the client
	Message    string   `json:"message"`
	Generation int      `json:"generation,omitempty"`
	ID         string   `json:"id,omitempty"`
	Waiting    []string `json:"waiting,omitempty"` // agents that change at their next boundary
	Took       []Took   `json:"took,omitempty"`
	Holder     string   `json:"holder,omitempty"` // name of the switch that was at work already
}

// Took is the time that one phase took.
type Took struct {
	Phase   string  `json:"phase"`
	Text    string  `json:"text"`
	Seconds float64 `json:"seconds"`
}

// Dir is the folder of one request, /run/fleet/PROJECT/switch/NONCE.
type Dir string

// nonceForm is what a nonce looks like; it names folders and units.
var nonceForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// Parent returns the folder of all requests of a project below a root prefix.
func Parent(root, project string) string { return filepath.Join(root, "/run/fleet", project, "switch") }

// Open returns the folder of a request that is there already.
func Open(root, project, nonce string) (Dir, error) {
	if !nonceForm.MatchString(nonce) {
		return "", fmt.Errorf("%q is not the name of a switch", nonce)
	}
	d := Dir(filepath.Join(Parent(root, project), nonce))
	_, err := os.Stat(string(d))
	return d, err
}

// New records a request and returns its folder.
func New(root string, r Request) (Dir, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	parent := Parent(root, r.Project)
	if err := os.MkdirAll(filepath.Dir(parent), 0o755); err != nil {
		return "", err
	}
	if err := os.Mkdir(parent, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	d := Dir(filepath.Join(parent, hex.EncodeToString(b[:])))
	if err := os.Mkdir(string(d), 0o700); err != nil {
		return "", err
	}
	return d, d.write("request.json", r)
}

// Nonce returns the name of the request.
func (d Dir) Nonce() string { return filepath.Base(string(d)) }

// Progress is the file to which the detached process prints.
func (d Dir) Progress() string { return filepath.Join(string(d), "progress") }

// Request reads the request.
func (d Dir) Request() (Request, error) {
	var r Request
	return r, d.read("request.json", &r)
}

// Finish records the result; it is the last thing that a detached process does.
func (d Dir) Finish(r Result) error { return d.write("result.json", r) }

// Result returns the result, and false where there is none yet.
func (d Dir) Result() (Result, bool) {
	var r Result
	return r, d.read("result.json", &r) == nil
}

// Signals that a person gives to a running switch.
const (
	confirmFlag = "confirm"
	abortFlag   = "abort"
	waitsFlag   = "waits"
)

// Await marks that the switch waits for a person's confirmation from now on, or no longer.
func (d Dir) Await(waits bool) error {
	if waits {
		return os.WriteFile(filepath.Join(string(d), waitsFlag), nil, 0o600)
	}
	return os.Remove(filepath.Join(string(d), waitsFlag))
}

// Waits reports whether the switch waits for a confirmation.
func (d Dir) Waits() bool { return d.has(waitsFlag) }

// Confirm says yes to a switch that waits. Only the first one is taken.
func (d Dir) Confirm() error {
	if !d.Waits() {
		return errors.New("no switch waits for a confirmation")
	}
	return d.flag(confirmFlag, "the switch has been confirmed already")
}

// Confirmed reports whether a person has confirmed.
func (d Dir) Confirmed() bool { return d.has(confirmFlag) }

// Abort asks the switch to go back.
func (d Dir) Abort() error { return d.flag(abortFlag, "the switch has been told to go back already") }

// Aborted reports whether a person has asked to go back.
func (d Dir) Aborted() bool { return d.has(abortFlag) }

func (d Dir) has(name string) bool {
	_, err := os.Stat(filepath.Join(string(d), name))
	return err == nil
}

func (d Dir) flag(name, taken string) error {
	f, err := os.OpenFile(filepath.Join(string(d), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return errors.New(taken)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (d Dir) write(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := filepath.Join(string(d), "."+name)
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(string(d), name))
}

func (d Dir) read(name string, v any) error {
	data, err := os.ReadFile(filepath.Join(string(d), name))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
