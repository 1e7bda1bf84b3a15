//go:build machine

package cron

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// asked is where systemd is asked from: before the ends of months and years and a leap day, and before clocks change.
var asked = []struct{ zone, from string }{
	{"UTC", "2026-11-30 23:40"},
	{"Europe/Berlin", "2026-12-31 12:00"},
	{"America/New_York", "2028-02-28 22:00"},
	{"Europe/Berlin", "2026-03-28 23:00"}, // 02:00 becomes 03:00
	{"Europe/Berlin", "2026-10-24 22:00"}, // 03:00 becomes 02:00
	{"America/New_York", "2026-11-01 04:00"},
}

// iterations is how many times are asked for, horizon how far the reference goes.
const (
	iterations = 60
	horizon    = 400 * 24 * time.Hour
)

var elapse = regexp.MustCompile(`(?m)^ *(?:Next elapse|Iter[a-z.]* #\d+): [A-Z][a-z]{2} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$`)

// analyzed asks systemd when an event comes.
func analyzed(t *testing.T, text string, base time.Time) []time.Time {
	t.Helper()
	cmd := exec.Command("systemd-analyze", "calendar", fmt.Sprintf("--iterations=%d", iterations),
		fmt.Sprintf("--base-time=@%d", base.Unix()), "--", text)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", text, err, out)
	}
	var times []time.Time
	for _, m := range elapse.FindAllSubmatch(out, -1) {
		at, err := time.Parse("2006-01-02 15:04:05", string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, at)
	}
	return times
}

// expected are the times after base until the last one, by the reference. What the clock shows for the second time, when
// it was put back an hour, does not count.
func expected(expr string, base, last time.Time, zone *time.Location) []time.Time {
	r := read(expr)
	var out []time.Time
	for at := base.Add(time.Minute); !at.After(last); at = at.Add(time.Minute) {
		now, before := on(at.In(zone)), on(at.Add(-time.Hour).In(zone))
		if now != before && r.matches(now) {
			out = append(out, at)
		}
	}
	return out
}

// systemd itself reads the translations as the reference reads cron, over the days when clocks change too.
func TestSystemdComesWhenCronDoes(t *testing.T) {
	for _, c := range asked {
		t.Run(c.from+" "+c.zone, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			base, err := time.Parse("2006-01-02 15:04", c.from)
			if err != nil {
				t.Fatal(err)
			}
			for _, expr := range corpus {
				comes(t, expr, base, zone)
			}
		})
	}
}

func comes(t *testing.T, expr string, base time.Time, zone *time.Location) {
	t.Helper()
	s, err := Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	last := base.Add(horizon)
	var got []time.Time
	for _, event := range s.OnCalendar(zone.String()) {
		times := analyzed(t, event, base)
		if len(times) >= iterations && times[len(times)-1].Before(last) {
			last = times[len(times)-1]
		}
		got = append(got, times...)
	}
	slices.SortFunc(got, time.Time.Compare)
	got = slices.CompactFunc(got, time.Time.Equal)
	got = slices.DeleteFunc(got, func(at time.Time) bool { return at.After(last) })
	if d := cmp.Diff(expected(expr, base, last, zone), got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%q as %q: %s", expr, s.OnCalendar(zone.String()), d)
	}
}
