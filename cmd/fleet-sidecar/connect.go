package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// connect joins standard input and output to the sidecar's socket, as a harness wants a stdio server to be, and returns the
// exit status: 0 when the sidecar has ended the session, 1 where it cannot be reached or breaks off, 2 for wrong usage. The
// end of the input goes on to the sidecar, which answers what is open before it ends the session.
func connect(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) != 1 || args[0] == "" || args[0][0] == '-' {
		fmt.Fprintln(stderr, "usage: mcp-connect SOCKET")
		return 2
	}
	runtime.GOMAXPROCS(processors)
	if err := dieWithParent(); err != nil {
		fmt.Fprintln(stderr, "mcp-connect:", err)
		return 1
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: args[0], Net: "unix"})
	if err != nil {
		fmt.Fprintf(stderr, "mcp-connect: the sidecar is not reached: %v\n", err)
		return 1
	}
	defer c.Close()
	go func() {
		_, err := io.Copy(c, stdin)
		if err != nil && !errors.Is(err, syscall.EPIPE) {
			fmt.Fprintf(stderr, "mcp-connect: input: %v\n", err)
		}
		_ = c.CloseWrite() // a sidecar that is gone needs no end
	}()
	if _, err := io.Copy(stdout, c); err != nil {
		fmt.Fprintf(stderr, "mcp-connect: output: %v\n", err)
		return 1
	}
	return 0
}

// dieWithParent has the kernel end this process when the harness has ended, however it did.
func dieWithParent() error {
	parent := os.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0); err != nil {
		return fmt.Errorf("cannot end with its parent: %w", err)
	}
	if os.Getppid() != parent {
		return errors.New("its parent has ended")
	}
	return nil
}
