//go:build bench

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// Ports of the origin.
const (
	echoPort = 7    // sends each byte back
	rawPort  = 8080 // plain HTTP that goes through tunnels
	httpPort = 80
	tlsPort  = 443
)

// Hosts, one for each kind of rule.
const (
	rawHost  = "raw.bench.example"
	httpHost = "web.bench.example"
	tlsHost  = "tls.bench.example"
	seenHost = "seen.bench.example" // inspected
	keyHost  = "key.bench.example"  // inspected, and wants a secret
	onceHost = "once.bench.example" // as keyHost, and answers once on a connection
)

var addresses = map[string]string{
	rawHost: "93.184.215.1", httpHost: "93.184.215.2", tlsHost: "93.184.215.3", seenHost: "93.184.215.4",
	keyHost: "93.184.215.5", onceHost: "93.184.215.6",
}

func target(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// origin is all servers that clients want to reach.
type origin struct{ roots []byte }

func startOrigin() (*origin, error) {
	config, roots, err := certificate()
	if err != nil {
		return nil, err
	}
	if err := serveNames(); err != nil {
		return nil, err
	}
	plain := func(c net.Conn) net.Conn { return c }
	secure := func(c net.Conn) net.Conn { return tls.Server(c, config) }
	for _, s := range []struct {
		host  string
		port  int
		wrap  func(net.Conn) net.Conn
		serve func(net.Conn)
	}{
		{rawHost, echoPort, plain, echo},
		{rawHost, rawPort, plain, anyone.serve},
		{httpHost, httpPort, plain, anyone.serve},
		{tlsHost, tlsPort, secure, anyone.serve},
		{seenHost, tlsPort, secure, anyone.serve},
		{keyHost, tlsPort, secure, keyed.serve},
		{onceHost, tlsPort, secure, once.serve},
	} {
		var l net.Listener
		err := inOriginNet(func() (err error) {
			l, err = net.Listen("tcp4", target(addresses[s.host], s.port))
			return err
		})
		if err != nil {
			return nil, err
		}
		go accept(l, func(c net.Conn) {
			c = s.wrap(c)
			s.serve(c)
			c.Close()
		})
	}
	return &origin{roots: roots}, nil
}

// echo has a small buffer: there are thousands.
func echo(c net.Conn) {
	b := make([]byte, 64)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c)
	}
}

// answerSize is that of the answer to a request for "/".
const answerSize = 1 << 10

// site is what a host answers.
type site struct {
	small, block []byte // the answer to "/" with its head, and what larger ones consist of
	field        []byte // the line that a head must have; nil: none
	once         bool   // it closes a connection behind an answer
}

var (
	anyone = &site{
		small: []byte(answerHead(answerSize) + strings.Repeat("x", answerSize)),
		block: bytes.Repeat([]byte("0123456789abcdef"), 16<<10), // 256 KiB
	}
	refused = []byte("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
)

func answerHead(size int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", size)
}

// serve answers GET / and GET /SIZE. A server of package net/http would be more of what is measured than a proxy is.
func (s *site) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		size, good, err := s.readRequest(r)
		if err != nil {
			return
		}
		switch {
		case !good:
			_, err = c.Write(refused)
		case size == 0:
			_, err = c.Write(s.small)
		default:
			err = s.sendBlocks(c, size)
		}
		if err != nil || s.once {
			return
		}
	}
}

func (s *site) sendBlocks(c net.Conn, size int) error {
	if _, err := io.WriteString(c, answerHead(size)); err != nil {
		return err
	}
	for size > 0 {
		n, err := c.Write(s.block[:min(size, len(s.block))])
		if err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// readRequest reads a head and returns the number that the path is, 0 for "/", and whether the site answers it.
func (s *site) readRequest(r *bufio.Reader) (size int, good bool, err error) {
	good = s.field == nil
	for n := 0; ; n++ {
		line, err := r.ReadSlice('\n')
		if err != nil || len(line) == 2 {
			return size, good, err
		}
		if n == 0 {
			_, path, _ := strings.Cut(string(line), " /")
			path, _, _ = strings.Cut(path, " ")
			size, _ = strconv.Atoi(path)
		}
		good = good || bytes.Equal(line, s.field)
	}
}
