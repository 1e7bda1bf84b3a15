package github

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
)

// What GitHub's documentation asks of those who use the REST API, "Best practices" and "Rate limits": requests one
// after the other, a second between those that change something, and of these at most 80 in a minute, which that second
// keeps to, and 500 in an hour.
const (
	pause   = time.Second
	perHour = 500

	// aMinute is how long to wait at least after a limit that does not tell how long; each further one doubles it.
	aMinute   = time.Minute
	maxStrike = 5

	// maxWait bounds what a header can ask for.
	maxWait = 24 * time.Hour
)

// limit keeps an account within the limits. It counts time by this host's monotonic clock, and what GitHub tells as a
// time of day it compares with GitHub's own.
type limit struct {
	turn chan struct{} // one request at a time

	mu      sync.Mutex
	until   time.Time // nothing before
	strikes int
	changed []time.Time // the last requests that changed something, at most perHour
	ahead   time.Duration
}

func newLimit() *limit { return &limit{turn: make(chan struct{}, 1)} }

// enter waits for the turn of a request. The error is backend.Later where it would have to wait longer than for that.
func (l *limit) enter(ctx context.Context, changes bool) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	wait, err := l.wait(changes)
	if err == nil {
		err = sleep.For(ctx, wait)
	}
	if err != nil {
		<-l.turn
	}
	return err
}

func (l *limit) wait(changes bool) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if d := l.until.Sub(now); d > 0 {
		return 0, &backend.Later{After: d, Err: errors.New("a limit of GitHub's is reached")}
	}
	n := len(l.changed)
	if !changes || n == 0 {
		return 0, nil
	}
	if n == perHour {
		if d := l.changed[0].Add(time.Hour).Sub(now); d > 0 {
			return 0, &backend.Later{After: d, Err: errors.New("GitHub takes no more changes in this hour")}
		}
	}
	return l.changed[n-1].Add(pause).Sub(now), nil
}

// leave ends a request.
func (l *limit) leave(changed bool) {
	if changed {
		l.mu.Lock()
		if l.changed = append(l.changed, time.Now()); len(l.changed) > perHour {
			l.changed = append(l.changed[:0], l.changed[len(l.changed)-perHour:]...)
		}
		l.mu.Unlock()
	}
	<-l.turn
}

// note learns from an answer.
func (l *limit) note(resp *http.Response, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		l.ahead = date.Sub(now)
	}
	refused := resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusTooManyRequests
	switch {
	case resp.Header.Get("Retry-After") != "":
		l.hold(now.Add(seconds(resp.Header.Get("Retry-After"))))
	case resp.Header.Get("X-RateLimit-Remaining") == "0":
		reset, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64)
		if err == nil {
			d := time.Unix(reset, 0).Sub(now.Add(l.ahead))
			// Both times are whole seconds.
			l.hold(now.Add(min(max(d, 0)+time.Second, maxWait)))
		} else if refused {
			l.strike(now)
		}
	case resp.StatusCode == http.StatusTooManyRequests, refused && bytes.Contains(body, []byte("rate limit")):
		l.strike(now)
	case resp.StatusCode < http.StatusBadRequest:
		l.strikes = 0
	}
}

func (l *limit) strike(now time.Time) {
	l.hold(now.Add(aMinute << l.strikes))
	l.strikes = min(l.strikes+1, maxStrike)
}

func (l *limit) hold(until time.Time) {
	if until.After(l.until) {
		l.until = until
	}
}

// seconds reads Retry-After, which is a number at GitHub; anything else is a minute.
func seconds(field string) time.Duration {
	n, err := strconv.Atoi(field)
	if err != nil || n < 0 {
		return aMinute
	}
	return min(time.Duration(min(n, int(maxWait/time.Second)))*time.Second, maxWait)
}

// left is how long nothing may be asked yet.
func (l *limit) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(time.Until(l.until), 0)
}

// clock is GitHub's, as far as it is known, for a time of this host's.
func (l *limit) clock(t time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.Add(l.ahead)
}
