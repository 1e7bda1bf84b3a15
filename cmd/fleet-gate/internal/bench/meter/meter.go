// Package meter reads what a process has used from the kernel, and sums up what was timed.
package meter

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the processor time of a process with all its threads, also those that have ended, to the nanosecond. It is
// what utime and stime of /proc/PID/stat are in ticks of ten milliseconds.
func CPU(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(clock(pid), &t); err != nil {
		return 0, fmt.Errorf("processor time of %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// clock is the clock of a process: clock_getcpuclockid(3), MAKE_PROCESS_CPUCLOCK of the kernel with CPUCLOCK_SCHED.
func clock(pid int) int32 { return int32(^pid)<<3 | 2 }

// Memory is resident memory in bytes.
type Memory struct {
	Now, Peak int64
	Anonymous int64 // of Now, without the pages of files, which are those of the program
}

// Resident reads the memory of a process.
func Resident(pid int) (Memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	return ParseStatus(string(b))
}

// ParseStatus reads the text of /proc/PID/status.
func ParseStatus(text string) (m Memory, err error) {
	fields := map[string]*int64{"VmRSS": &m.Now, "VmHWM": &m.Peak, "RssAnon": &m.Anonymous}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		to := fields[name]
		if to == nil {
			continue
		}
		kib, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, err := strconv.ParseInt(kib, 10, 64)
		if err != nil || unit != "kB" {
			return Memory{}, fmt.Errorf("%s: %q is no number of kB", name, value)
		}
		*to = n << 10
		delete(fields, name)
	}
	if len(fields) > 0 {
		return Memory{}, errors.New("no VmRSS, VmHWM or RssAnon: the process has ended")
	}
	return m, nil
}

// Descriptors counts the open files of a process.
func Descriptors(pid int) (int, error) {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(list), err
}

// Quantile returns the least of the times that q of them do not exceed; it sorts them.
func Quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		panic("quantile of nothing")
	}
	slices.Sort(times)
	at := int(math.Ceil(q*float64(len(times)))) - 1
	return times[min(max(at, 0), len(times)-1)]
}

// Median returns the middle of numbers.
func Median(v []float64) float64 {
	if len(v) == 0 {
		panic("median of nothing")
	}
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
