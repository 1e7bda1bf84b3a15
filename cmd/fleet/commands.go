package main

import "github.com/spf13/cobra"

// commands lists every command, in the order of a user's day.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newVersionCmd(a),
	}
}
