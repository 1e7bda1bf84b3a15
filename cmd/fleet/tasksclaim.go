package main

import (
	"github.com/spf13/cobra"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

func newTasksClaimCmd(a *app, socket *string) *cobra.Command {
	var by chatctl.Claim
	cmd := &cobra.Command{
		Use:   "claim ID",
		Short: "Take a task that is to do, for yourself or for an agent",
		Long: `Claim gives a task that is to do to you, or to the agent of --for. Of several that claim a task at once one gets it; the
others are refused, with exit status 3.` + taskHelp,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeTasks(socket, chat.Todo),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onTask(*socket, args[0], func(t *talk, number int64) (chat.Task, error) {
				return t.ClaimTask(cmd.Context(), number, by)
			})
		},
	}
	cmd.Flags().StringVar(&by.For, "for", "", "the `agent` that shall have it")
	mustComplete(cmd, "for", a.completeAgents(socket))
	return cmd
}
