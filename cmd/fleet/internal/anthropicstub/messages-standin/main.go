//go:build machine

// Command messages-standin is the stand-in as a program of its own, for tests that start it inside an agent's network namespace:
// messages-standin ADDRESS LOGFILE.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"fleet/cmd/fleet/internal/anthropicstub"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "messages-standin:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: messages-standin ADDRESS LOGFILE")
	}
	log, err := os.OpenFile(args[1], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	return http.Serve(l, &anthropicstub.Server{Log: log})
}
