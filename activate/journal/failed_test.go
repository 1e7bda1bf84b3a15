package journal

import (
	"testing"
	"time"
)

func TestLaterThan(t *testing.T) {
	const out = `{"__MONOTONIC_TIMESTAMP":"1000000","__REALTIME_TIMESTAMP":"9"}
no record
{"__MONOTONIC_TIMESTAMP":"2500000"}
`
	for since, want := range map[time.Duration]bool{
		time.Second: true, 2500 * time.Millisecond: true, 2500*time.Millisecond + 1: false, time.Hour: false,
	} {
		if got := laterThan([]byte(out), since); got != want {
			t.Errorf("since %s: %t", since, got)
		}
	}
	if laterThan(nil, 0) {
		t.Error("no record is later than anything")
	}
}
