package cron

import (
	"fmt"
	"strings"
)

// Words says the schedule as a person does, such as "at 02:30 on Mon to Fri".
func (s Schedule) Words() string {
	parts := []string{s.time(), s.days()}
	if s.month != between(1, 12, 1) {
		parts = append(parts, "in "+s.months())
	}
	return strings.Join(parts, " ")
}

// mostTimes is how many times of day are listed one by one.
const mostTimes = 4

func (s Schedule) time() string {
	all := s.hour == between(0, 23, 1)
	_, step, even := s.minute.repetition(59)
	switch {
	case s.hour.size()*s.minute.size() <= mostTimes:
		var times []string
		for _, h := range s.hour.values() {
			for _, m := range s.minute.values() {
				times = append(times, fmt.Sprintf("%02d:%02d", h, m))
			}
		}
		return "at " + and(times)
	case s.minute == between(0, 59, 1) && all:
		return "every minute"
	case s.minute == between(0, 59, 1):
		return "every minute of hour " + and(s.hour.words())
	case even && s.minute.has(0) && 60%step == 0 && all:
		return fmt.Sprintf("every %d minutes", step)
	case even && s.minute.has(0) && 60%step == 0:
		return fmt.Sprintf("every %d minutes of hour %s", step, and(s.hour.words()))
	case all:
		return "at minute " + and(s.minute.words()) + " of every hour"
	}
	return "at minute " + and(s.minute.words()) + " of hour " + and(s.hour.words())
}

func (s Schedule) days() string {
	date, week := "day "+and(s.day.words())+" of the month", and(weekdayRuns(s.weekday, " to "))
	switch {
	case s.either && (s.day == anyDay || s.weekday == anyWeekday), s.day == anyDay && s.weekday == anyWeekday:
		return "every day"
	case s.either:
		return "on " + date + " and on every " + week
	case s.weekday == anyWeekday:
		return "on " + date
	case s.day == anyDay:
		return "on " + week
	}
	return "on " + week + " that is " + date
}

var monthNames = [...]string{
	"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
}

func (s Schedule) months() string {
	var out []string
	for _, r := range s.month.runs() {
		text := monthNames[r[0]-1]
		if r[1] > r[0] {
			text += " to " + monthNames[r[1]-1]
		}
		out = append(out, text)
	}
	return and(out)
}

// words are the numbers as ranges.
func (s set) words() []string {
	var out []string
	for _, r := range s.runs() {
		text := fmt.Sprint(r[0])
		if r[1] > r[0] {
			text += fmt.Sprintf(" to %d", r[1])
		}
		out = append(out, text)
	}
	return out
}

func and(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
