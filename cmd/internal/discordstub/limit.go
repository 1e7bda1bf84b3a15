package discordstub

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// bucket is a rate limit.
type bucket struct {
	left   int
	until  time.Time // full again
	closed time.Time // by a 429, and when that was told
	told   time.Time
}

// limit takes one of a bucket's requests, or answers with 429.
func (s *Server) limit(w http.ResponseWriter, c *call) bool {
	now := time.Now()
	if !s.inSecond(w, c, now) {
		return false
	}
	b := s.buckets[c.bucket()]
	if b == nil {
		b = &bucket{}
		s.buckets[c.bucket()] = b
	}
	for _, one := range []*bucket{s.global, b} {
		if now.Before(one.closed) {
			if now.Sub(one.told) > s.Grace && !s.Shared {
				s.breach("%s: sent %s before the end of Retry-After", c.route, time.Until(one.closed))
			}
			s.tooMany(w, one, time.Until(one.closed), one == s.global)
			return false
		}
	}
	if !now.Before(b.until) {
		b.left, b.until = s.Requests, now.Add(s.Window)
	}
	if b.left <= 0 {
		if !s.Shared {
			s.breach("%s: sent though no request was left in the bucket", c.route)
		}
		s.tooMany(w, b, time.Until(b.until), false)
		return false
	}
	b.left--
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.Requests))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(b.left))
	h.Set("X-RateLimit-Reset", fmt.Sprintf("%.3f", float64(b.until.UnixMilli())/1000))
	h.Set("X-RateLimit-Reset-After", fmt.Sprintf("%.3f", time.Until(b.until).Seconds()))
	hash := fnv.New64()
	hash.Write([]byte(c.route))
	h.Set("X-RateLimit-Bucket", fmt.Sprintf("%016x", hash.Sum64()))
	return true
}

// Restarted tells that clients begin anew, and know nothing of limits that they were told.
func (s *Server) Restarted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, b := range s.buckets {
		b.told = now
	}
	for _, c := range s.channels {
		c.told = now
	}
	s.global.told = now
}

// Refusals returns how often 429 was answered, those of faults aside that are not JSON.
func (s *Server) Refusals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusals
}

// inSecond counts a bot's requests of the last second. On their way requests that were sent one after the other can
// come close together, so only twice as many as are allowed are a breach.
func (s *Server) inSecond(w http.ResponseWriter, c *call, now time.Time) bool {
	all := slices.DeleteFunc(s.recent[c.user.ID], func(at time.Time) bool { return now.Sub(at) >= time.Second })
	all = append(all, now)
	s.recent[c.user.ID] = all
	if len(all) > 2*s.PerSecond {
		s.breach("%s: %d requests in a second", c.route, len(all))
	}
	if len(all) > s.PerSecond {
		s.tooMany(w, s.global, all[len(all)-s.PerSecond].Add(time.Second).Sub(now), true)
		return false
	}
	return true
}

// tooMany answers with 429 and closes the bucket, if it is one that can be.
func (s *Server) tooMany(w http.ResponseWriter, b *bucket, after time.Duration, global bool) {
	now := time.Now()
	s.refusals++
	if b != nil {
		b.closed, b.told = now.Add(after), now
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	// The header has whole seconds, rounded up; the body says it exactly.
	h.Set("Retry-After", str(int64(math.Ceil(after.Seconds()))))
	h.Set("X-RateLimit-Scope", "user")
	if global {
		h.Set("X-RateLimit-Global", "true")
		h.Set("X-RateLimit-Scope", "global")
		for _, name := range []string{"Limit", "Remaining", "Reset", "Reset-After", "Bucket"} {
			h.Del("X-RateLimit-" + name)
		}
	}
	w.WriteHeader(http.StatusTooManyRequests)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"message": "You are being rate limited.", "retry_after": after.Seconds(), "global": global,
	})
}
