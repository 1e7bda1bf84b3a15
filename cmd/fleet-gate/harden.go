package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps the memory of the gate, in which secrets are, from other processes and from disk: nobody attaches to it
// but root (prctl(2), PR_SET_DUMPABLE), and there is no core dump.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close the memory to other processes: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, new(unix.Rlimit)); err != nil {
		return fmt.Errorf("rule out core dumps: %w", err)
	}
	return nil
}
