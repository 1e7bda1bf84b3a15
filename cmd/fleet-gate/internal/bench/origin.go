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
)

var addresses = map[string]string{
	rawHost: "93.184.215.1", httpHost: "93.184.215.2", tlsHost: "93.184.215.3", seenHost: "93.184.215.4",
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
		{rawHost, rawPort, plain, serveHTTP},
		{httpHost, httpPort, plain, serveHTTP},
		{tlsHost, tlsPort, secure, serveHTTP},
		{seenHost, tlsPort, secure, serveHTTP},
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

var (
	small = []byte(answerHead(answerSize) + strings.Repeat("x", answerSize))
	block = bytes.Repeat([]byte("0123456789abcdef"), 16<<10) // 256 KiB
)

func answerHead(size int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", size)
}

// serveHTTP answers GET / and GET /SIZE. A server of package net/http would be more of what is measured than a proxy is.
func serveHTTP(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		size, err := readRequest(r)
		if err != nil {
			return
		}
		if size == 0 {
			_, err = c.Write(small)
		} else {
			err = sendBlocks(c, size)
		}
		if err != nil {
			return
		}
	}
}

func sendBlocks(c net.Conn, size int) error {
	if _, err := io.WriteString(c, answerHead(size)); err != nil {
		return err
	}
	for size > 0 {
		n, err := c.Write(block[:min(size, len(block))])
		if err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// readRequest reads a head and returns the number that the path is, 0 for "/".
func readRequest(r *bufio.Reader) (size int, err error) {
	for n := 0; ; n++ {
		line, err := r.ReadSlice('\n')
		if err != nil || len(line) == 2 {
			return size, err
		}
		if n == 0 {
			_, path, _ := strings.Cut(string(line), " /")
			path, _, _ = strings.Cut(path, " ")
			size, _ = strconv.Atoi(path)
		}
	}
}
