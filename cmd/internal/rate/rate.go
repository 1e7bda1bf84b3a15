// Package rate bounds how often an agent may do something.
package rate

import (
	"sync"
	"time"
)

// Limit lets through so many calls in any minute, by the monotonic clock.
type Limit struct {
	mu    sync.Mutex
	times []time.Time // of the last calls, in a ring
	next  int
}

// New makes one for so many calls; 0 is no limit.
func New(perMinute int) *Limit { return &Limit{times: make([]time.Time, perMinute)} }

// Take takes a call at now and returns 0, or how long it is until one can be taken.
func (r *Limit) Take(now time.Time) time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if oldest := r.times[r.next]; !oldest.IsZero() {
		if wait := oldest.Add(time.Minute).Sub(now); wait > 0 {
			return wait
		}
	}
	r.times[r.next] = now
	r.next = (r.next + 1) % len(r.times)
	return 0
}
