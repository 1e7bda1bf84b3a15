package meter_test

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-gate/internal/bench/meter"
)

func TestParseStatus(t *testing.T) {
	const good = "Name:\tgate\nVmHWM:\t   12004 kB\nVmRSS:\t   11000 kB\nRssAnon:\t    4000 kB\nRssFile:\t    7000 kB\n"
	want := meter.Memory{Now: 11000 << 10, Peak: 12004 << 10, Anonymous: 4000 << 10}
	if got, err := meter.ParseStatus(good); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{
		"", "Name:\tzombie\nState:\tZ (zombie)\n", "VmHWM:\t1 kB\nVmRSS:\tx kB\nRssAnon:\t1 kB\n",
		"VmHWM:\t1 MB\nVmRSS:\t1 kB\nRssAnon:\t1 kB\n",
	} {
		if got, err := meter.ParseStatus(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestSelf(t *testing.T) {
	before, err := meter.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const work = 20 * time.Millisecond
	began, used := usage(t), time.Duration(0)
	for used < work {
		used = usage(t) - began
	}
	after, err := meter.CPU(os.Getpid())
	if err != nil || after-before < work*9/10 || after-before > 10*used {
		t.Errorf("%v of work took %v, %v", used, after-before, err)
	}
	if m, err := meter.Resident(os.Getpid()); err != nil || m.Now < 1<<20 || m.Now > m.Peak || m.Anonymous >= m.Now {
		t.Errorf("got %+v, %v", m, err)
	}
	n, err := meter.Descriptors(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if more, err := meter.Descriptors(os.Getpid()); err != nil || more != n+1 {
		t.Errorf("%d descriptors, then %d, %v", n, more, err)
	}
	if _, err := meter.CPU(1 << 22); err == nil {
		t.Error("a process that there is not has a clock")
	}
}

// usage is what the kernel counts beside: getrusage(2).
func usage(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestQuantile(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(100-i))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 0.999: 100, 1: 100} {
		if got := meter.Quantile(times, q); got != want {
			t.Errorf("%v of 1 to 100 is %d", q, got)
		}
	}
	if got := meter.Median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("median %v", got)
	}
	if got := meter.Median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median %v", got)
	}
}
