package slack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// recent remembers the last values that were put.
type recent struct {
	mu     sync.Mutex
	values map[string]string
	keys   []string // in a ring
	next   int
}

func newRecent(most int) *recent {
	return &recent{values: map[string]string{}, keys: make([]string, most)}
}

func (r *recent) put(key, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.values[key]; !ok {
		delete(r.values, r.keys[r.next])
		r.keys[r.next] = key
		r.next = (r.next + 1) % len(r.keys)
	}
	r.values[key] = value
}

func (r *recent) get(key string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.values[key]
	return v, ok
}

// order compares two ts, SECONDS.MICROSECONDS; "" is before all.
func order(a, b string) int {
	aSeconds, aRest, _ := strings.Cut(a, ".")
	bSeconds, bRest, _ := strings.Cut(b, ".")
	return cmp.Or(cmp.Compare(len(aSeconds), len(bSeconds)), cmp.Compare(aSeconds, bSeconds), cmp.Compare(aRest, bRest))
}

func before(a, b string) bool { return order(a, b) < 0 }

// clock returns the time of a ts.
func clock(ts string) time.Time {
	seconds, micros, _ := strings.Cut(ts, ".")
	s, _ := strconv.ParseInt(seconds, 10, 64)
	us, _ := strconv.ParseInt(micros, 10, 64)
	return time.Unix(s, us*1000)
}

// stamp returns the ts of a time.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000) }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
