package calendar

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

// good are accepted here and by systemd; see the test with the tag machine.
var good = []string{
	"daily", "Weekly", "minutely", "monthly UTC", "quarterly", "yearly Europe/Berlin", "semiannually",
	"Mon", "monday", "Mon..Fri", "Mon-Fri 10:00", "Sat,Sun 3:00", "Mon, 10:00", "Mon,Wed..Fri 08:30:15",
	"Sun 2026-12-24 08:00",
	"*-*-* 03:00", "*-*-01", "*-*~01", "*-02~03 12:00", "*-*~07/1 00:00", "2027-1-1", "27-01-01 00:00", "12-24",
	"*-1..3,9-1..7 00:00",
	"03:00", "3:0", "*:0/15", "*:00", "0..23/2:30", "10,14:20", "9..17/4:00", "10:20:30", "10:20:30.5",
	"*-*-* 00:00 America/New_York",
	"2026..2030-*-1 00:00", "*-*-1/7 04:05", "5..5:00", "*-*", "1..2/5:00", "00:00:00 utc",
}

// bad are refused here and by systemd.
var bad = []string{
	"", " ", "UTC", "foo", "5", "5 minutes", "10", "24:00", "10:60", "10:20:60", "Mon..", "Fri..Mon 10:00",
	"Mond 10:00", "Mon..Tue..Wed",
	"13-01", "*-*-32", "*-*-0", "*-*~29", "*-*~0", "1969-01-01", "2200-01-01", "*:*/5", "*-*-*T03:00", "10:20:30:40",
	"10:", ":10",
	"0/90:00", "*:30/40", "*:5/0", "23..1:00", "*-*-* 03:00 Mars/Olympus", "~-*-1", "*~*-1", "1.5:00", "10:0.5",
	"daily weekly", "Mon Tue", "*-*-* *:*:* *", "-1:00", "99999999999:00", "0:00\n", "0:00;1", "%d", "10:00:1..",
}

// stricter are refused here alone.
var stricter = []string{"@1700000000", "*:*:*", "*:*:0/10", "*:*:1,2", "*-*-* *:*:0..30"}

func TestCheck(t *testing.T) {
	for _, expr := range good {
		if _, err := Check(expr); err != nil {
			t.Errorf("%q must be accepted: %v", expr, err)
		}
	}
	for _, expr := range append(bad, stricter...) {
		if _, err := Check(expr); err == nil {
			t.Errorf("%q must be refused", expr)
		}
	}
}

func TestCheckReturnsZone(t *testing.T) {
	for expr, want := range map[string]string{
		"daily": "", "03:00 Europe/Berlin": "Europe/Berlin", "03:00 UTC": "UTC", "Mon 03:00": "",
	} {
		if got, err := Check(expr); err != nil || got != want {
			t.Errorf("Check(%q) = %q, %v, want %q", expr, got, err, want)
		}
	}
}

func TestZonesAreReal(t *testing.T) {
	if n := len(Zones()); n < 400 {
		t.Fatalf("%d zones, want all of the database", n)
	}
	for _, name := range Zones() {
		if _, err := time.LoadLocation(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "Local", "Mars/Olympus", "../etc/passwd", "europe/berlin"} {
		if IsZone(name) {
			t.Errorf("%q is no zone", name)
		}
	}
}

// FuzzCheck proves that whatever is accepted is one line of plain characters without systemd's specifiers, so that it
// can stand in a unit, and that no input panics.
func FuzzCheck(f *testing.F) {
	for _, expr := range append(append(good, bad...), stricter...) {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		if _, err := Check(expr); err != nil {
			return
		}
		if i := strings.IndexFunc(expr, func(c rune) bool {
			return c < ' ' || c > '~' || strings.ContainsRune(`%;#"'\$`,
				c)
		}); i >= 0 {
			t.Errorf("%q was accepted", expr)
		}
	})
}
