// Package egress is what a gate tells about itself: the answer of its control socket, and the counts that it keeps in a
// file so that they are there while the gate is not. A gate runs as its own user and a reader as root, so that both are
// read strictly and within bounds.
package egress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"fleet/schemas/report"
	"fleet/schemas/strict"
)

// Version is the version of both formats.
const Version = 1

// Names of the files and of the paths of the control socket.
const (
	CountsFile  = "counts"
	StatusPath  = "/status"
	MetricsPath = "/metrics"
)

// Bounds of what is read.
const (
	MaxCounts = 64 << 10
	MaxStatus = 64 << 10
	maxHours  = 48
	maxText   = 4 << 10
)

// Tally counts decisions. Those on the gate's own names are in none.
type Tally struct {
	Allowed  int64 `json:"allowed"`
	Denied   int64 `json:"denied"`
	Reported int64 `json:"reported"` // allowed by mode report alone
	Bypassed int64 `json:"bypassed"` // allowed by a bypass alone

	Injected  int64 `json:"injected,omitempty"`  // secrets that were put into requests
	Misplaced int64 `json:"misplaced,omitempty"` // requests with a placeholder where no secret is put in
}

// Add adds another one.
func (t *Tally) Add(o Tally) {
	t.Allowed += o.Allowed
	t.Denied += o.Denied
	t.Reported += o.Reported
	t.Bypassed += o.Bypassed
	t.Injected += o.Injected
	t.Misplaced += o.Misplaced
}

// maxTally bounds a number: what every reader of JSON has exactly, and no sum of hours runs over.
const maxTally = 1 << 53

func (t Tally) valid() bool {
	all := []int64{t.Allowed, t.Denied, t.Reported, t.Bypassed, t.Injected, t.Misplaced}
	return slices.Min(all) >= 0 && slices.Max(all) <= maxTally
}

// Hour is the decisions of one hour.
type Hour struct {
	Start time.Time `json:"start"` // UTC, a whole hour
	Tally Tally     `json:"tally"`
}

// Counts is the content of a gate's counts file.
type Counts struct {
	Version int       `json:"version"`
	Since   time.Time `json:"since"` // what Total counts from
	Total   Tally     `json:"total"`
	Hours   []Hour    `json:"hours"` // rising; those without a decision are left out
}

// Last adds up the hours of the day before now, the hour that has begun among them.
func (c *Counts) Last(now time.Time) Tally {
	var t Tally
	for _, h := range c.Hours {
		if h.Start.After(now.Add(-24*time.Hour)) && !h.Start.After(now) {
			t.Add(h.Tally)
		}
	}
	return t
}

// ParseCounts reads a counts file.
func ParseCounts(b []byte) (*Counts, error) {
	c := new(Counts)
	if err := parse(b, MaxCounts, "counts", c); err != nil {
		return nil, err
	}
	rising := slices.IsSortedFunc(c.Hours, func(a, b Hour) int { return a.Start.Compare(b.Start) })
	whole := !slices.ContainsFunc(c.Hours, func(h Hour) bool {
		return !h.Tally.valid() || !h.Start.Equal(h.Start.Truncate(time.Hour))
	})
	if len(c.Hours) > maxHours || !rising || !whole || !c.Total.valid() {
		return nil, fmt.Errorf("counts must have at most %d whole hours, rising, and no number below 0 or too large", maxHours)
	}
	return c, nil
}

// Bypass is a bypass that runs.
type Bypass struct {
	Until   int64  `json:"until"`   // nanoseconds of CLOCK_BOOTTIME
	Seconds int64  `json:"seconds"` // until then, rounded up
	Reason  string `json:"reason"`
	By      string `json:"by"`
}

// Status is the answer to GET /status.
type Status struct {
	Version int       `json:"version"`
	Project string    `json:"project"`
	Agent   string    `json:"agent"`
	Mode    string    `json:"mode"`   // of the policy
	Policy  string    `json:"policy"` // SHA-256 of the policy file in force, in hex
	Cut     bool      `json:"cut"`
	Mute    bool      `json:"mute,omitempty"` // the journal takes no records, so that nothing new is allowed
	Bypass  *Bypass   `json:"bypass,omitempty"`
	Open    int64     `json:"open"` // connections of the agent
	Day     Tally     `json:"day"`  // of the last 24 hours
	Total   Tally     `json:"total"`
	Error   string    `json:"error,omitempty"` // why what was read last is not in force
	Started time.Time `json:"started"`
}

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ParseStatus reads an answer. Texts in it may be shown as they are.
func ParseStatus(b []byte) (*Status, error) {
	s := new(Status)
	if err := parse(b, MaxStatus, "status", s); err != nil {
		return nil, err
	}
	texts := []string{s.Project, s.Agent, s.Mode, s.Error}
	if s.Bypass != nil {
		texts = append(texts, s.Bypass.Reason, s.Bypass.By)
	}
	raw := slices.ContainsFunc(texts, func(t string) bool { return len(t) > maxText || report.Printable(t) != t })
	switch {
	case raw:
		return nil, fmt.Errorf("status must have printable texts of at most %d bytes", maxText)
	case !digest.MatchString(s.Policy):
		return nil, errors.New("status must name the policy by its SHA-256 in hex")
	case s.Open < 0 || !s.Day.valid() || !s.Total.valid():
		return nil, errors.New("status must have no number below 0 or too large")
	}
	return s, nil
}

// Encode returns the text of Counts or Status.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return b.Bytes(), nil
}

// parse reads one JSON object of our version, in which no key stands twice.
func parse(b []byte, limit int, what string, v any) error {
	if len(b) > limit {
		return fmt.Errorf("%s must have at most %d bytes", what, limit)
	}
	if _, err := strict.Decode(b); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	version, err := strict.Version(b)
	if err != nil {
		return fmt.Errorf("%s must be a JSON object: %w", what, err)
	}
	if version != Version {
		return fmt.Errorf("%s has version %d, this tool reads version %d", what, version, Version)
	}
	if err := strict.Into(b, v); err != nil {
		return fmt.Errorf("%s must follow its schema: %w", what, err)
	}
	return nil
}
