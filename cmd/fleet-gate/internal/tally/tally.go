// Package tally counts what a gate does: decisions by the hour, for people, and counters for Prometheus. It sees the
// records of the audit, so that both tell the same.
package tally

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	record "fleet/schemas/audit"
	"fleet/schemas/egress"
	"fleet/schemas/policy"
)

const (
	// maxRules and maxReasons bound the series that a policy or a fault can make; the rest is counted as other.
	maxRules, maxReasons = 100, 100
	other                = "other"
)

// bounds are the upper ends of the buckets for the time that a connection to a host takes, in seconds; the last bucket
// has none.
var bounds = [...]float64{0.005, 0.02, 0.1, 0.5, 2, 10}

type decision struct{ verdict, reason string }

// Tally counts.
type Tally struct {
	now     func() time.Time
	changed func()

	mu        sync.Mutex
	counts    egress.Counts
	decisions map[decision]int64
	rules     map[string]int64
	secrets   map[string]int64
	answers   map[string]int64
	dials     [len(bounds) + 1]int64
	dialTime  time.Duration

	up, down, self, dialErrors, unrecorded atomic.Int64
}

// New makes a Tally that has counted nothing. It calls changed after its counts have changed.
func New(changed func()) *Tally {
	t := &Tally{
		now: time.Now, changed: changed,
		decisions: map[decision]int64{}, rules: map[string]int64{}, secrets: map[string]int64{}, answers: map[string]int64{},
	}
	t.counts = egress.Counts{Version: egress.Version, Since: t.now().UTC().Truncate(time.Second), Hours: []egress.Hour{}}
	return t
}

// Log takes records; audit.Log is one.
type Log interface{ Write(record.Record) error }

// Over returns a log that counts what it passes on to log.
func (t *Tally) Over(log Log) Log { return counting{t, log} }

type counting struct {
	t   *Tally
	log Log
}

// Write passes a record on. What the log does not take is counted as such, and what it refuses as denied by the caller,
// who has nothing recorded then.
func (c counting) Write(r record.Record) error {
	err := c.log.Write(r)
	if err != nil {
		c.t.unrecorded.Add(1)
		if r.Verdict != record.Deny && r.Event == record.Decision {
			r.Verdict, r.Reason = record.Deny, "unrecorded"
		}
	}
	c.t.record(r)
	return err
}

func (t *Tally) record(r record.Record) {
	switch {
	case r.Event == record.End:
		t.up.Add(r.BytesUp)
		t.down.Add(r.BytesDown)
		if r.Result != policy.ReasonPlaceholder { // found in a body whose begin had gone
			return
		}
		t.mu.Lock()
		t.count(egress.Tally{Misplaced: 1})
		t.mu.Unlock()
		t.changed()
		return
	case r.Reason == policy.ReasonSelf:
		t.self.Add(1)
		return
	}
	t.mu.Lock()
	bounded(t.decisions, decision{r.Verdict, r.Reason}, decision{r.Verdict, other}, maxReasons)
	if r.Verdict == record.Allow && r.Rule != "" {
		bounded(t.rules, r.Rule, other, maxRules)
	}
	if r.Verdict != record.Deny {
		for name := range strings.FieldsSeq(r.Secrets) {
			bounded(t.secrets, name, other, policy.MaxSecrets)
		}
	}
	t.count(of(&r))
	t.mu.Unlock()
	t.changed()
}

// bounded adds one to key, or to rest when there are limit others.
func bounded[K comparable](m map[K]int64, key, rest K, limit int) {
	if _, ok := m[key]; !ok && len(m) >= limit {
		key = rest
	}
	m[key]++
}

// Answered counts an answer of the name service.
func (t *Tally) Answered(code string) {
	t.mu.Lock()
	t.answers[code]++
	t.mu.Unlock()
}

// Dialled counts an attempt to connect to a host.
func (t *Tally) Dialled(took time.Duration, err error) {
	if err != nil {
		t.dialErrors.Add(1)
	}
	i := 0
	for i < len(bounds) && took.Seconds() > bounds[i] {
		i++
	}
	t.mu.Lock()
	t.dials[i]++
	t.dialTime += took
	t.mu.Unlock()
}
