package systemd

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRealtime(t *testing.T) {
	if got := realtime(uint64(1795181012000000)); !got.Equal(time.Unix(1795181012, 0)) {
		t.Errorf("got %v", got)
	}
	for _, never := range []any{uint64(0), uint64(math.MaxUint64), "text", nil} {
		if got := realtime(never); !got.IsZero() {
			t.Errorf("%v: got %v", never, got)
		}
	}
}

func TestSinceBoot(t *testing.T) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	in := time.Until(sinceBoot(uint64(now.Nano()/1000 + 3600e6)))
	if in < 59*time.Minute || in > 61*time.Minute {
		t.Errorf("an hour from now is in %v", in)
	}
	for _, never := range []any{uint64(0), uint64(math.MaxUint64), nil} {
		if got := sinceBoot(never); !got.IsZero() {
			t.Errorf("%v: got %v", never, got)
		}
	}
}
