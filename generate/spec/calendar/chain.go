package calendar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// microseconds in a second: systemd counts seconds with a fraction in them.
const microseconds = 1_000_000

// chain is one part of a date or time: * or a list of numbers, ranges and repetitions.
type chain struct{ items []item }

// item is START, START..STOP, START/REPEAT or START..STOP/REPEAT.
type item struct {
	start, stop, repeat int // stop is -1, repeat 0 where there is none
}

// chainLimit bounds a list, as systemd does.
const chainLimit = 240

func (p *parser) chain(seconds bool) (chain, error) {
	if p.next() == '*' {
		p.rest = p.rest[1:]
		if seconds {
			return chain{items: []item{{0, -1, microseconds}}}, nil
		}
		return chain{}, nil
	}
	var c chain
	for len(c.items) < chainLimit {
		i, err := p.item(seconds)
		if err != nil {
			return chain{}, err
		}
		c.items = append(c.items, i)
		if p.next() != ',' {
			return c, nil
		}
		p.rest = p.rest[1:]
	}
	return chain{}, errors.New("a list is too long")
}

func (p *parser) item(seconds bool) (item, error) {
	i := item{stop: -1}
	err := error(nil)
	if i.start, err = p.number(seconds); err != nil {
		return i, err
	}
	if strings.HasPrefix(p.rest, "..") {
		p.rest = p.rest[2:]
		if i.stop, err = p.number(seconds); err != nil {
			return i, err
		}
		i.repeat = 1
		if seconds {
			i.repeat = microseconds
		}
	}
	if p.next() == '/' {
		p.rest = p.rest[1:]
		if i.repeat, err = p.number(seconds); err != nil {
			return i, err
		}
		if i.repeat == 0 {
			return i, errors.New("a repetition must not be 0")
		}
	}
	if p.rest != "" && !strings.ContainsRune(" ,-~:", rune(p.rest[0])) {
		return i, fmt.Errorf("%q does not follow a number", p.rest)
	}
	return i.plain(), nil
}

// plain takes off a range or repetition that never comes to a second value.
func (i item) plain() item {
	if i.stop > i.start && i.repeat > 0 {
		i.stop -= (i.stop - i.start) % i.repeat
	}
	if i.start == i.stop {
		i.stop, i.repeat = -1, 0
	}
	return i
}

// digitLimit keeps numbers far from overflow; the largest that a calendar knows is a year.
const digitLimit = 9

// number takes a whole number, for seconds with a fraction of up to six digits, in microseconds.
func (p *parser) number(seconds bool) (int, error) {
	n, err := p.digits(digitLimit)
	if err != nil || !seconds {
		return n, err
	}
	n *= microseconds
	if p.next() == '.' && !strings.HasPrefix(p.rest, "..") {
		p.rest = p.rest[1:]
		before := len(p.rest)
		part, err := p.digits(6)
		if err != nil {
			return 0, err
		}
		for range 6 - (before - len(p.rest)) {
			part *= 10
		}
		n += part
	}
	return n, nil
}

func (p *parser) digits(most int) (int, error) {
	end := 0
	for end < len(p.rest) && p.rest[end] >= '0' && p.rest[end] <= '9' {
		end++
	}
	if end == 0 {
		if p.rest == "" {
			return 0, errors.New("it ends too early")
		}
		return 0, fmt.Errorf("%q is not a number, a weekday or *", p.rest)
	}
	if end > most {
		return 0, fmt.Errorf("%s is too large", p.rest[:end])
	}
	n, err := strconv.Atoi(p.rest[:end])
	p.rest = p.rest[end:]
	return n, err
}

// single says whether the chain stands for one value.
func (c chain) single() bool {
	return len(c.items) == 1 && c.items[0].stop < 0 && c.items[0].repeat == 0
}

// years returns c with years of two digits written out.
func (c chain) years() chain {
	out := chain{}
	for _, i := range c.items {
		i.start, i.stop = year(i.start), year(i.stop)
		out.items = append(out.items, i)
	}
	return out
}

func year(n int) int {
	switch {
	case n >= 0 && n < 70:
		return n + 2000
	case n >= 70 && n < 100:
		return n + 1900
	}
	return n
}

// within refuses values outside from..to and repetitions that never come. Counted from a month's end, days beyond the
// 28th do not exist in every month.
func (c chain) within(what string, from, to int, fromEnd bool) error {
	if fromEnd {
		to -= 3
	}
	for _, i := range c.items {
		switch {
		case i.start < from || i.start > to || i.stop >= 0 && (i.stop < from || i.stop > to):
			return fmt.Errorf("%s must be %d to %d", what, from, shownMost(what, to))
		case i.stop >= 0 && i.start+i.repeat > i.stop:
			return fmt.Errorf("%s: a range must run upwards", what)
		case i.repeat > to-from,
			i.stop < 0 && fromEnd && i.start-i.repeat < from,
			i.stop < 0 && !fromEnd && i.start+i.repeat > to:
			return fmt.Errorf("%s: the repetition never comes", what)
		}
	}
	return nil
}

func shownMost(what string, to int) int {
	if what == "second" {
		return 59
	}
	return to
}
