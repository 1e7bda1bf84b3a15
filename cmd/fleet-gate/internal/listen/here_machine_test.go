//go:build machine

package listen

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// EGR-B10: sockets in another network are not, whatever their address.
func TestB10Elsewhere(t *testing.T) {
	made := make(chan *Sockets)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its network
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			close(made)
			return
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			var up *unix.Ifreq
			if up, err = unix.NewIfreq("lo"); err == nil {
				up.SetUint16(unix.IFF_UP)
				err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, up)
			}
			unix.Close(fd)
		}
		if err != nil {
			t.Error(err)
		}
		made <- sockets(t)
	}()
	s := <-made
	if s == nil {
		return
	}
	if got := s.Here(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
