// Package calendar checks calendar events as systemd.time(7) writes them, without asking a host. It follows systemd's
// own parser (calendarspec.c of 252) and refuses whatever that refuses, and beyond it what makes no sense for a job:
// single points of time (@EPOCH) and more than one run a minute.
package calendar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// shorthands are systemd's words for whole expressions.
var shorthands = []string{
	"minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "semi-annually", "biannually",
	"bi-annually", "yearly", "annually",
}

// Check refuses what is not a calendar event, saying which part is at fault. It returns the time zone that the
// expression ends in, "" where there is none.
func Check(expr string) (zone string, err error) {
	rest := expr
	if i := strings.LastIndexByte(expr, ' '); i >= 0 && (IsZone(expr[i+1:]) || strings.EqualFold(expr[i+1:], "UTC")) {
		rest, zone = expr[:i], expr[i+1:]
	}
	switch {
	case rest == "":
		return "", errors.New("it is empty")
	case slices.Contains(shorthands, strings.ToLower(rest)):
		return zone, nil
	case len(strings.Fields(rest)) == 5 && !strings.ContainsAny(rest, ":"):
		return "", errors.New("it looks like the five fields of cron")
	case rest[0] == '@':
		return "", errors.New("it is a single point of time")
	}
	p := parser{rest: rest}
	if err := p.weekdays(); err != nil {
		return "", err
	}
	if err := p.date(); err != nil {
		return "", err
	}
	return zone, p.time()
}

type parser struct{ rest string }

func (p *parser) next() byte {
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

func (p *parser) spaces() { p.rest = strings.TrimLeft(p.rest, " ") }

var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// weekday takes a day's name, whole or of three letters, and returns its number from Monday on, or -1.
func (p *parser) weekday() int {
	end := strings.IndexAny(p.rest, "-., ")
	if end < 0 {
		end = len(p.rest)
	}
	word := strings.ToLower(p.rest[:end])
	for i, name := range dayNames {
		if word == name || word == name[:3] {
			p.rest = p.rest[end:]
			return (i + 6) % 7
		}
	}
	return -1
}

// weekdays takes a list of days and ranges of days, where there is one.
func (p *parser) weekdays() error {
	for first, from := true, -1; ; first = false {
		day := p.weekday()
		switch {
		case day < 0 && first:
			return nil
		case day < 0:
			return fmt.Errorf("%q is not a weekday", p.rest)
		case from > day:
			return errors.New("a range of weekdays must run from Mon to Sun")
		}
		open := from >= 0
		from = -1
		switch {
		case p.next() == 0 || p.next() == ' ':
			p.spaces()
			return nil
		case p.next() == ',':
			p.rest = p.rest[1:]
			if p.next() == 0 || p.next() == ' ' { // systemd allows a comma at the end
				p.spaces()
				return nil
			}
			continue
		case open:
			return errors.New("a range of weekdays has two ends")
		case strings.HasPrefix(p.rest, ".."):
			p.rest = p.rest[2:]
		case p.next() == '-':
			p.rest = p.rest[1:]
		default:
			return fmt.Errorf("%q does not follow a weekday", p.rest)
		}
		from = day
	}
}

// date takes YEAR-MONTH-DAY or MONTH-DAY, where there is one; ~ before the day counts from the month's end.
func (p *parser) date() error {
	if p.rest == "" {
		return nil
	}
	before := p.rest
	first, err := p.chain(false)
	if err != nil {
		return err
	}
	if p.next() == 0 || p.next() == ':' { // it was a time
		p.rest = before
		return nil
	}
	fromEnd, err := p.dash()
	if err != nil {
		return err
	}
	second, err := p.chain(false)
	if err != nil {
		return err
	}
	if p.next() == 0 || p.next() == ' ' {
		p.spaces()
		return errors.Join(first.within("month", 1, 12, false), second.within("day", 1, 31, fromEnd))
	}
	if fromEnd {
		return errors.New("~ stands before the day only")
	}
	if fromEnd, err = p.dash(); err != nil {
		return err
	}
	third, err := p.chain(false)
	if err != nil {
		return err
	}
	if p.next() != 0 && p.next() != ' ' {
		return fmt.Errorf("%q does not follow a date", p.rest)
	}
	p.spaces()
	return errors.Join(first.years().within("year", 1970, 2199, false), second.within("month", 1, 12, false),
		third.within("day", 1, 31, fromEnd))
}

// dash takes the sign between two parts of a date.
func (p *parser) dash() (fromEnd bool, err error) {
	c := p.next()
	if c != '-' && c != '~' {
		return false, fmt.Errorf("%q is neither a date such as *-*-01 nor a time such as 03:00", p.rest)
	}
	p.rest = p.rest[1:]
	return c == '~', nil
}

// time takes HOUR:MINUTE or HOUR:MINUTE:SECOND, or nothing, which is midnight.
func (p *parser) time() error {
	if p.rest == "" {
		return nil
	}
	var parts [3]chain
	count := 0
	for count < 3 {
		c, err := p.chain(count == 2)
		if err != nil {
			return err
		}
		parts[count] = c
		count++
		if p.next() != ':' {
			break
		}
		p.rest = p.rest[1:]
	}
	if p.rest != "" || count < 2 {
		return fmt.Errorf("a time must be hours and minutes such as 03:00, has %q", p.rest)
	}
	if count == 3 && !parts[2].single() {
		return errors.New("a job runs at most once a minute, so its seconds must be one number")
	}
	return errors.Join(parts[0].within("hour", 0, 23, false), parts[1].within("minute", 0, 59, false),
		parts[2].within("second", 0, 60*microseconds-1, false))
}
