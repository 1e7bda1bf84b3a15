package gates

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bootIDFile is where the kernel names this boot, random(4).
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// bootID names this boot.
func bootID() (string, error) {
	b, err := os.ReadFile(bootIDFile)
	if err != nil {
		return "", fmt.Errorf("ask the kernel for the name of this boot: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// sinceBoot is the time since the start of the machine, its sleep included, which no change of the date moves.
func sinceBoot() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // fails for no clock that the kernel has
	return time.Duration(t.Nano())
}
