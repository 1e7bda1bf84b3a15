package vault

import (
	"golang.org/x/sys/unix"
)

// Guard keeps what this process reads from now on out of core dumps and, where it is root, out of the swap: locked are
// the pages that it touches, not all that Go reserves. Programs that it starts dump no core either.
func Guard() {
	// None of these can fail for root; for a user who may not lock memory the rest holds all the same.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if unix.Geteuid() == 0 {
		_ = unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	}
}
