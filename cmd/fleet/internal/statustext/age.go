package statustext

import (
	"fmt"
	"strconv"
	"time"
)

// age is a length of time for people: one unit, rounded down, as one says it.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + age(-d)
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// ago is how long before now t was.
func ago(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case t.After(now.Add(time.Second)):
		return "in the future"
	}
	return age(now.Sub(t)) + " ago"
}

// in is how long after now t is.
func in(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case t.Before(now):
		return "now"
	}
	return "in " + age(t.Sub(now))
}

// byteSize is a number of bytes in the form of a spec, such as 612M.
func byteSize(n uint64) string {
	const units = "KMGT"
	if n < 1<<10 {
		return strconv.FormatUint(n, 10)
	}
	i := 0
	f := float64(n) / (1 << 10)
	for f >= 1<<10 && i < len(units)-1 {
		f /= 1 << 10
		i++
	}
	if f < 10 && f != float64(int(f)) {
		return fmt.Sprintf("%.1f%c", f, units[i])
	}
	return fmt.Sprintf("%d%c", int(f), units[i])
}
