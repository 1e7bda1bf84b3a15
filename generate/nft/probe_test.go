//go:build machine

package nft

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const probeTime = 300 * time.Millisecond

// probeMain does one thing as whoever it runs as and prints "reached", or what stopped it.
//
//	connect PROTOCOL ADDRESS PORT [SOURCEPORT]   protocol: tcp, mptcp, smc, sctp
//	send PROTOCOL ADDRESS PORT                   protocol: udp, udplite, ping, dccp or a number (raw)
//	serve ADDRESS PORT BYTES                     accepts one connection, writes that much, closes, prints nothing
//	flood ADDRESS PORT                           sends datagrams for ever
//	receive ADDRESS PORT                         wants a datagram within a second
//	fetch ADDRESS PORT BYTES                     reads to the end and wants that much
func probeMain(args []string) int {
	var err error
	switch args[0] {
	case "connect":
		err = connect(args[1:])
	case "send":
		err = send(args[1], args[2], args[3])
	case "serve":
		err = serve(args[1], args[2], args[3])
	case "flood":
		err = flooding(args[1], args[2])
	case "receive":
		err = receive(args[1], args[2])
	case "fetch":
		err = fetch(args[1], args[2], args[3])
	default:
		err = fmt.Errorf("unknown probe %q", args)
	}
	if err == nil {
		fmt.Println("reached")
		return 0
	}
	fmt.Println("blocked:", err)
	return 0
}

func sockaddr(address, port string) (int, unix.Sockaddr, error) {
	ip, p := net.ParseIP(address), 0
	if p, _ = strconv.Atoi(port); ip == nil {
		return 0, nil, fmt.Errorf("no address %q", address)
	}
	if v4 := ip.To4(); v4 != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: p, Addr: [4]byte(v4)}, nil
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: p, Addr: [16]byte(ip)}, nil
}

const (
	afSMC        = 43
	ipprotoSMC   = 256
	ipprotoMPTCP = 262
)

func streamSocket(family int, protocol string) (int, error) {
	switch protocol {
	case "mptcp":
		return unix.Socket(family, unix.SOCK_STREAM, ipprotoMPTCP)
	case "sctp":
		return unix.Socket(family, unix.SOCK_STREAM, unix.IPPROTO_SCTP)
	case "smc":
		return unix.Socket(afSMC, unix.SOCK_STREAM, 0)
	case "smc-inet":
		return unix.Socket(family, unix.SOCK_STREAM, ipprotoSMC)
	}
	return unix.Socket(family, unix.SOCK_STREAM, 0)
}

func connect(args []string) error {
	family, to, err := sockaddr(args[1], args[2])
	if err != nil {
		return err
	}
	fd, err := streamSocket(family, args[0])
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if len(args) > 3 {
		_, from, err := sockaddr(args[1], args[3])
		if err != nil {
			return err
		}
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if err := unix.Bind(fd, from); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
	}
	tv := unix.NsecToTimeval(int64(probeTime))
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
	return unix.Connect(fd, to)
}

func send(protocol, address, port string) error {
	family, to, err := sockaddr(address, port)
	if err != nil {
		return err
	}
	kind, number := unix.SOCK_DGRAM, 0
	packet := []byte("probe")
	switch protocol {
	case "udp", "flood":
	case "udplite":
		number = unix.IPPROTO_UDPLITE
	case "ping":
		number, packet = unix.IPPROTO_ICMP, []byte{8, 0, 0, 0, 0, 0, 0, 1}
		if family == unix.AF_INET6 {
			number, packet[0] = unix.IPPROTO_ICMPV6, 128
		}
	default:
		kind = unix.SOCK_RAW
		if number, err = strconv.Atoi(protocol); err != nil {
			return err
		}
	}
	fd, err := unix.Socket(family, kind, number)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	defer unix.Close(fd)
	if err := unix.Sendto(fd, packet, 0, to); err != nil || protocol == "flood" {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	soErr, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && soErr != 0 {
		err = unix.Errno(soErr)
	}
	return err
}

func serve(address, port, bytes string) error {
	l, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		return err
	}
	fmt.Println("listening")
	l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Second))
	c, err := l.Accept()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(bytes)
	if err != nil {
		return err
	}
	c.(*net.TCPConn).SetWriteBuffer(n)
	if _, err := c.Write(make([]byte, n)); err != nil {
		return err
	}
	return c.Close()
}

func flooding(address, port string) error {
	for {
		send("flood", address, port)
	}
}

func receive(address, port string) error {
	c, err := net.ListenPacket("udp", net.JoinHostPort(address, port))
	if err != nil {
		return err
	}
	fmt.Println("listening")
	c.SetReadDeadline(time.Now().Add(time.Second))
	_, _, err = c.ReadFrom(make([]byte, 100))
	return err
}

func fetch(address, port, bytes string) error {
	c, err := net.DialTimeout("tcp", net.JoinHostPort(address, port), probeTime)
	if err != nil {
		return err
	}
	c.(*net.TCPConn).SetReadBuffer(64 << 10)
	time.Sleep(100 * time.Millisecond) // the server has closed by now, with most of it unsent
	c.SetDeadline(time.Now().Add(5 * time.Second))
	n, err := io.Copy(io.Discard, c)
	if err == nil && strconv.FormatInt(n, 10) != bytes {
		err = errors.New("only " + strconv.FormatInt(n, 10) + " bytes")
	}
	return err
}

// sent returns how many packets have left by the dummy interface.
func sent() (int, error) {
	data, err := os.ReadFile("/sys/class/net/out0/statistics/tx_packets")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(data[:len(data)-1]))
}
