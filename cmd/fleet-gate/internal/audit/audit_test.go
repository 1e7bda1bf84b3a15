package audit

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/cmd/internal/spool"
	"fleet/cmd/internal/spool/spooltest"
	"fleet/schemas/audit"
)

func open(t testing.TB, path string, of Of) *Log {
	t.Helper()
	l, err := Open(path, filepath.Dir(path), of)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func denial(host string) audit.Record {
	return audit.Record{Event: audit.Decision, Kind: "connect", Host: host, Port: 443, Verdict: audit.Deny, Reason: "unlisted"}
}

func allowed(n int64) audit.Record {
	return audit.Record{Event: audit.Decision, Kind: "connect", Host: "h", Port: 443, Verdict: audit.Allow, Connection: n}
}

// EGR-H9: each allowed request has its record.
func TestH9EveryAllowedOne(t *testing.T) {
	d := spooltest.Listen(t)
	l := open(t, d.Path, Of{Project: "demo", Agent: "lead", UID: 990})
	const n = 2000
	go func() {
		for i := range n {
			if err := l.Write(allowed(int64(i + 1))); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range n {
		got := d.Next()
		if got["FLEET_CONNECTION"] != fmt.Sprint(i+1) || got["FLEET_AGENT"] != "lead" || got["FLEET_PROJECT"] != "demo" || got["FLEET_UID"] != "990" {
			t.Fatalf("record %d: %v", i, got)
		}
	}
}

// EGR-H8: when nobody reads the journal, a write fails after a while instead of waiting for ever.
func TestH8Full(t *testing.T) {
	d := spooltest.Listen(t)
	l := open(t, d.Path, Of{Project: "demo", Agent: "lead", UID: 990})
	began, full := time.Now(), false
	for range 10_000 {
		if full = l.Write(allowed(1)) != nil; full {
			break
		}
	}
	if took := time.Since(began); !full || took < spool.Patience || took > 10*spool.Patience {
		t.Errorf("fails: %v, after %s", full, took)
	}
	if d.Next() == nil {
		t.Error("nothing had been written")
	}
	eventually(t, "nothing is allowed when there is room again", func() bool {
		d.Next()
		return l.Write(allowed(2)) == nil
	})
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

// EGR-H8: without a journal, nothing is allowed after what came while that was found out, which is recorded later.
func TestH8Gone(t *testing.T) {
	d := spooltest.Listen(t)
	l := open(t, d.Path, Of{Project: "demo", Agent: "lead", UID: 990})
	d.Close()
	n := int64(0)
	eventually(t, "all is allowed", func() bool {
		n++
		return l.Write(allowed(n)) != nil
	})
	if l.Write(allowed(n)) == nil {
		t.Error("allowed without a journal")
	}
	d.Open()
	eventually(t, "nothing is allowed", func() bool { return l.Write(allowed(n)) == nil })
	for i := range n {
		if got := d.Next()["FLEET_CONNECTION"]; got != fmt.Sprint(i+1) {
			t.Errorf("record %d is of %q", i+1, got)
		}
	}
}

// Denials of the same are one record and a count; denials of many things are bounded, and none is lost.
func TestDenialsAreCounted(t *testing.T) {
	d := spooltest.Listen(t)
	l := open(t, d.Path, Of{Project: "demo", Agent: "lead", UID: 990})
	clock := time.Now()
	l.now = func() time.Time { return clock }
	go func() {
		for range 1000 {
			if err := l.Write(denial("one")); err != nil {
				t.Error(err)
			}
		}
		for i := range 1000 {
			l.Write(denial(fmt.Sprint("host", i)))
		}
		l.Flush()
	}()
	sum, records := 0, 0
	for sum < 2000 {
		r := d.Next()
		if r == nil {
			break
		}
		records++
		n := 1
		if r["FLEET_EVENT"] == audit.Repeated {
			fmt.Sscan(r["FLEET_COUNT"], &n)
			if r["FLEET_HOST"] == "one" && n != 999 || r["FLEET_HOST"] == "" && r["FLEET_REASON"] != Many {
				t.Errorf("got %v", r)
			}
		}
		sum += n
	}
	if sum != 2000 || records > denialBurst+2 {
		t.Errorf("%d records stand for %d denials", records, sum)
	}
	// A new window begins, and one denial in it is written at once.
	clock = clock.Add(time.Minute)
	l.Write(denial("one"))
	if got := d.Next(); got["FLEET_EVENT"] != audit.Decision {
		t.Errorf("got %v", got)
	}
}

func TestCountsSurviveAFailure(t *testing.T) {
	d := spooltest.Listen(t)
	l := open(t, d.Path, Of{Project: "demo", Agent: "lead", UID: 990})
	l.Write(denial("one"))
	l.Write(denial("one"))
	d.Next()
	d.Close()
	l.Flush()
	d.Open()
	if got := d.Next(); got["FLEET_COUNT"] != "1" {
		t.Errorf("got %v", got)
	}
}

func TestBucket(t *testing.T) {
	now := time.Now()
	b := newBucket(2, 10, now)
	for range 2 {
		if b.take(now) != 0 {
			t.Error("the burst waits")
		}
	}
	if w := b.take(now); w != 100*time.Millisecond {
		t.Errorf("waits %s", w)
	}
	if b.try(now.Add(100 * time.Millisecond)) {
		t.Error("took what was taken")
	}
	if !b.try(now.Add(300 * time.Millisecond)) {
		t.Error("does not fill")
	}
}

func BenchmarkWrite(b *testing.B) {
	d := spooltest.Listen(b)
	go d.Drain()
	l := open(b, d.Path, Of{Project: "demo", Agent: "lead", UID: 990})
	l.allows = newBucket(1e12, 1, time.Now())
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Write(allowed(7)); err != nil {
			b.Fatal(err)
		}
	}
}

// An honest load is not slowed down: four thousand tunnels a second for a minute, each with a decision and an end.
func TestHonestLoad(t *testing.T) {
	d := spooltest.Listen(t)
	go d.Drain()
	l := open(t, d.Path, Of{Project: "demo", Agent: "lead"})
	clock, waited := time.Now(), time.Duration(0)
	l.now = func() time.Time { return clock }
	l.sleep = func(d time.Duration) { waited += d }
	l.allows = newBucket(allowBurst, allowRate, clock)
	take := func(n int) {
		for range n {
			l.mu.Lock()
			waited += l.allows.take(clock)
			l.mu.Unlock()
		}
	}
	for range 60 {
		take(8000)
		clock = clock.Add(time.Second)
	}
	if waited != 0 {
		t.Errorf("waited for %s", waited)
	}
	if err := l.Write(allowed(1)); err != nil || waited != 0 {
		t.Errorf("%v, waited for %s", err, waited)
	}
	take(allowBurst) // without an end
	if l.Write(allowed(2)); waited == 0 {
		t.Error("a load without end is not slowed down")
	}
}

// EGR-H8, EGR-H9: what the journal does not take now is written when it does, also by the gate's next start.
func TestH9Late(t *testing.T) {
	d := spooltest.Listen(t)
	l := open(t, d.Path, Of{Project: "demo", Agent: "lead"})
	d.Close()
	eventually(t, "all is allowed", func() bool { return l.Write(allowed(1)) != nil })
	end := allowed(7)
	end.Event = audit.End
	if err := l.Write(end); err != nil {
		t.Errorf("an end: %v", err)
	}
	if err := l.Write(denial("a")); err != nil {
		t.Errorf("a denial: %v", err)
	}
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), " audit records wait in "+filepath.Dir(d.Path)+" for the next start") {
		t.Errorf("got %v", err)
	}
	d.Open()
	next := open(t, d.Path, Of{})
	closed := make(chan error, 1)
	go func() { closed <- next.Close() }()
	got := d.Next()
	for got["FLEET_CONNECTION"] == "1" { // allowed before the journal was found to be gone
		got = d.Next()
	}
	if got["FLEET_CONNECTION"] != "7" || got["FLEET_EVENT"] != "end" {
		t.Errorf("got %v", got)
	}
	if got := d.Next(); got["FLEET_HOST"] != "a" || got["FLEET_COUNT"] != "1" || got["FLEET_EVENT"] != "repeated" {
		t.Errorf("got %v", got)
	}
	if got := d.Next(); got != nil {
		t.Errorf("more: %v", got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// A decision waits until it is recorded, unless it is a denial; what comes of it does not, and stands for both.
func TestRecord(t *testing.T) {
	for _, c := range []struct {
		r      audit.Record
		past   bool
		serial int64
	}{
		{audit.Record{Event: audit.Decision, Verdict: audit.Allow, Serial: 7}, false, 7},
		{audit.Record{Event: audit.Decision, Verdict: audit.Would, Serial: 7}, false, 7},
		{audit.Record{Event: audit.Decision, Verdict: audit.Deny, Serial: 7}, false, 0},
		{audit.Record{Event: audit.End, Verdict: audit.Allow, Serial: 7, Result: "closed"}, true, 7},
		{audit.Record{Event: audit.Repeated, Verdict: audit.Deny}, true, 0},
	} {
		r := record{&c.r}
		if r.Past() != c.past || r.Serial() != c.serial {
			t.Errorf("%+v: past %t, serial %d", c.r, r.Past(), r.Serial())
		}
		whole := spooltest.Decode(t, string(r.AppendWhole(nil)))
		if whole["FLEET_EVENT"] != audit.Decision || whole["FLEET_RESULT"] != c.r.Result {
			t.Errorf("%+v: whole is %v", c.r, whole)
		}
	}
}
