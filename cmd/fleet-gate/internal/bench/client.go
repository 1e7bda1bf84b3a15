//go:build bench

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// patience is how long a client waits for anything.
const patience = time.Minute

// connect opens a connection to the host, through a tunnel where the subject is a proxy.
func (s *subject) connect(host string, port int) (net.Conn, error) {
	to := s.at(host, port)
	if s.proxy == "" {
		return dial(to)
	}
	c, err := dial(s.proxy)
	if err != nil {
		return nil, err
	}
	if err := handshake(c, to); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: CONNECT %s: %w", s.name, to, err)
	}
	return c, nil
}

func dial(to string) (*net.TCPConn, error) {
	c, err := net.Dial("tcp4", to)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), c.SetDeadline(time.Now().Add(patience))
}

// connectTLS does not verify: what is measured comes after the handshake.
func (s *subject) connectTLS(host string, port int) (net.Conn, error) {
	c, err := s.connect(host, port)
	if err != nil {
		return nil, err
	}
	t := tls.Client(c, &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err := t.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	own := t.ConnectionState().PeerCertificates[0].Issuer.CommonName != originName
	if want := s.opens && (host != tlsHost); own != want {
		c.Close()
		return nil, fmt.Errorf("%s: inspects %s: %v", s.name, host, own)
	}
	return t, nil
}

// handshake may read up to the end of the answer's head and beyond: no host here speaks first.
func handshake(c net.Conn, to string) error {
	if _, err := io.WriteString(c, "CONNECT "+to+" HTTP/1.1\r\nHost: "+to+"\r\n\r\n"); err != nil {
		return err
	}
	buf, n := make([]byte, 1<<10), 0
	for !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
		got, err := c.Read(buf[n:])
		if n += got; err != nil {
			return fmt.Errorf("%w after %q", err, buf[:n])
		}
	}
	if !bytes.HasPrefix(buf, []byte("HTTP/1.")) || !bytes.HasPrefix(buf[len("HTTP/1.x"):], []byte(" 200 ")) {
		return fmt.Errorf("it answers %q", buf[:n])
	}
	return nil
}

// oneByte sends a byte and reads it back.
func oneByte(c net.Conn) error {
	b := []byte{'x'}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}

// web is a connection on which one HTTP request follows the other.
type web struct {
	net.Conn
	r      *bufio.Reader
	buf    []byte // made at the first get
	fields string // of each request, besides those that all have
}

func newWeb(c net.Conn) *web {
	return &web{Conn: c, r: bufio.NewReader(c)}
}

// send asks for a target and reads the head of the answer, whose length it returns.
func (w *web) send(target, host string) (int, error) {
	head := "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: bench\r\nAccept: */*\r\n" + w.fields + "\r\n"
	if _, err := io.WriteString(w, head); err != nil {
		return 0, err
	}
	return readAnswer(w.r)
}

// get asks for a target and reads all of the answer, whose length it returns.
func (w *web) get(target, host string) (int, error) {
	size, err := w.send(target, host)
	if err != nil {
		return 0, err
	}
	if w.buf == nil {
		w.buf = make([]byte, 256<<10)
	}
	for left := size; left > 0; {
		n, err := w.r.Read(w.buf[:min(left, len(w.buf))])
		if err != nil {
			return 0, err
		}
		left -= n
	}
	return size, nil
}

// readAnswer reads the head of an answer that has a length.
func readAnswer(r *bufio.Reader) (size int, err error) {
	size = -1
	for n := 0; ; n++ {
		b, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if n == 0 && !bytes.Contains(b, []byte(" 200 ")) {
			return 0, fmt.Errorf("answer is %q", b)
		}
		if len(b) == 2 {
			break
		}
		if name, value, _ := strings.Cut(string(b), ":"); strings.EqualFold(name, "Content-Length") {
			if _, err := fmt.Sscan(value, &size); err != nil {
				return 0, err
			}
		}
	}
	if size < 0 {
		return 0, fmt.Errorf("the answer has no Content-Length")
	}
	return size, nil
}

// repeat does work n times by so many workers at once, and returns how long each took.
func repeat(n, workers int, work func(worker int) error) ([]time.Duration, error) {
	times := make([]time.Duration, n)
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				began := time.Now()
				if err := work(w); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				times[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	return times, failed
}
