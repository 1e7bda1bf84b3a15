// Command fleet-sidecar holds a tool's secrets and offers the tool to agents over MCP: they get calls, never the values.
// systemd starts it with the sockets of its agents. As fleet-sidecar connect, and under the name mcp-connect, it is the
// program that a harness starts as a stdio server.
package main

import (
	"os"
	"path/filepath"
)

func main() {
	args := os.Args[1:]
	switch {
	case filepath.Base(os.Args[0]) == "mcp-connect":
		os.Exit(connect(args, os.Stdin, os.Stdout, os.Stderr))
	case len(args) > 0 && args[0] == "connect":
		os.Exit(connect(args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(run(args, os.Stderr))
}
