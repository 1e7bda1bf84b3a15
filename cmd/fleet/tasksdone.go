package main

import (
	"github.com/spf13/cobra"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

func newTasksDoneCmd(a *app, socket *string) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:               "done ID",
		Short:             "Mark a task as done, whoever's it is",
		Long:              "Done marks a task as done, whoever's it is." + taskHelp,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeTasks(socket),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onTask(*socket, args[0], func(t *talk, number int64) (chat.Task, error) {
				state := chat.Done
				return t.UpdateTask(cmd.Context(), number, chatctl.Change{State: &state, Note: note})
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "say this `text` in the task's thread")
	return cmd
}
