package machine

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// thread is an OS thread with a mount namespace of its own. What runs on it sees the host's files and its own mounts,
// and a process that it starts gets this namespace. When the thread ends, which it does at the latest with the
// process, the namespace and its mounts are gone.
type thread struct {
	work chan func()
	tid  int
	done chan struct{}
}

func startThread() (*thread, error) {
	t := &thread{work: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go t.run(ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	return t, nil
}

// run never unlocks its OS thread, so that the runtime ends the thread with the goroutine instead of lending it on.
func (t *thread) run(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() { // the runtime keeps the main thread for ever, and its namespace with it
		go t.run(ready)
		<-t.done
		runtime.UnlockOSThread()
		return
	}
	defer close(t.done)
	if err := privateMounts(); err != nil {
		ready <- err
		return
	}
	t.tid = unix.Gettid()
	ready <- nil
	for f := range t.work {
		f()
	}
}

func privateMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare the mount namespace: %w; this needs CAP_SYS_ADMIN", err)
	}
	// Else a mount that systemd has marked shared would carry ours to the host.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return nil
}

// do runs f on the thread and returns its error.
func (t *thread) do(f func() error) error {
	res := make(chan error)
	t.work <- func() { res <- f() }
	return <-res
}

// stop ends the thread. It must be called once, and do never after it.
func (t *thread) stop() {
	close(t.work)
	<-t.done
}

// root is the thread's view of "/", for use by any other thread.
func (t *thread) root() string { return fmt.Sprintf("/proc/%d/task/%d/root", os.Getpid(), t.tid) }
