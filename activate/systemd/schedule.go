package systemd

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Schedule is when a timer fires.
type Schedule struct {
	Next time.Time // zero where it will not
	Last time.Time // zero where it has not since its time stamp was lost
}

// Schedule returns when a timer fires. One that systemd does not know never does.
func (m *Manager) Schedule(ctx context.Context, timer string) (Schedule, error) {
	var s Schedule
	units, err := m.Units(ctx, []string{timer})
	if err != nil || units[timer].LoadState == notFound {
		return s, err
	}
	p, err := m.conn.GetUnitTypePropertiesContext(ctx, timer, "Timer")
	if err != nil {
		return s, fmt.Errorf("ask systemd for %s: %w", timer, err)
	}
	s.Last = realtime(p["LastTriggerUSec"])
	s.Next = realtime(p["NextElapseUSecRealtime"])
	if next := sinceBoot(p["NextElapseUSecMonotonic"]); !next.IsZero() && (s.Next.IsZero() || next.Before(s.Next)) {
		s.Next = next
	}
	return s, nil
}

// realtime reads microseconds since 1970; 0 and the largest number stand for never.
func realtime(v any) time.Time {
	usec, ok := v.(uint64)
	if !ok || usec == 0 || usec > math.MaxInt64 {
		return time.Time{}
	}
	return time.UnixMicro(int64(usec)).UTC()
}

// Uptime is the time of CLOCK_MONOTONIC, which systemd and the journal use too.
func Uptime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0 // cannot fail, see clock_gettime(2)
	}
	return time.Duration(now.Nano())
}

// sinceBoot reads microseconds of CLOCK_MONOTONIC.
func sinceBoot(v any) time.Time {
	usec, ok := v.(uint64)
	if !ok || usec == 0 || usec > math.MaxInt64 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(usec)*time.Microsecond - Uptime()).UTC().Round(time.Second)
}
