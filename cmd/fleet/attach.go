package main

import (
	"os"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/activate/terminal"
)

// relayCommand is the hidden command that runs in the view's only pane.
const relayCommand = "__pty"

// viewFolder is where the view's private folder is made. Only root can write there.
const viewFolder = "/run/fleet"

func newAttachCmd(a *app) *cobra.Command {
	var readOnly bool
	cmd := &cobra.Command{
		Use:   "attach KEY",
		Short: "Show an agent's terminal and type into it",
		Long: `Attach shows the agent's live terminal. ` + terminal.DetachKey + ` leaves; every other key, Ctrl-C too, goes to the agent. Between two
sessions it shows how the last one ended.

The agent's bytes never reach your terminal: they are drawn by a tmux of your own, without clipboard, titles, links or
passing through of escape sequences. No process of yours connects to the agent.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeKeys(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.show(cmd.Context(), "attach", args[0], "", readOnly, agents.Control.Attach)
		},
	}
	cmd.Flags().BoolVarP(&readOnly, "read-only", "r", false, "only look: nothing that you type reaches the agent")
	return cmd
}

func newRelayCmd() *cobra.Command {
	return &cobra.Command{
		Use: relayCommand + " SOCKET", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return terminal.Relay(args[0], os.Stdin, os.Stdout) },
	}
}
