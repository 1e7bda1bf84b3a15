package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/audit"
)

// EGR-H9: a gate that is killed leaves its records to the next one: those of the older file first, and none of which
// only a part was written.
func TestH9Killed(t *testing.T) {
	entry := func(n int) string { return fmt.Sprintf("FLEET_CONNECTION=%d\nFLEET_EVENT=end\n\n", n) }
	for name, c := range map[string]struct {
		files [2]string
		older int
		want  int
	}{
		"nothing":   {},
		"one":       {files: [2]string{entry(1) + entry(2)}, want: 2},
		"the other": {files: [2]string{"", entry(1) + entry(2)}, want: 2},
		"both":      {files: [2]string{entry(1) + entry(2), entry(3)}, want: 3},
		"turned":    {files: [2]string{entry(3), entry(1) + entry(2)}, older: 1, want: 3},
		"torn":      {files: [2]string{entry(1) + "FLEET_CONNECTION=2\nFLEET_EV", "FLEET_CONNECTION"}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := listen(t)
			for i, text := range c.files {
				file := filepath.Join(filepath.Dir(d.path), fmt.Sprintf("audit.%d", i))
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
			l := open(t, d.path, Of{})
			if err := l.Write(allowed(int64(c.want + 1))); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			for n := range c.want + 1 {
				if got := d.next()["FLEET_CONNECTION"]; got != fmt.Sprint(n+1) {
					t.Errorf("record %d is of %q", n+1, got)
				}
			}
			if got := d.left(t); got != "" {
				t.Errorf("is left: %q", got)
			}
		})
	}
}

// left is what is in the files.
func (j *journald) left(t *testing.T) string {
	t.Helper()
	all := ""
	for i := range 2 {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(j.path), fmt.Sprintf("audit.%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	return all
}

// What a write was told is recorded is in the files before it is in the journal.
func TestRecordedBeforeSent(t *testing.T) {
	d := listen(t)
	l := open(t, d.path, Of{Project: "demo", Agent: "lead"})
	l.spool.sending.Lock()
	if err := l.Write(allowed(1)); err != nil {
		t.Fatal(err)
	}
	if got := decode(t, d.left(t)[:len(d.left(t))-1]); got["FLEET_CONNECTION"] != "1" {
		t.Errorf("got %v", got)
	}
	l.spool.sending.Unlock()
	if got := d.next(); got["FLEET_CONNECTION"] != "1" {
		t.Errorf("got %v", got)
	}
	eventually(t, "the files still have it", func() bool { return d.left(t) == "" })
}

// What ends soon is one record, with what the decision was and what came of it; what ends later is two.
func TestEndedSoon(t *testing.T) {
	d := listen(t)
	l := open(t, d.path, Of{Project: "demo", Agent: "lead"})
	write := func(r audit.Record) {
		t.Helper()
		if err := l.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	decided := func(n int64) audit.Record {
		r := allowed(n)
		r.Serial, r.Rule = n, "a rule"
		return r
	}
	end := func(n int64) audit.Record {
		r := decided(n)
		r.Event, r.BytesUp, r.Result = audit.End, n, "closed"
		return r
	}
	l.spool.sending.Lock()
	write(decided(1))
	write(decided(2))
	write(end(2))
	write(denial("a"))
	// A gate that is killed now leaves both to its next start.
	if left := d.left(t); strings.Count(left, "FLEET_EVENT=decision\n") != 3 || strings.Count(left, "FLEET_EVENT=end\n") != 1 {
		t.Errorf("the files have %s", left)
	}
	l.spool.sending.Unlock()
	var got []string
	next := func(n int) {
		t.Helper()
		for range n {
			r := d.next()
			got = append(got, r["FLEET_EVENT"]+r["FLEET_CONNECTION"]+r["FLEET_RESULT"]+r["FLEET_BYTES_UP"]+r["FLEET_RULE"])
		}
	}
	next(3)
	write(end(1))
	next(1)
	want := []string{"decision1a rule", "decision2closed2a rule", "decision", "end1closed1a rule"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if d.left(t) != "" || d.next() != nil {
		t.Error("there is more")
	}
}

// EGR-H8: a record that cannot be kept is an error, and nothing is left of it.
func TestH8NoRoom(t *testing.T) {
	d := listen(t)
	l := open(t, d.path, Of{Project: "demo", Agent: "lead"})
	l.spool.sending.Lock()
	kept := l.spool.files[l.spool.to]
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(allowed(1)); err == nil {
		t.Error("recorded nowhere")
	}
	if len(l.spool.waiting) != 0 {
		t.Errorf("waits: %q", l.spool.waiting)
	}
	l.spool.sending.Unlock()
}
