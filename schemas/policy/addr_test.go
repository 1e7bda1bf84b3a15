package policy_test

import (
	"net/netip"
	"testing"

	"fleet/schemas/policy"
)

// B5 to B8 and E11.
func TestClassify(t *testing.T) {
	for want, addrs := range map[policy.Class][]string{
		policy.Public: {
			"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
			"172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
			"2000::", "2606:4700::1", "2001:200::", "2001:4860:4860::8888", "2003::1", "3ffe::1",
		},
		policy.Local: {
			"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255",
			"127.0.0.1", "127.63.255.255", "::1", "fc00::1", "fdff::1", "::ffff:1.1.1.1", "::ffff:10.0.0.1",
			"64:ff9b::1.1.1.1", "64:ff9b::10.0.0.1",
		},
		policy.Never: {
			"0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "169.254.0.1", "168.63.129.16", "100.100.100.200",
			"192.0.0.192", "192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
			"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "127.64.0.2", "127.128.3.232", "127.255.255.255",
			"::", "::7f00:1", "::a9fe:a9fe", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
			"64:ff9b::a9fe:a9fe", "64:ff9b::", "64:ff9b:1::1", "2002:a9fe:a9fe::", "2002:101:101::1", "2001::1", "2001:db8::1",
			"3fff::1", "100::1", "4000::1", "5f00::1", "::ffff:169.254.169.254", "::ffff:0:1.2.3.4",
			"2606:4700::5efe:a9fe:a9fe", "2606:4700::200:5efe:a9fe:a9fe",
		},
	} {
		for _, a := range addrs {
			if got := policy.Classify(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s is %v, must be %v", a, got, want)
			}
		}
	}
	if policy.Classify(netip.Addr{}) != policy.Never {
		t.Error("no address must be forbidden")
	}
}

// FuzzClassify holds the blocks against what net/netip knows of addresses.
func FuzzClassify(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1})
	f.Add(netip.MustParseAddr("64:ff9b::a9fe:a9fe").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		got := policy.Classify(a)
		hidden := a.Unmap()
		switch {
		case hidden.IsLinkLocalUnicast(), hidden.IsMulticast(), hidden.IsUnspecified():
			if got != policy.Never {
				t.Errorf("%s is %v", a, got)
			}
		case hidden.IsPrivate(), hidden.IsLoopback(), a.Is4In6(), !a.IsGlobalUnicast():
			if got == policy.Public {
				t.Errorf("%s is %v", a, got)
			}
		}
	})
}
