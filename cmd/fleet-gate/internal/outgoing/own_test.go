package outgoing

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// The kernel is asked again after a while, so that an address that has come is known.
func TestRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, local := 0, false
		is := remembered(func(netip.Addr) bool {
			asked++
			return local
		})
		one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		for range 10 {
			if is(one) || is(two) {
				t.Fatal("local")
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times for two addresses", asked)
		}
		local = true
		time.Sleep(keepOwn + time.Millisecond)
		if !is(one) || !is(two) {
			t.Error("an old answer is believed")
		}
	})
}
