// Package state is what a host remembers of a project: which generations it ever held, which of them proved healthy or
// failed, and what was done when. It holds hashes, never secrets.
package state

import (
	"slices"
	"time"

	"fleet/schemas/manifest"
)

// Version is the version of the format. Older ones are migrated by Parse.
const Version = 1

// maxHistory bounds the log: ten thousand switches are a switch a day for 27 years.
const maxHistory = 10_000

// State is the content of state.json.
type State struct {
	Version     int          `json:"version"`
	Project     string       `json:"project"`
	Last        int          `json:"last"`        // highest generation number ever given; numbers are not reused
	Generations []Generation `json:"generations"` // by number, rising; entries stay after their folder was collected
	History     []Event      `json:"history"`     // oldest first; appended to, never rewritten
}

// Generation is what is known of one generation beside its manifest.
type Generation struct {
	Number    int         `json:"number"`
	ID        manifest.ID `json:"id"`
	Confirmed bool        `json:"confirmed,omitempty"` // was healthy once and has been the boot default
	Failed    string      `json:"failed,omitempty"`    // why it was reverted: refused until forced
	Pinned    bool        `json:"pinned,omitempty"`    // never collected
	Gone      bool        `json:"gone,omitempty"`      // its folder was collected
}

// The actions of events.
const (
	ActionSwitch    = "switch"
	ActionRollback  = "rollback"
	ActionBoot      = "boot" // switch --boot: only the boot default
	ActionRevert    = "revert"
	ActionGC        = "gc"
	ActionUninstall = "uninstall"
)

// The results of events.
const (
	ResultOK       = "ok"
	ResultReverted = "reverted" // failed, and what was live before runs again
	ResultFailed   = "failed"   // needs a person
	ResultRefused  = "refused"
	ResultAborted  = "aborted" // by a person
)

// Event is one thing that was done to the host.
type Event struct {
	Time    time.Time   `json:"time"` // for people: order is by position, since clocks jump
	Action  string      `json:"action"`
	From    int         `json:"from"` // generation that was live; 0 is none
	To      int         `json:"to"`
	ID      manifest.ID `json:"id,omitempty"`
	Result  string      `json:"result"`
	Reason  string      `json:"reason,omitempty"`
	Nonce   string      `json:"nonce,omitempty"`
	Seconds float64     `json:"seconds,omitempty"`
}

// New returns the state of a project that a host has never held.
func New(project string) *State {
	return &State{Version: Version, Project: project, Generations: []Generation{}, History: []Event{}}
}

// Next returns a number that no generation ever had, held being the numbers whose folders stand on the host, and
// remembers it as given.
func (s *State) Next(held []int) int {
	for _, n := range held {
		s.Last = max(s.Last, n)
	}
	s.Last++
	return s.Last
}

// Get returns what is known of generation n.
func (s *State) Get(n int) (Generation, bool) {
	if i, ok := s.find(n); ok {
		return s.Generations[i], true
	}
	return Generation{}, false
}

func (s *State) find(n int) (int, bool) {
	return slices.BinarySearchFunc(s.Generations, n, func(g Generation, n int) int { return g.Number - n })
}

// at returns the entry of generation n, made where it is missing.
func (s *State) at(n int) *Generation {
	i, ok := s.find(n)
	if !ok {
		s.Generations = slices.Insert(s.Generations, i, Generation{Number: n})
		s.Last = max(s.Last, n)
	}
	return &s.Generations[i]
}

// Add remembers that the host holds generation n.
func (s *State) Add(n int, id manifest.ID) {
	g := s.at(n)
	g.ID, g.Gone = id, false
}

// Confirm marks n as healthy, which takes a mark of failure away.
func (s *State) Confirm(n int) {
	g := s.at(n)
	g.Confirmed, g.Failed = true, ""
}

// Fail marks n as a generation that was reverted for reason.
func (s *State) Fail(n int, reason string) { s.at(n).Failed = reason }

// Pin keeps n from being collected, or no longer.
func (s *State) Pin(n int, pinned bool) { s.at(n).Pinned = pinned }

// Collected remembers that n's folder is gone. A pin on it has no meaning any more.
func (s *State) Collected(n int) {
	g := s.at(n)
	g.Gone, g.Pinned = true, false
}

// FailedReason returns why a generation of this content was reverted, "" if none was since one of it last proved
// healthy. It is asked by content, since a collected generation that comes again has another number.
func (s *State) FailedReason(id manifest.ID) string {
	for _, g := range slices.Backward(s.Generations) {
		if g.ID == id && (g.Confirmed || g.Failed != "") {
			return g.Failed
		}
	}
	return ""
}

// Append adds an event to the log.
func (s *State) Append(e Event) {
	s.History = append(s.History, e)
	if over := len(s.History) - maxHistory; over > 0 {
		s.History = slices.Delete(s.History, 0, over)
	}
}

// Before returns the confirmed generations that were live before live, the latest first, each once: where a rollback
// leads, and where it leads if that one is damaged. Collected ones are left out. A rollback is itself in the log, so
// two in a row come back.
func (s *State) Before(live int) []int {
	var out []int
	for _, e := range slices.Backward(s.History) {
		moved := e.Action == ActionSwitch || e.Action == ActionRollback || e.Action == ActionBoot
		if !moved || e.Result != ResultOK {
			continue
		}
		g, _ := s.Get(e.From)
		if e.From != live && g.Confirmed && !g.Gone && !slices.Contains(out, e.From) {
			out = append(out, e.From)
		}
	}
	return out
}
