package cron

import "strings"

// Sets of everything.
var (
	anyDay     = between(1, 31, 1)
	anyWeekday = between(0, 6, 1)
)

// OnCalendar returns calendar events that match, together, the minutes that the schedule matches, at second 0: two where
// cron takes days of the month or of the week, since one event takes both. zone ends each, "" is the host's.
//
// On the days when clocks change they do what systemd does: a time that is left out does not come, and one that comes
// twice counts at its first time.
func (s Schedule) OnCalendar(zone string) []string {
	if zone != "" {
		zone = " " + zone
	}
	time := " " + s.hour.chain(0, 23) + ":" + s.minute.chain(0, 59) + ":00" + zone
	date := func(days set) string { return "*-" + s.month.chain(1, 12) + "-" + days.chain(1, 31) }
	switch {
	case !s.either:
		return []string{s.weekdays() + date(s.day) + time}
	case s.day == anyDay || s.weekday == anyWeekday:
		return []string{date(anyDay) + time}
	}
	return []string{date(s.day) + time, s.weekdays() + date(anyDay) + time}
}

var dayNames = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// weekdays writes the days of the week before a date, nothing for all. systemd's week begins on Monday.
func (s Schedule) weekdays() string {
	if s.weekday == anyWeekday {
		return ""
	}
	return strings.Join(weekdayRuns(s.weekday, ".."), ",") + " "
}

func weekdayRuns(days set, to string) []string {
	if days.has(0) {
		days = days&^1 | 1<<7
	}
	var out []string
	for _, r := range days.runs() {
		text := dayNames[r[0]%7]
		if r[1] > r[0] {
			text += to + dayNames[r[1]%7]
		}
		out = append(out, text)
	}
	return out
}
