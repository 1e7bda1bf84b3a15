// Command fleet-gate is the one door of an agent's traffic: name service, HTTP proxy and redirected connections of one
// agent, decided by one policy and recorded in the journal. systemd starts it with the sockets.
package main

import "os"

func main() {
	command, args := run, os.Args[1:]
	if len(args) > 0 {
		switch args[0] {
		case "ca":
			command, args = runCA, args[1:]
		case "reload":
			command, args = runReload, args[1:]
		case "look":
			command, args = lookAround, args[1:]
		}
	}
	os.Exit(command(args, os.Stderr))
}
