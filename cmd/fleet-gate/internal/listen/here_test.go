package listen

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// EGR-B10: sockets in the network of the gate are known as its own.
func TestB10Here(t *testing.T) {
	s := sockets(t)
	var want []netip.AddrPort
	for _, a := range []net.Addr{s.DNSStream[0].Addr(), s.Proxy[0].Addr(), s.Transparent[0].Addr(), s.DNS[0].LocalAddr()} {
		want = append(want, netip.MustParseAddrPort(a.String()))
	}
	if d := cmp.Diff(want, s.Here(), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Error(d)
	}
}
