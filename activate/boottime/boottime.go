// Package boottime is the clock that counts from the start of the machine, goes on in its sleep, and that no change of
// the date moves: CLOCK_BOOTTIME, time_namespaces(7) apart.
package boottime

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// idFile is where the kernel names this boot, random(4).
const idFile = "/proc/sys/kernel/random/boot_id"

// ID names this boot.
func ID() (string, error) {
	b, err := os.ReadFile(idFile)
	if err != nil {
		return "", fmt.Errorf("ask the kernel for the name of this boot: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Now is the time since the start of the machine.
func Now() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // fails for no clock that the kernel has
	return time.Duration(t.Nano())
}

// Alarm is a call that is to come.
type Alarm struct{ timer *os.File }

// At calls f once, in a goroutine of its own, when Now is at, unless the alarm is stopped before.
func At(at time.Duration, f func()) (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	a := &Alarm{os.NewFile(uintptr(fd), "timer")}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(at)))} // 0 would switch it off
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		a.Stop()
		return nil, fmt.Errorf("set a timer: %w", err)
	}
	go func() {
		if _, err := a.timer.Read(make([]byte, 8)); err == nil {
			f()
		}
	}()
	return a, nil
}

// Stop ends the alarm; a call that has begun goes on. A nil Alarm has nothing to stop.
func (a *Alarm) Stop() {
	if a != nil {
		a.timer.Close()
	}
}
