package budget

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

// clocks are the wall's and the machine's.
type clocks struct {
	wall time.Time
	boot time.Duration
}

func (c *clocks) pass(d time.Duration) { c.wall, c.boot = c.wall.Add(d), c.boot+d }

func open(t testing.TB, path string, c *clocks) *Book {
	t.Helper()
	log := logrus.New()
	log.SetOutput(new(bytes.Buffer))
	b, err := Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	if c != nil {
		b.now, b.ticks = func() time.Time { return c.wall }, func() time.Duration { return c.boot }
		if len(b.page.Used) == 0 {
			b.page.Day, b.page.Began = b.today(), int64(c.boot)
		}
	}
	return b
}

func limited(requests, bytes int64) policy.Decision {
	return policy.Decision{
		Allow: true, Rule: "egress.allow[0]", Budget: "hub.test#1", Limits: policy.Limits{RequestsPerDay: requests, BytesUpPerDay: bytes},
	}
}

var q = policy.Request{Kind: policy.KindConnect, Host: "hub.test", Port: 443}

func start() *clocks {
	return &clocks{wall: time.Date(2026, 5, 1, 13, 0, 0, 0, time.UTC), boot: 100 * time.Hour}
}

// EGR-J6: requests and bytes of a day.
func TestJ6Limits(t *testing.T) {
	c := start()
	b := open(t, t.TempDir()+"/budgets", c)
	for i, want := range []string{"", "", judge.Budget} {
		_, r := b.Begin(limited(2, 0), q)
		if got := reason(r); got != want {
			t.Errorf("request %d: %q", i, got)
		}
	}
	_, r := b.Begin(limited(2, 0), q)
	if want := "hub.test is refused: the 2 requests a day of egress.allow[0] are used up; they are renewed at 00:00 UTC"; !strings.HasPrefix(r.Text, want) {
		t.Errorf("got %q", r.Text)
	}
	d := limited(0, 100)
	d.Budget = "other"
	m, r := b.Begin(d, q)
	if r != nil {
		t.Fatal(r)
	}
	if a, e, z := m.Take(60), m.Take(60), m.Take(1); a != 60 || e != 40 || z != 0 {
		t.Errorf("got %d, %d and %d of 100", a, e, z)
	}
	if _, r := b.Begin(d, q); reason(r) != judge.Budget || !strings.Contains(r.Text, "the 100 bytes a day") {
		t.Errorf("got %v", r)
	}
	d.Budget = "narrowed"
	if m, _ := b.Begin(d, q); m.Take(10) != 10 {
		t.Error("a new one")
	} else if b.Configure(map[string]policy.Limits{"narrowed": {BytesUpPerDay: 15}}); m.Take(10) != 5 {
		t.Error("a stricter limit does not hold for what is open")
	}
	c.pass(12 * time.Hour) // the next day
	if m.Take(60) != 60 {
		t.Error("an open connection does not go on the next day")
	}
	if m, r := (*Book)(nil).Begin(d, q); m.Take(9) != 9 || r != nil {
		t.Error("a gate without budgets")
	}
	if m, r := b.Begin(policy.Decision{Allow: true}, q); m.Take(9) != 9 || r != nil {
		t.Error("a rule without limits")
	}
}

func reason(r *judge.Refusal) string {
	if r == nil {
		return ""
	}
	return r.Reason
}

// EGR-J6, EGR-H11: no step of the clock renews a day's counts, and none keeps them for ever.
func TestJ6Clock(t *testing.T) {
	path := t.TempDir() + "/budgets"
	c := start()
	b := open(t, path, c)
	spent := func() bool {
		_, r := b.Begin(limited(1, 0), q)
		return r != nil
	}
	spent()
	for _, step := range []time.Duration{-time.Hour, -48 * time.Hour, 47 * time.Hour} {
		if c.wall = c.wall.Add(step); !spent() {
			t.Errorf("renewed by a step of %s", step)
		}
	}
	c.wall = c.wall.Add(400 * 24 * time.Hour) // a clock that is a year ahead renews once
	if spent() || !spent() {
		t.Error("another day")
	}
	c.wall = c.wall.Add(-400 * 24 * time.Hour)
	c.pass(23 * time.Hour)
	if !spent() {
		t.Error("renewed within a day")
	}
	b.Close()
	b = open(t, path, c)
	if !spent() {
		t.Error("renewed by a restart")
	}
	c.pass(time.Hour)
	if spent() {
		t.Error("not renewed after a day")
	}
}

// A machine that was started anew has another clock since its start: the counts stay.
func TestOtherBoot(t *testing.T) {
	path := t.TempDir() + "/budgets"
	c := start()
	b := open(t, path, c)
	b.Begin(limited(1, 0), q)
	b.page.BootID = "another"
	b.page.Day++ // the clock was ahead
	b.Close()
	b = open(t, path, c)
	b.page.Began = int64(c.boot) // as Open found it
	if _, r := b.Begin(limited(1, 0), q); r == nil {
		t.Error("renewed by a reboot")
	}
	if c.pass(25 * time.Hour); b.at("hub.test#1").Requests != 0 {
		t.Error("kept for ever")
	}
}

// However many ask at once, no byte too many goes out, and what was counted is what is kept.
func TestJ6Exact(t *testing.T) {
	path := t.TempDir() + "/budgets"
	b := open(t, path, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 8 {
		m, _ := b.Begin(limited(0, 100_000), q)
		wg.Go(func() {
			for range 1000 {
				n := m.Take(17)
				mu.Lock()
				total += n
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := b.Close(); err != nil || total != 100_000 {
		t.Errorf("%d bytes, %v", total, err)
	}
	if got := open(t, path, nil).page.Used["hub.test#1"]; got == nil || *got != (used{8, 100_000}) {
		t.Errorf("kept %+v", got)
	}
}

func TestBadFile(t *testing.T) {
	for _, text := range []string{
		"", "{", "{}", `{"version":1}`, `{"version":1,"day":1,"bootID":"","began":0,"used":{"a":null}}`,
		`{"version":1,"day":1,"bootID":"","began":0,"used":{"a":{"requests":-1,"bytesUp":0}}}`,
		`{"version":1,"day":1,"bootID":"","began":0,"used":{"a":{"requests":1,"bytesUp":0},"a":{"requests":0,"bytesUp":0}}}`,
	} {
		path := t.TempDir() + "/budgets"
		os.WriteFile(path, []byte(text), 0o600)
		b := open(t, path, nil)
		if b.at("a").Requests != 0 {
			t.Errorf("%q is read", text)
		}
		if _, err := os.Stat(path + ".bad"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"day":20574,"bootID":"x","began":5,"used":{"a":{"requests":1,"bytesUp":2}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := &Book{now: time.Now, ticks: func() time.Duration { return 0 }}
		if b.parse(text) != nil {
			return
		}
		again, err := b.encode()
		if err != nil || (&Book{}).parse(again) != nil {
			t.Errorf("%q is written as %q, %v", text, again, err)
		}
	})
}
