package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What follows judges cron expressions and calendar events value by value, and shares no code with the package.

// reference is an expression of cron, read the slow way.
type reference struct {
	fields               [5][64]bool
	starDay, starWeekday bool
}

// read expands each field by trying every value. The expression is one that the package has accepted.
func read(expr string) reference {
	for _, word := range [][2]string{
		{"@hourly", "0 * * * *"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"},
		{"@weekly", "0 0 * * 0"},
		{"@monthly", "0 0 1 * *"},
		{"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
	} {
		if strings.EqualFold(strings.TrimSpace(expr), word[0]) {
			expr = word[1]
		}
	}
	words := strings.Fields(expr)
	low, high := [5]int{0, 0, 1, 1, 0}, [5]int{59, 23, 31, 12, 7}
	var r reference
	for i, word := range words {
		for v := low[i]; v <= high[i]; v++ {
			for item := range strings.SplitSeq(unnamed(i, word), ",") {
				if inItem(item, v, low[i], high[i]) {
					r.fields[i][v] = true
				}
			}
		}
	}
	r.fields[4][0] = r.fields[4][0] || r.fields[4][7]
	r.starDay, r.starWeekday = strings.HasPrefix(words[2], "*"), strings.HasPrefix(words[4], "*")
	return r
}

// unnamed writes numbers for names.
func unnamed(field int, word string) string {
	word = strings.ToLower(word)
	if field == 3 {
		for i, name := range strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec") {
			word = strings.ReplaceAll(word, name, strconv.Itoa(i+1))
		}
	}
	if field == 4 {
		for i, name := range strings.Fields("sun mon tue wed thu fri sat") {
			word = strings.ReplaceAll(word, name, strconv.Itoa(i))
		}
	}
	return word
}

func inItem(item string, v, low, high int) bool {
	span, step := item, 1
	if at := strings.Index(item, "/"); at >= 0 {
		span = item[:at]
		step, _ = strconv.Atoi(item[at+1:])
	}
	from, to := low, high
	if at := strings.Index(span, "-"); at >= 0 {
		from, _ = strconv.Atoi(span[:at])
		to, _ = strconv.Atoi(span[at+1:])
	} else if span != "*" {
		from, _ = strconv.Atoi(span)
		to = from
	}
	return v >= from && v <= to && (v-from)%step == 0
}

// matches is the rule of crontab(5): minute, hour and month must match, and one of both kinds of day, or both where one
// of them begins with a star.
func (r reference) matches(t clock) bool {
	if !r.fields[0][t.minute] || !r.fields[1][t.hour] || !r.fields[3][t.month] {
		return false
	}
	day, weekday := r.fields[2][t.day], r.fields[4][t.weekday]
	if r.starDay || r.starWeekday {
		return day && weekday
	}
	return day || weekday
}

// clock is a minute as a clock on the wall and a calendar beside it show it.
type clock struct{ minute, hour, day, month, weekday int }

func on(t time.Time) clock {
	return clock{t.Minute(), t.Hour(), t.Day(), int(t.Month()), int(t.Weekday())}
}

// minutes are all minutes of a year.
func minutes(year int) []clock {
	var out []clock
	for t := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC); t.Year() == year; t = t.Add(time.Minute) {
		out = append(out, on(t))
	}
	return out
}

// event is a calendar event of the form that the package writes, with a value of its own for each that it matches.
type event struct{ minute, hour, day, month, weekday [64]bool }

func readEvent(text string) (event, error) {
	var e event
	words := strings.Fields(text)
	for v := range 7 {
		e.weekday[v] = true
	}
	if len(words) == 3 {
		var err error
		if e.weekday, err = eventDays(words[0]); err != nil {
			return e, err
		}
		words = words[1:]
	}
	date := strings.Split(words[0], "-")
	if len(words) != 2 || len(date) != 3 || date[0] != "*" {
		return e, fmt.Errorf("%q has another form", text)
	}
	time := strings.Split(words[1], ":")
	if len(time) != 3 || time[2] != "00" {
		return e, fmt.Errorf("%q has another time", text)
	}
	for _, part := range []struct {
		to        *[64]bool
		text      string
		low, high int
	}{{&e.month, date[1], 1, 12}, {&e.day, date[2], 1, 31}, {&e.hour, time[0], 0, 23}, {&e.minute, time[1], 0, 59}} {
		for v := part.low; v <= part.high; v++ {
			for item := range strings.SplitSeq(part.text, ",") {
				part.to[v] = part.to[v] || inEvent(item, v, part.high)
			}
		}
	}
	return e, nil
}

// inEvent reads A, A..B, A/N and *.
func inEvent(item string, v, high int) bool {
	if item == "*" {
		return true
	}
	from, to, step := item, "", 1
	if a, b, ok := strings.Cut(item, ".."); ok {
		from, to = a, b
	} else if a, b, ok := strings.Cut(item, "/"); ok {
		from, to = a, strconv.Itoa(high)
		step, _ = strconv.Atoi(b)
	}
	if to == "" {
		to = from
	}
	low, _ := strconv.Atoi(from)
	last, _ := strconv.Atoi(to)
	return v >= low && v <= last && (v-low)%step == 0
}

func eventDays(text string) (out [64]bool, err error) {
	const week = "Mon Tue Wed Thu Fri Sat Sun"
	at := func(name string) int { return strings.Index(week, name) / 4 }
	for item := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(item, "..")
		if !ranged {
			to = from
		}
		if !strings.Contains(week, from) || !strings.Contains(week, to) || at(from) > at(to) {
			return out, fmt.Errorf("%q are no weekdays", text)
		}
		for v := at(from); v <= at(to); v++ {
			out[(v+1)%7] = true
		}
	}
	return out, nil
}

func (e event) matches(t clock) bool {
	return e.minute[t.minute] && e.hour[t.hour] && e.day[t.day] && e.month[t.month] && e.weekday[t.weekday]
}
