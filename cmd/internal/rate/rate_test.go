package rate

import (
	"testing"
	"time"
)

func TestTake(t *testing.T) {
	r, now := New(3), time.Now()
	at := func(s float64) time.Duration { return r.Take(now.Add(time.Duration(s * float64(time.Second)))) }
	for _, c := range []struct {
		at   float64
		want time.Duration
	}{
		{0, 0},
		{1, 0},
		{50, 0},
		{50, 10 * time.Second},
		{59.5, 500 * time.Millisecond},
		{60, 0},
		{60, time.Second},
		{61, 0},
		{62, 48 * time.Second},
		{110, 0},
	} {
		if got := at(c.at); got != c.want {
			t.Errorf("at %g: %s, want %s", c.at, got, c.want)
		}
	}
	free := New(0)
	for range 5 {
		if free.Take(now) != 0 {
			t.Error("no limit is one")
		}
	}
}
