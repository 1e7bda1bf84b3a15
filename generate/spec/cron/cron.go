// Package cron reads the five fields of cron(8) and translates them into calendar events of systemd.time(7). It follows
// Vixie's cron, which Debian, Fedora and most others have, in what its crontab(5) says and its entry.c does, and refuses
// what other crons mean by more signs, and what looks like a slip.
package cron

import (
	"fmt"
	"slices"
	"strings"
)

// Schedule is what an expression says. The zero value says nothing.
type Schedule struct {
	minute, hour, day, month, weekday set
	// Where neither day of month nor day of week begins with a star, a day matches that either matches; else both must.
	either bool
}

// Error is why an expression is refused, and how to write it instead, "" where that cannot be guessed.
type Error struct{ Reason, Hint string }

// Error is the reason alone.
func (e *Error) Error() string { return e.Reason }

func refuse(hint, format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...), Hint: hint}
}

// nicknames are the words for whole expressions.
var nicknames = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
	"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

const fieldsHint = `five fields: minute, hour, day of month, month, day of week, such as "30 2 * * mon-fri"`

// Parse reads an expression. Errors are of type *Error.
func Parse(expr string) (Schedule, error) {
	words := strings.Fields(expr)
	expr = strings.Join(words, " ")
	if len(words) > 0 && strings.ContainsRune(words[0], '=') {
		return Schedule{}, refuse("timezone is a key of its own beside cron", "it sets a variable")
	}
	if strings.HasPrefix(expr, "@") {
		five, ok := nicknames[strings.ToLower(expr)]
		if !ok {
			return Schedule{}, nickname(words)
		}
		words = strings.Fields(five)
	}
	if len(words) != len(fields) {
		return Schedule{}, refuse(fieldsHint, "it must have five fields, has %d", len(words))
	}
	var sets [len(fields)]set
	for i, f := range fields {
		got, err := f.parse(words[i])
		if err != nil {
			return Schedule{}, err
		}
		sets[i] = got
	}
	s := Schedule{minute: sets[0], hour: sets[1], day: sets[2], month: sets[3], weekday: sets[4].sundays()}
	s.either = words[2][0] != '*' && words[4][0] != '*'
	return s, s.comes()
}

func nickname(words []string) error {
	switch strings.ToLower(words[0]) {
	case "@reboot":
		return refuse("an agent's own sessions begin with the boot; a job needs a time", "@reboot is no time")
	case "@every":
		return refuse(`write every: "6h" instead of cron`, "@every is no word of cron's")
	}
	return refuse("@hourly, @daily, @weekly, @monthly or @yearly", "%s is no word of cron's", words[0])
}

// comes refuses days that no month has.
func (s Schedule) comes() error {
	if s.either {
		return nil // a weekday comes every week
	}
	longest := map[int]int{2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
	for _, m := range s.month.values() {
		last, short := longest[m]
		if !short {
			last = 31
		}
		if s.day.values()[0] <= last {
			return nil
		}
	}
	return refuse("no such month has such a day", "it never comes")
}

// field is one of the five.
type field struct {
	name     string
	low      int
	high     int
	names    []string // of the values from low on
	everyKey string   // what `every` writes a step in
}

var fields = [...]field{
	{name: "minute", high: 59, everyKey: "m"},
	{name: "hour", high: 23, everyKey: "h"},
	{name: "day of month", low: 1, high: 31, everyKey: "d"},
	{name: "month", low: 1, high: 12, names: []string{
		"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
	}},
	{name: "day of week", high: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}, // 7 is Sunday too
}

// parse reads a list.
func (f field) parse(text string) (set, error) {
	var out set
	for item := range strings.SplitSeq(text, ",") {
		got, err := f.item(item)
		if err != nil {
			return 0, err
		}
		out |= got
	}
	return out, nil
}

// item reads *, A or A-B; the first and the last may have a step behind them.
func (f field) item(text string) (set, error) {
	span, stepText, stepped := strings.Cut(text, "/")
	first, lastText, ranged := strings.Cut(span, "-")
	low, high, err := f.low, f.high, error(nil)
	switch {
	case span == "*":
	case ranged:
		if low, err = f.value(first); err == nil {
			high, err = f.value(lastText)
		}
	default:
		low, err = f.value(span)
		high = low
	}
	if err != nil {
		return 0, err
	}
	if low > high {
		return 0, refuse(f.around(low, high), "%s: the range %s runs backwards", f.name, span)
	}
	if !stepped {
		return between(low, high, 1), nil
	}
	step, ok := number(stepText)
	switch {
	case !ok || step == 0:
		return 0, refuse(`a step is a number from 1 on, such as "*/15"`, "%s: %q is no step", f.name, stepText)
	case span != "*" && !ranged:
		return 0, refuse(fmt.Sprintf(`write "%d-%d/%d", or the values with commas`, low, f.high, step),
			"%s: %q has a step without a range, which crons read differently", f.name, text)
	case step > high-low:
		return 0, refuse(f.longer(step), "%s: the step of %q never comes to a second value", f.name, text)
	}
	return between(low, high, step), nil
}

// around says how to write a range over the end of a field.
func (f field) around(from, to int) string {
	last := f.high
	if f.name == "day of week" {
		last = 6
	}
	part := func(a, b int) string {
		if a == b {
			return fmt.Sprint(a)
		}
		return fmt.Sprintf("%d-%d", a, b)
	}
	return fmt.Sprintf("write %q", part(from, last)+","+part(f.low, to))
}

// longer says how to write a step that a field has no room for.
func (f field) longer(step int) string {
	if f.everyKey == "" {
		return "write the value alone"
	}
	return fmt.Sprintf(`write the value alone, or every: "%d%s" instead of cron`, step, f.everyKey)
}

// value reads a number or a name.
func (f field) value(text string) (int, error) {
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 {
		return f.low + i, nil
	}
	n, ok := number(text)
	switch {
	case !ok:
		return 0, refuse(f.hint(text), "%s: %q is neither a number%s nor *", f.name, text, f.orName())
	case n < f.low || n > f.high:
		return 0, refuse("", "%s: %d is not in %d to %d", f.name, n, f.low, f.high)
	}
	return n, nil
}

func (f field) orName() string {
	if f.names == nil {
		return ""
	}
	return ", a name such as " + f.names[1]
}

// hint knows what other crons have and Vixie's has not.
func (f field) hint(text string) string {
	lower := strings.ToLower(text)
	if f.name == "day of week" && (strings.ContainsRune(lower, '#') || strings.HasSuffix(lower, "l")) {
		return `of calendar: "Fri *-*-08..14" is the second Friday, "Fri *-*~07/1" the last one`
	}
	for _, name := range f.names {
		if strings.HasPrefix(lower, name) {
			return "names have three letters: " + name
		}
	}
	switch {
	case text == "?":
		return "write *"
	case strings.HasPrefix(lower, "l"):
		return `of calendar: "*-*~01" is the last day of the month`
	case strings.ContainsRune(text, '~'):
		return `jitter is a key of its own beside cron`
	}
	return fieldsHint
}

// number reads one or two digits, as every value of every field has.
func number(text string) (n int, ok bool) {
	if text == "" || len(text) > 2 {
		return 0, false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}
