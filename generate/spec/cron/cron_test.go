package cron

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// corpus are expressions that crontabs have, and those at the edges of what cron says.
var corpus = []string{
	"* * * * *", "*/5 * * * *", "*/7 * * * *", "0 * * * *", "5 4 * * *", "0 */6 * * *", "30 2 * * mon-fri", "0 9-17 * * 1-5",
	"*/15 9-17 * * MON-FRI", "0,30 8-20/2 * * *", "0 0 1,15 * *", "0 0 1,15 * 5", "0 0 13 * fri", "0 0 */2 * 1", "0 0 1-7 * *",
	"0 0 1-7 * mon", "0 0 */3 */2 *", "15 14 1 * *", "0 22 * * 1-5", "23 0-20/2 * * *", "5 4 * * sun", "5 4 * * 7", "5 4 * * 0",
	"0 0 * * 5-7", "0 0 * * 0-7", "0 0 * * 0-6", "0 0 1-31 * 3", "0 0 15 * 0-6", "0 0 15 * 1-7", "0 0 * * */2", "0 0 * * */7",
	"0 0 * * 1-7/2", "0 0 29 2 *", "0 0 31 * *", "59 23 31 12 *", "0 0 30 1,3 *", "0 12 28-31 jan-jun/2 *", "1-59/2 * * * *",
	"0-59 0-23 1-31 1-12 0-7", "10-20,40-50/5,58 * * * *", "00 03 01 01 *", "0 0 1 jan,JUL sun", "0 0 */10 * *", "0 0 1-31/2 * *",
	"0 0 * 2 *", "0 0 29 feb mon", "* 2 * * *", "0-10 1-3 * 3,10 0", "*/59 */23 * * *", "0 0 */30 * *", "0 0 * */11 *",
	"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@Daily", "  0  3 * *  * ",
}

// twoYears are a leap year and one that is none, whose first days are other weekdays.
var twoYears = sync.OnceValue(func() []clock { return append(minutes(2027), minutes(2028)...) })

// same compares all minutes of two years, and says where they differ first.
func same(expr string, events []string) error {
	want := read(expr)
	var have []event
	for _, text := range events {
		e, err := readEvent(text)
		if err != nil {
			return err
		}
		have = append(have, e)
	}
	for _, t := range twoYears() {
		got := false
		for _, e := range have {
			got = got || e.matches(t)
		}
		if got != want.matches(t) {
			return fmt.Errorf("%q as %q: at %+v it matches: %v", expr, events, t, got)
		}
	}
	return nil
}

// What a schedule becomes runs at the minutes at which cron would run it, and at no other, over two years of minutes.
func TestEveryMinuteIsTheSame(t *testing.T) {
	for _, expr := range corpus {
		s, err := Parse(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if err := same(expr, s.OnCalendar("")); err != nil {
			t.Error(err)
		}
	}
}

// The same for expressions by chance; the seed is in the failure.
func TestEveryMinuteIsTheSameByChance(t *testing.T) {
	for seed := range uint64(150) {
		expr := random(rand.New(rand.NewPCG(seed, 5)))
		s, err := Parse(expr)
		if err != nil {
			if err.Error() != "it never comes" {
				t.Errorf("seed %d: %q: %v", seed, expr, err)
			}
			continue
		}
		if err := same(expr, s.OnCalendar("")); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// random writes an expression.
func random(r *rand.Rand) string {
	low, high := [5]int{0, 0, 1, 1, 0}, [5]int{59, 23, 31, 12, 7}
	var words []string
	for i := range 5 {
		var items []string
		for range 1 + r.IntN(3) {
			a := low[i] + r.IntN(high[i]-low[i]+1)
			b := a + r.IntN(high[i]-a+1)
			switch n := r.IntN(8); {
			case n < 3:
				items = append(items, "*")
			case n == 3:
				items = append(items, fmt.Sprintf("*/%d", 1+r.IntN(high[i]-low[i])))
			case n == 4 && b > a:
				items = append(items, fmt.Sprintf("%d-%d/%d", a, b, 1+r.IntN(b-a)))
			case n == 5:
				items = append(items, fmt.Sprintf("%d-%d", a, b))
			default:
				items = append(items, fmt.Sprint(a))
			}
		}
		words = append(words, strings.Join(items, ","))
	}
	return strings.Join(words, " ")
}

func TestOnCalendar(t *testing.T) {
	for expr, want := range map[string][]string{
		"*/15 * * * *":      {"*-*-* *:00/15:00 Europe/Berlin"},
		"*/25 5-23/6 * * *": {"*-*-* 05/6:00,25,50:00 Europe/Berlin"}, // see chain
		"30 2 * * mon-fri":  {"Mon..Fri *-*-* 02:30:00 Europe/Berlin"},
		"0 0 1,15 * 5":      {"*-*-01,15 00:00:00 Europe/Berlin", "Fri *-*-* 00:00:00 Europe/Berlin"},
		"0 0 1-7 2 sun":     {"*-02-01..07 00:00:00 Europe/Berlin", "Sun *-02-* 00:00:00 Europe/Berlin"},
		"0 0 */2 * sat-7":   {"Sat,Sun *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 00:00:00 Europe/Berlin"},
		"0 0 15 * 0-6":      {"*-*-* 00:00:00 Europe/Berlin"},
	} {
		s, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, s.OnCalendar("Europe/Berlin")); d != "" {
			t.Errorf("%q: %s", expr, d)
		}
	}
}

func TestWords(t *testing.T) {
	for expr, want := range map[string]string{
		"* * * * *":             "every minute every day",
		"*/15 * * * *":          "every 15 minutes every day",
		"*/15 9-17 * * mon-fri": "every 15 minutes of hour 9 to 17 on Mon to Fri",
		"*/7 * * * *":           "at minute 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour every day",
		"0 * * * *":             "at minute 0 of every hour every day",
		"* 3 * * *":             "every minute of hour 3 every day",
		"30 2 * * *":            "at 02:30 every day",
		"0 */6 * * *":           "at 00:00, 06:00, 12:00 and 18:00 every day",
		"0 9-17 * * *":          "at minute 0 of hour 9 to 17 every day",
		"0 0 1,15 * 5":          "at 00:00 on day 1 and 15 of the month and on every Fri",
		"0 0 1-7 * *":           "at 00:00 on day 1 to 7 of the month",
		"0 0 */2 * 1":           "at 00:00 on Mon that is day 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29 and 31 of the month",
		"0 0 * jan-mar,7 6,0":   "at 00:00 on Sat and Sun in January to March and July",
		"0 0 15 * 0-6":          "at 00:00 every day",
	} {
		s, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Words(); got != want {
			t.Errorf("%q is %q, want %q", expr, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ expr, reason, hint string }{
		{"", "it must have five fields, has 0", "five fields: minute"},
		{"0 3 * *", "it must have five fields, has 4", "five fields: minute"},
		{"0 0 3 * * *", "it must have five fields, has 6", "five fields: minute"},
		{"@reboot", "@reboot is no time", "sessions begin with the boot"},
		{"@every 5m", "@every is no word of cron's", `every: "6h"`},
		{"@", "@ is no word of cron's", "@hourly"},
		{"@daily x", "@daily is no word of cron's", "@hourly"},
		{"CRON_TZ=UTC 0 3 * * *", "it sets a variable", "timezone is a key"},
		{"60 * * * *", "minute: 60 is not in 0 to 59", ""},
		{"* 24 * * *", "hour: 24 is not in 0 to 23", ""},
		{"* * 0 * *", "day of month: 0 is not in 1 to 31", ""},
		{"* * * 13 *", "month: 13 is not in 1 to 12", ""},
		{"* * * * 8", "day of week: 8 is not in 0 to 7", ""},
		{"100 * * * *", `minute: "100" is neither a number nor *`, ""},
		{"-1 * * * *", `minute: "" is neither a number nor *`, ""},
		{"1- * * * *", `minute: "" is neither a number nor *`, ""},
		{"1,,2 * * * *", `minute: "" is neither a number nor *`, ""},
		{"0 3 * january *", `month: "january" is neither a number, a name such as feb nor *`, "three letters: jan"},
		{"0 3 * * ?", `day of week: "?" is neither a number, a name such as mon nor *`, "write *"},
		{"0 3 L * *", `day of month: "L" is neither a number nor *`, "*-*~01"},
		{"0 3 * * 5L", `day of week: "5L" is neither`, "*-*~07/1"},
		{"0 3 * * fri#2", `day of week: "fri#2" is neither`, "second Friday"},
		{"0 3 * * 5#2", `day of week: "5#2" is neither`, "second Friday"},
		{"0~30 3 * * *", `minute: "0~30" is neither`, "jitter"},
		{"0 22-2 * * *", "hour: the range 22-2 runs backwards", `write "22-23,0-2"`},
		{"0 0 * 12-1 *", "month: the range 12-1 runs backwards", `write "12,1"`},
		{"0 0 * * fri-sun", "day of week: the range fri-sun runs backwards", `write "5-6,0"`},
		{"5/15 * * * *", `minute: "5/15" has a step without a range`, `write "5-59/15"`},
		{"*/0 * * * *", `minute: "0" is no step`, "*/15"},
		{"*/ * * * *", `minute: "" is no step`, "*/15"},
		{"*/90 * * * *", `minute: the step of "*/90" never comes`, `every: "90m"`},
		{"10-20/15 * * * *", `minute: the step of "10-20/15" never comes`, ""},
		{"0 0 31 2 *", "it never comes", "no such month"},
		{"0 0 30-31 feb *", "it never comes", "no such month"},
		{"0 0 31 4,6,9,11 */2", "it never comes", "no such month"},
	} {
		_, err := Parse(c.expr)
		var refused *Error
		if !errors.As(err, &refused) {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		if !strings.HasPrefix(refused.Reason, c.reason) || !strings.Contains(refused.Hint, c.hint) {
			t.Errorf("%q: %q, hint %q", c.expr, refused.Reason, refused.Hint)
		}
	}
}

var plain = regexp.MustCompile(`^[A-Za-z0-9*:/,. -]+$`)

// FuzzParse: whatever is accepted matches the minutes of the reference and can stand in a unit; nothing panics.
func FuzzParse(f *testing.F) {
	for _, expr := range corpus {
		f.Add(expr)
	}
	f.Add("fri#2 * * * *")
	f.Fuzz(func(t *testing.T, expr string) {
		s, err := Parse(expr)
		if err != nil {
			return
		}
		events := s.OnCalendar("")
		if len(events) < 1 || len(events) > 2 || s.Words() == "" {
			t.Fatalf("%q is %q", expr, events)
		}
		for _, e := range events {
			if !plain.MatchString(e) || len(e) > 300 {
				t.Errorf("%q gives %q", expr, e)
			}
		}
		if err := same(expr, events); err != nil {
			t.Error(err)
		}
	})
}
