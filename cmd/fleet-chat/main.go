// Command fleet-chat is a project's chat: channels, tasks and lessons for agents, operators, and people who read along
// elsewhere. systemd starts it with the sockets of its agents. As fleet-chat tool it calls one tool of the chat for the
// scripts that run as an agent; as fleet-chat post it says something as the fleet, for root's.
package main

import (
	"os"

	"fleet/cmd/fleet-chat/internal/postcmd"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 {
		switch args[0] {
		case "tool":
			os.Exit(tool(args[1:], os.Stdin, os.Stdout, os.Stderr))
		case "post":
			os.Exit(postcmd.Run(args[1:], os.Stdin, os.Stderr))
		}
	}
	os.Exit(serve(args, os.Stderr))
}
