//go:build machine

package origins

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// sniff counts every IP packet that arrives in the namespace of the calling thread, and goes on in the background.
func (b *book) sniff() error {
	all := uint16(unix.ETH_P_ALL)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, int(all<<8|all>>8))
	if err != nil {
		return err
	}
	go func() {
		for buf := make([]byte, 1<<16); ; {
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				continue
			}
			if l, ok := from.(*unix.SockaddrLinklayer); ok && l.Pkttype == unix.PACKET_OUTGOING {
				continue
			}
			if p, f, ok := parsePacket(buf[:n]); ok {
				b.packet(p, f)
			}
		}
	}()
	return nil
}

var protocols = map[byte]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}

// flow is what a packet of TCP says of its connection.
type flow struct {
	from, to netip.AddrPort
	opens    bool // the first packet of a connection
}

// parsePacket reads where an IP packet goes. Extension headers are none of TCP and UDP here.
func parsePacket(b []byte) (p Packet, f flow, ok bool) {
	var protocol byte
	var from, to netip.Addr
	var rest []byte
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		from, to = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		protocol, rest = b[9], b[min(len(b), int(b[0]&15)*4):]
	case len(b) >= 40 && b[0]>>4 == 6:
		from, to = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		if to.IsMulticast() || to.IsLinkLocalUnicast() {
			return p, f, false // neighbour discovery and reports of groups
		}
		protocol, rest = b[6], b[40:]
	default:
		return p, f, false
	}
	p.Address, p.Protocol = to.String(), protocols[protocol]
	if p.Protocol == "" {
		p.Protocol = strconv.Itoa(int(protocol))
	}
	if len(rest) >= 4 && (p.Protocol == "tcp" || p.Protocol == "udp" || p.Protocol == "sctp") {
		p.Port = int(binary.BigEndian.Uint16(rest[2:]))
	}
	if p.Protocol == "tcp" && len(rest) >= 14 {
		const syn, ack = 0x02, 0x10
		f = flow{netip.AddrPortFrom(from, binary.BigEndian.Uint16(rest)), netip.AddrPortFrom(to, uint16(p.Port)), rest[13]&(syn|ack) == syn}
	}
	return p, f, true
}
