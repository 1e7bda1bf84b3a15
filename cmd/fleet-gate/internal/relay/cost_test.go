//go:build !race

package relay

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// A tunnel that has been used and is silent costs its two connections and little memory.
func TestIdleCost(t *testing.T) {
	const n = 200
	var ends [n][2]*net.TCPConn
	var inner [n][2]*net.TCPConn
	for i := range n {
		ends[i][0], inner[i][0] = pair(t)
		inner[i][1], ends[i][1] = pair(t)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fds := descriptors(t)
	for i := range n {
		go New(inner[i][0], inner[i][1], time.Hour).Run(nil)
	}
	one := make([]byte, 1)
	for i := range n {
		ends[i][0].Write(one)
		ends[i][1].Read(one)
		ends[i][1].Write(one)
		ends[i][0].Read(one)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := descriptors(t); got > fds {
		t.Errorf("%d descriptors more for %d tunnels", got-fds, n)
	}
	each := (after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse) / n
	t.Logf("%d bytes for each tunnel", each)
	if each > 12<<10 {
		t.Errorf("%d bytes for each idle tunnel, want at most 12 KiB", each)
	}
}
