//go:build machine

package egress

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// order is what a test has an agent do, in its unit and as its user. It is a line of JSON on a connection to a socket in
// the agent's home, and so is the answer.
type order struct {
	Op      string        // "dial", "udp", "sh", "flood"
	Network string        // of dial
	Address string        // of dial, udp and flood
	Payload []byte        // of udp
	Script  string        // of sh
	Plain   bool          // sh without the variables of the proxy
	Time    time.Duration // that it may take
	Count   int           // of flood
}

// done is the answer to an order. After that of dial the connection is the one that was made.
type done struct {
	Error   string
	Payload []byte
	Exit    int
}

const ordersName = "orders"

// serveOrders is the harness: it does what it is told until it is killed.
func serveOrders() {
	path := filepath.Join(os.Getenv("HOME"), ordersName)
	_ = os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		for ; ; time.Sleep(10 * time.Second) {
			fmt.Println("here") // what it prints is its heartbeat
		}
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go obey(c.(*net.UnixConn))
	}
}

func obey(c *net.UnixConn) {
	defer c.Close()
	line, err := bufio.NewReader(c).ReadBytes('\n') // the test sends nothing more before the answer
	var o order
	if err != nil || json.Unmarshal(line, &o) != nil {
		return
	}
	var d done
	switch o.Op {
	case "dial":
		to, err := net.DialTimeout(o.Network, o.Address, o.Time)
		if err == nil {
			defer to.Close()
			if answer(c, d) == nil {
				splice(c, to.(*net.TCPConn))
			}
			return
		}
		d.Error = err.Error()
	case "udp":
		d.Payload, err = ask(o)
		d.Error = text(err)
	case "sh":
		d.Payload, d.Exit, err = shell(o)
		d.Error = text(err)
	case "flood":
		flood(c, o)
		return
	}
	_ = answer(c, d)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func answer(w io.Writer, d done) error { return json.NewEncoder(w).Encode(d) }

// splice copies both ways and keeps half-closes and resets.
func splice(a *net.UnixConn, b *net.TCPConn) {
	up := make(chan struct{})
	go func() {
		defer close(up)
		_, _ = io.Copy(b, a)
		_ = b.CloseWrite()
	}()
	_, _ = io.Copy(a, b)
	_ = a.CloseWrite()
	_ = b.SetReadDeadline(time.Now())
	<-up // ends when the test closes
}

func ask(o order) ([]byte, error) {
	c, err := net.Dial("udp", o.Address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(o.Time))
	if _, err := c.Write(o.Payload); err != nil {
		return nil, err
	}
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	return b[:n], err
}

func shell(o order) (out []byte, exit int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), o.Time)
	defer cancel()
	if o.Plain {
		o.Script = "unset HTTP_PROXY HTTPS_PROXY http_proxy https_proxy NO_PROXY no_proxy\n" + o.Script
	}
	cmd := exec.CommandContext(ctx, "sh", "-uc", o.Script)
	cmd.WaitDelay = time.Second
	out, err = cmd.CombinedOutput()
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		return out, e.ExitCode(), ctx.Err()
	}
	return out, 0, err
}
