package state

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"fleet/schemas/manifest"
	"fleet/schemas/strict"
)

// TxnVersion is the version of the txn record and of the revert list.
const TxnVersion = 1

// MaxTxn bounds txn/NONCE.json.
const MaxTxn = 4 << 20

// Phases are the phases of a switch, in order, as they are recorded before their first effect.
var Phases = []string{"P0", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13"}

// Txn is a switch in progress: written before its first effect, removed when it is done. A record that nobody holds the
// lock for is an unfinished switch, which the next run recovers.
type Txn struct {
	Version int         `json:"version"`
	Project string      `json:"project"`
	Nonce   string      `json:"nonce"`
	Action  string      `json:"action"` // ActionSwitch, ActionRollback, ActionBoot or ActionRevert
	Phase   string      `json:"phase"`
	From    int         `json:"from"` // generation that was live; 0 is none
	To      int         `json:"to"`
	Boot    int         `json:"boot"` // what `boot` named when the switch began; its move to To is the commit point
	ID      manifest.ID `json:"id"`   // of To
	Started time.Time   `json:"started"`
	BootID  string      `json:"bootId"`            // of the kernel: after a reboot nothing is left to revert
	Unit    string      `json:"unit"`              // transient unit that does the switch
	Timer   string      `json:"timer"`             // transient timer of the dead man, without suffix
	Limit   int         `json:"limit,omitempty"`   // seconds that the way back gives a set of jobs before it kills what does not stop
	Confirm bool        `json:"confirm,omitempty"` // waits for a person
	Reason  string      `json:"reason,omitempty"`  // why it is being reverted
	Revert  Revert      `json:"revert"`
}

// Revert is what the tool-free revert does, in order.
type Revert struct {
	Firewall *Firewall `json:"firewall,omitempty"` // nil: no generation was live, the units' own stop removes the table
	Stop     []string  `json:"stop"`               // units that the old generation does not have
	Units    []Restore `json:"units"`              // units of the old generation that ran before, or are to run
}

// Firewall is how the old rules come back: SCRIPT reload FILE.
type Firewall struct {
	Script string `json:"script"` // absolute path in the store
	File   string `json:"file"`   // absolute path of the old generation's rules
}

// Restore is a unit that must run again as it did: restarted if another digest or another instance runs, else started
// if it does not run.
type Restore struct {
	Unit       string `json:"unit"`
	Digest     string `json:"digest,omitempty"`     // "": nothing is recorded for it
	Invocation string `json:"invocation,omitempty"` // of what ran, where no digest is recorded and the switch touches it
	Always     bool   `json:"always,omitempty"`     // restart whatever runs
}

// maxLimit is a day, the most that a manifest gives a job.
const maxLimit = 24 * 3600

// NewNonce returns a fresh name for a switch.
func NewNonce() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails: see crypto/rand
	return hex.EncodeToString(b)
}

// EncodeTxn returns the text of txn/NONCE.json.
func EncodeTxn(t *Txn) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	return encode("txn", t)
}

// ParseTxn reads txn/NONCE.json.
func ParseTxn(b []byte) (*Txn, error) {
	if len(b) > MaxTxn {
		return nil, fmt.Errorf("txn must have at most %d bytes, has %d", MaxTxn, len(b))
	}
	version, err := strict.Version(b)
	if err != nil {
		return nil, fmt.Errorf("txn must be JSON: %w", err)
	}
	if version != TxnVersion {
		return nil, fmt.Errorf("txn has version %d, this tool reads %d: finish it with the tool that began it",
			version, TxnVersion)
	}
	t := new(Txn)
	if err := strict.Into(b, t); err != nil {
		return nil, fmt.Errorf("txn must follow its schema: %w", err)
	}
	return t, t.check()
}

var (
	unitName = regexp.MustCompile(
		`^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.(service|socket|timer|target|slice|path|mount)$`)
	plainPath = regexp.MustCompile(`^(/[A-Za-z0-9:_.@+-]+)+$`)
	hexDigest = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// check holds the record to what the line-based list can say: everything in that list is read by a shell as root.
func (t *Txn) check() error {
	switch {
	case !projectName.MatchString(t.Project):
		return fmt.Errorf("txn: project %q is not a project name", t.Project)
	case !hexNonce.MatchString(t.Nonce):
		return fmt.Errorf("txn: nonce %q must be 16 to 64 hex digits", t.Nonce)
	case !slices.Contains(Phases, t.Phase):
		return fmt.Errorf("txn: phase %q is unknown", t.Phase)
	case t.From < 0 || t.To < 0 || t.Boot < 0:
		return fmt.Errorf("txn: generations %d and %d must not be negative", t.From, t.To)
	case t.Limit < 0 || t.Limit > maxLimit:
		return fmt.Errorf("txn: limit %d must be from 0 to %d seconds", t.Limit, maxLimit)
	case t.Unit != "" && !unitName.MatchString(t.Unit):
		return fmt.Errorf("txn: unit %q is not a unit name", t.Unit)
	case t.Timer != "" && !unitName.MatchString(t.Timer+".timer"):
		return fmt.Errorf("txn: timer %q is not a unit name without suffix", t.Timer)
	}
	return t.Revert.check()
}

func (r *Revert) check() error {
	for _, u := range r.Stop {
		if !unitName.MatchString(u) {
			return fmt.Errorf("txn: %q is not a unit name", u)
		}
	}
	for _, u := range r.Units {
		if !unitName.MatchString(u.Unit) || !hexOrNone(u.Digest) || !hexOrNone(u.Invocation) {
			return fmt.Errorf("txn: %q with digest %q and invocation %q is not a unit to restore", u.Unit, u.Digest, u.Invocation)
		}
	}
	if f := r.Firewall; f != nil && (!plain(f.Script) || !plain(f.File)) {
		return fmt.Errorf("txn: firewall script %q and file %q must be plain absolute paths", f.Script, f.File)
	}
	return nil
}

func hexOrNone(s string) bool { return s == "" || hexDigest.MatchString(s) }

func plain(p string) bool { return plainPath.MatchString(p) && path.Clean(p) == p }

// Lines returns the list that the revert script reads, one order a line, words parted by one blank. The script's head
// documents the words.
func (t *Txn) Lines() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	var b strings.Builder
	line := func(words ...string) { b.WriteString(strings.Join(words, " ") + "\n") }
	line("fleet-revert", fmt.Sprint(TxnVersion))
	line("project", t.Project)
	line("nonce", t.Nonce)
	line("from", fmt.Sprint(t.From))
	line("to", fmt.Sprint(t.To))
	line("boot", fmt.Sprint(t.Boot))
	if t.Unit != "" {
		line("unit", t.Unit)
	}
	if t.Timer != "" {
		line("timer", t.Timer)
	}
	if t.Limit > 0 {
		line("limit", fmt.Sprint(t.Limit))
	}
	if f := t.Revert.Firewall; f != nil {
		line("firewall", f.Script, f.File)
	}
	for _, u := range t.Revert.Stop {
		line("stop", u)
	}
	for _, u := range t.Revert.Units {
		switch {
		case u.Always:
			line("restart", u.Unit)
		case u.Digest != "":
			line("run", u.Unit, u.Digest)
		case u.Invocation != "":
			line("keep", u.Unit, u.Invocation)
		default:
			line("start", u.Unit)
		}
	}
	line("end")
	return []byte(b.String()), nil
}
