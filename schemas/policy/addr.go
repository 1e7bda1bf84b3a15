package policy

import (
	"net/netip"
	"slices"
)

// Class says how dangerous it is for an agent to reach an address by way of the gate.
type Class uint8

// Classes of addresses, the worst last.
const (
	Public Class = iota
	Local        // private, shared, unique local, loopback or hidden in IPv6: only where a rule says private
	Never        // metadata of a cloud, link-local, multicast, reserved, tunnelled
)

// String returns what a person calls it.
func (c Class) String() string { return [...]string{"public", "private", "forbidden"}[min(c, Never)] }

type block struct {
	prefix netip.Prefix
	class  Class
}

func blocks(class Class, prefixes ...string) []block {
	var out []block
	for _, p := range prefixes {
		out = append(out, block{netip.MustParsePrefix(p), class})
	}
	return out
}

// v4 are the blocks of IPv4 that are not public, the forbidden ones first: RFC 6890 and what clouds use in it.
var v4 = append(blocks(Never,
	"0.0.0.0/8",
	"100.100.100.200/32",                                // metadata of Alibaba
	"168.63.129.16/32",                                  // platform of Azure
	"169.254.0.0/16",                                    // link-local; metadata of most clouds
	"192.0.0.0/24",                                      // protocol assignments; metadata of Oracle
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", // documentation
	"192.88.99.0/24", // relays of 6to4
	"198.18.0.0/15",  // benchmarks
	"127.64.0.0/10",  // the gate's addresses for names
	"127.128.0.0/9",  // gates of agents that share the host's network
	"224.0.0.0/4",    // multicast
	"240.0.0.0/4",    // reserved, broadcast
), blocks(Local,
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
	"100.64.0.0/10", // shared by carriers
	"127.0.0.0/8",
)...)

// v6 are the blocks of IPv6 that are decided before the rule that only 2000::/3 is public.
var v6 = append(blocks(Never,
	"fd00:ec2::/32",              // metadata and resolver of AWS
	"fd20:ce::/32",               // metadata of Google
	"2001::/23",                  // protocol assignments, Teredo among them
	"2001:db8::/32", "3fff::/20", // documentation
	"2002::/16", // 6to4
), append(blocks(Local, "::1/128", "fc00::/7"), blocks(Public, "2000::/3")...)...)

// NotPublic returns the blocks of addresses that are not Public, sorted, none of them within another one. Of IPv6 only
// 2000::/3 can be.
func NotPublic() (ipv4, ipv6 []netip.Prefix) {
	for _, b := range v4 {
		ipv4 = append(ipv4, b.prefix)
	}
	for _, p := range []string{"::/3", "4000::/2", "8000::/1"} {
		ipv6 = append(ipv6, netip.MustParsePrefix(p))
	}
	for _, b := range v6 {
		if b.class != Public {
			ipv6 = append(ipv6, b.prefix)
		}
	}
	return outermost(ipv4), outermost(ipv6)
}

// outermost sorts blocks and leaves out those that lie within another one.
func outermost(list []netip.Prefix) (out []netip.Prefix) {
	slices.SortFunc(list, netip.Prefix.Compare)
	for _, p := range list { // one that holds p comes before it, and nothing but what it holds between
		if n := len(out); n == 0 || !out[n-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

// nat64 is the well-known prefix of RFC 6052.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Classify returns the class of an address. An IPv4 address that is hidden in IPv6 is at best Local.
func Classify(a netip.Addr) Class {
	switch {
	case !a.IsValid() || a.Zone() != "":
		return Never
	case a.Is4():
		return lookup(v4, a, Public)
	case a.Is4In6():
		return max(Local, Classify(a.Unmap()))
	case nat64.Contains(a):
		b := a.As16()
		return max(Local, Classify(netip.AddrFrom4([4]byte(b[12:]))))
	case isISATAP(a):
		return Never
	}
	return lookup(v6, a, Never)
}

func lookup(list []block, a netip.Addr, otherwise Class) Class {
	for _, b := range list {
		if b.prefix.Contains(a) {
			return b.class
		}
	}
	return otherwise
}

// isISATAP tells an address that tunnels to the IPv4 address in its end, RFC 5214.
func isISATAP(a netip.Addr) bool {
	b := a.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
