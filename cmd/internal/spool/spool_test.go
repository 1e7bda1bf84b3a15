package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/internal/spool/spooltest"
)

// entry is a record of a test.
type entry struct {
	n, serial int64
	end       bool
}

func (e entry) Past() bool    { return e.end }
func (e entry) Serial() int64 { return e.serial }

func (e entry) Append(b []byte) []byte {
	event := "begin"
	if e.end {
		event = "end"
	}
	return fmt.Appendf(b, "N=%d\nEVENT=%s\n", e.n, event)
}

func (e entry) AppendWhole(b []byte) []byte { return fmt.Appendf(b, "N=%d\nEVENT=whole\n", e.n) }

func start(t *testing.T, d *spooltest.Journal) *Spool {
	t.Helper()
	s, err := Open(d.Path, d.Dir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// eventually waits until it is so.
func eventually(t *testing.T, otherwise string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

// EGR-H9: a daemon that is killed leaves its records to the next one: those of the older file first, and none of which
// only a part was written.
func TestH9Killed(t *testing.T) {
	text := func(n int) string { return fmt.Sprintf("N=%d\nEVENT=end\n\n", n) }
	for name, c := range map[string]struct {
		files [2]string
		older int
		want  int
	}{
		"nothing":   {},
		"one":       {files: [2]string{text(1) + text(2)}, want: 2},
		"the other": {files: [2]string{"", text(1) + text(2)}, want: 2},
		"both":      {files: [2]string{text(1) + text(2), text(3)}, want: 3},
		"turned":    {files: [2]string{text(3), text(1) + text(2)}, older: 1, want: 3},
		"torn":      {files: [2]string{text(1) + "N=2\nFLEET_EV", "N"}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := spooltest.Listen(t)
			for i, text := range c.files {
				file := filepath.Join(d.Dir(), fmt.Sprintf("audit.%d", i))
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				at := time.Now()
				if i == c.older {
					at = at.Add(-time.Minute)
				}
				if err := os.Chtimes(file, at, at); err != nil {
					t.Fatal(err)
				}
			}
			l := start(t, d)
			if err := l.Add(entry{n: int64(c.want + 1)}); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			for n := range c.want + 1 {
				if got := d.Next()["N"]; got != fmt.Sprint(n+1) {
					t.Errorf("record %d is of %q", n+1, got)
				}
			}
			if got := d.Left(); got != "" {
				t.Errorf("is left: %q", got)
			}
		})
	}
}

// What a write was told is recorded is in the files before it is in the journal.
func TestRecordedBeforeSent(t *testing.T) {
	d := spooltest.Listen(t)
	l := start(t, d)
	l.sending.Lock()
	if err := l.Add(entry{n: 1}); err != nil {
		t.Fatal(err)
	}
	if got := spooltest.Decode(t, d.Left()[:len(d.Left())-1]); got["N"] != "1" {
		t.Errorf("got %v", got)
	}
	l.sending.Unlock()
	if got := d.Next(); got["N"] != "1" {
		t.Errorf("got %v", got)
	}
	eventually(t, "the files still have it", func() bool { return d.Left() == "" })
}

// What ends soon is one record, with what the decision was and what came of it; what ends later is two.
func TestEndedSoon(t *testing.T) {
	d := spooltest.Listen(t)
	l := start(t, d)
	write := func(e entry) {
		t.Helper()
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	l.sending.Lock()
	write(entry{n: 1, serial: 1})
	write(entry{n: 2, serial: 2})
	write(entry{n: 2, serial: 2, end: true})
	write(entry{n: 3})
	// A daemon that is killed now leaves both to its next start.
	if left := d.Left(); strings.Count(left, "EVENT=begin\n") != 3 || strings.Count(left, "EVENT=end\n") != 1 {
		t.Errorf("the files have %s", left)
	}
	l.sending.Unlock()
	var got []string
	next := func(n int) {
		t.Helper()
		for range n {
			r := d.Next()
			got = append(got, r["EVENT"]+" "+r["N"])
		}
	}
	next(3)
	write(entry{n: 1, serial: 1, end: true})
	next(1)
	want := []string{"begin 1", "whole 2", "begin 3", "end 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if d.Left() != "" || d.Next() != nil {
		t.Error("there is more")
	}
}

// EGR-H8: a record that cannot be kept is an error, and nothing is left of it.
func TestH8NoRoom(t *testing.T) {
	d := spooltest.Listen(t)
	l := start(t, d)
	l.sending.Lock()
	kept := l.files[l.to]
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(entry{n: 1}); err == nil {
		t.Error("recorded nowhere")
	}
	if len(l.waiting) != 0 {
		t.Errorf("waits: %q", l.waiting)
	}
	l.sending.Unlock()
}
