package tally

import (
	"slices"
	"strings"
	"time"

	record "fleet/schemas/audit"
	"fleet/schemas/egress"
	"fleet/schemas/policy"
)

// keepHours is how many hours are kept: those of a day, and the one that has begun.
const keepHours = 25

// of is what a decision adds to the counts.
func of(r *record.Record) egress.Tally {
	var one egress.Tally
	switch r.Verdict {
	case record.Allow:
		one.Allowed = 1
	case record.Deny:
		one.Denied = 1
	case record.Would:
		one.Reported = 1
	case record.Bypassed:
		one.Bypassed = 1
	}
	if r.Reason == policy.ReasonPlaceholder {
		one.Misplaced = 1
	}
	if r.Verdict != record.Deny {
		one.Injected = int64(len(strings.Fields(r.Secrets)))
	}
	return one
}

// count adds to the hour that has begun and to the total.
func (t *Tally) count(some egress.Tally) {
	t.counts.Total.Add(some)
	t.hour().Add(some)
}

// hour returns the counts of the hour that has begun. The clock may have been set back or forth: hours stay in order,
// and those of another time are forgotten.
func (t *Tally) hour() *egress.Tally {
	now := t.now().UTC().Truncate(time.Hour)
	hours := t.counts.Hours
	if n := len(hours); n > 0 && hours[n-1].Start.Equal(now) {
		return &hours[n-1].Tally
	}
	hours = slices.DeleteFunc(hours, func(h egress.Hour) bool {
		return h.Start.After(now) || h.Start.Before(now.Add(-keepHours*time.Hour))
	})
	if n := len(hours); n == 0 || !hours[n-1].Start.Equal(now) {
		hours = append(hours, egress.Hour{Start: now})
	}
	t.counts.Hours = hours
	return &hours[len(hours)-1].Tally
}

// Encode returns the text of the counts file.
func (t *Tally) Encode() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return egress.Encode(&t.counts)
}

// Parse goes on with the counts of a file.
func (t *Tally) Parse(b []byte) error {
	c, err := egress.ParseCounts(b)
	if err != nil {
		return err
	}
	if c.Hours == nil {
		c.Hours = []egress.Hour{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts = *c
	return nil
}

// Counts are the decisions of the last day and all of them.
func (t *Tally) Counts() (day, total egress.Tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts.Last(t.now()), t.counts.Total
}
