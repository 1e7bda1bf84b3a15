package boottime_test

import (
	"testing"
	"time"

	"fleet/activate/boottime"
)

func TestAlarm(t *testing.T) {
	if id, err := boottime.ID(); err != nil || len(id) != 36 {
		t.Errorf("boot %q, %v", id, err)
	}
	rang := make(chan time.Duration, 2)
	began := boottime.Now()
	at := func(d time.Duration) *boottime.Alarm {
		t.Helper()
		a, err := boottime.At(began+d, func() { rang <- boottime.Now() - began })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Stop)
		return a
	}
	at(20 * time.Millisecond).Stop()
	at(50 * time.Millisecond)
	if after := <-rang; after < 50*time.Millisecond || after > time.Second {
		t.Errorf("rang after %s", after)
	}
	at(-began - time.Hour) // what is over rings at once
	if after := <-rang; after > time.Second {
		t.Errorf("rang after %s", after)
	}
	select {
	case after := <-rang:
		t.Errorf("an alarm that was stopped rang after %s", after)
	case <-time.After(50 * time.Millisecond):
	}
	(*boottime.Alarm)(nil).Stop()
}
