//go:build bench

// Command plainrelay is the proxy that everybody writes first, the measure of the gate: CONNECT and io.Copy, with no
// policy and no record. It serves the socket that it is passed.
package main

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
)

func main() {
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(c.(*net.TCPConn))
	}
}

func serve(client *net.TCPConn) {
	defer client.Close()
	r := bufio.NewReader(client)
	req, err := http.ReadRequest(r)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	c, err := net.Dial("tcp", req.Host)
	if err != nil {
		return
	}
	server := c.(*net.TCPConn)
	defer server.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	if n := r.Buffered(); n > 0 {
		b, _ := r.Peek(n)
		if _, err := server.Write(b); err != nil {
			return
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.CloseWrite()
	})
	_, _ = io.Copy(server, client)
	_ = server.CloseWrite()
	wg.Wait()
}
