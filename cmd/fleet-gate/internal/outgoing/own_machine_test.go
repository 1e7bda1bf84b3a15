//go:build machine

package outgoing

import (
	"net/netip"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// EGR-B9: addresses that an interface gets and loses, and prefixes of loopback, are asked of the kernel each time.
func TestB9Interfaces(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its network
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		ip := func(args ...string) {
			t.Helper()
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				t.Errorf("ip %v: %s", args, out)
			}
		}
		local := func(want bool, addrs ...string) {
			t.Helper()
			for _, a := range addrs {
				if got := isLocal(netip.MustParseAddr(a)); got != want {
					t.Errorf("%s: local is %v", a, got)
				}
			}
		}
		ip("link", "set", "lo", "up")
		ip("link", "add", "d0", "type", "veth", "peer", "name", "d1")
		ip("link", "set", "d1", "up")
		ip("link", "set", "d0", "up")
		local(false, "8.8.8.8", "2606:4700::1")
		ip("addr", "add", "8.8.8.8/24", "dev", "d0")
		ip("addr", "add", "2606:4700::1/64", "dev", "d0", "nodad")
		ip("route", "add", "default", "dev", "d0")
		local(true, "8.8.8.8", "2606:4700::1")
		local(false, "8.8.8.9", "9.9.9.9", "2606:4700::2")
		ip("addr", "add", "1.1.1.1/24", "dev", "lo")
		ip("route", "add", "local", "4.4.4.0/24", "dev", "lo")
		local(true, "1.1.1.1", "1.1.1.77", "4.4.4.4")
		sysctl := "/proc/sys/net/ipv4/ip_nonlocal_bind" // of the network of whoever opens it
		if out, err := exec.Command("sh", "-c", "echo 1 >"+sysctl+" && cat "+sysctl).CombinedOutput(); err != nil || string(out) != "1\n" {
			t.Errorf("%s, %v", out, err)
		}
		local(true, "8.8.8.8", "1.1.1.1")
		local(false, "9.9.9.9")
		ip("addr", "del", "8.8.8.8/24", "dev", "d0")
		local(false, "8.8.8.8")
	}()
	<-done
}
