package statustext

import (
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 119 * time.Minute: "1 h", 47 * time.Hour: "47 h",
		48 * time.Hour: "2 d", -3 * time.Minute: "-3 min",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
	now := time.Now()
	if got := ago(now, now.Add(time.Hour)); got != "in the future" {
		t.Errorf("a future time: %q", got)
	}
	if got := in(now, now.Add(-time.Hour)); got != "now" {
		t.Errorf("a time that is over: %q", got)
	}
}

func TestByteSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 1023: "1023", 1024: "1K", 1536: "1.5K", 612 << 20: "612M", 4 << 30: "4G", 5 << 40: "5T", 1 << 63: "8388608T"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
