//go:build machine

package egress

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/websocket"

	"fleet/cmd/fleet/internal/e2e/origins"
)

// program is the name of this test's own binary in the machine: the harness of the agents.
const program = "attempter"

func TestMain(m *testing.M) {
	origins.Main(hosts()...)
	if filepath.Base(os.Args[0]) == program {
		if err := tool(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	status := m.Run()
	endShared()
	os.Exit(status)
}

// tool is what an agent's script can run of this program.
func tool(name string, args []string) error {
	switch name {
	case "get":
		return get(args[0])
	case "children":
		return children(args)
	case "tool":
		return serveTool()
	case "call":
		return call(args)
	case "scan":
		return scan()
	case "mirror":
		return mirror(args[0])
	}
	serveOrders()
	return nil
}

// get is a client written in Go, with nothing set.
func get(url string) error {
	r, err := http.Get(url) //nolint:gosec,noctx // its caller's
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, err = io.Copy(os.Stdout, r.Body)
	return err
}

// mirror opens a WebSocket with the agent's token and prints what comes.
func mirror(address string) error {
	c, err := websocket.NewConfig(address, "https://origin.test")
	if err != nil {
		return err
	}
	c.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	ws, err := websocket.DialConfig(c)
	if err != nil {
		return err
	}
	defer ws.Close()
	_, err = io.Copy(os.Stdout, ws)
	return err
}

// children asks for so many random names below another, and prints how many were answered.
func children(args []string) error {
	c, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	answered, b := 0, make([]byte, 4096)
	for i := range n {
		name := fmt.Sprintf("c%d-%d.%s.", time.Now().UnixNano(), i, args[1])
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write(question(name, dnsmessage.TypeA)); err != nil {
			return err
		}
		size, err := c.Read(b)
		if err != nil {
			return err
		}
		var m dnsmessage.Message
		if m.Unpack(b[:size]) == nil && len(m.Answers) > 0 {
			answered++
		}
	}
	fmt.Println(answered)
	return nil
}
