package firewall

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNamespace runs f in a new network namespace that holds nothing but a loopback interface, with whatever f starts and
// dials. The OS thread ends with it, and the namespace with the thread.
func inNamespace(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: no other goroutine shall get this thread
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("make an empty network namespace: %w; this needs root", err)
			return
		}
		done <- f()
	}()
	return <-done
}
