package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fleet/cmd/internal/chatctl"
)

func newTasksCreateCmd(a *app, socket *string) *cobra.Command {
	var n chatctl.NewTask
	cmd := &cobra.Command{
		Use:   "create TITLE...",
		Short: "Make a task",
		Long: `Create makes a task that an agent may claim: any agent that sees the channel of tasks, or the one of --for alone. Agents
that pause and may have it are woken.` + taskHelp,
		Example: `  fleet tasks create "Mend the flaky test in CI" --for lead
  fleet tasks create "Review the parser" --body - < notes.md`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Title = strings.Join(args, " ")
			return a.tasksCreate(cmd.Context(), *socket, n)
		},
	}
	cmd.Flags().StringVar(&n.Body, "body", "", "the task's `text`; -: from standard input")
	cmd.Flags().StringVar(&n.For, "for", "", "the `agent` that it is meant for")
	mustComplete(cmd, "for", a.completeAgents(socket))
	return cmd
}

func (a *app) tasksCreate(ctx context.Context, socket string, n chatctl.NewTask) (err error) {
	if err := checkWords("the title", n.Title); err != nil {
		return err
	}
	if n.Body == "-" {
		if n.Body, err = a.words(nil); err != nil {
			return err
		}
	}
	if n.Body != "" {
		if err := checkWords("the text", n.Body); err != nil {
			return err
		}
	}
	t, err := a.talk(socket)
	if err != nil {
		return err
	}
	task, err := t.CreateTask(ctx, n)
	if err != nil {
		return t.fault(err)
	}
	return a.result(task, fmt.Sprintf("made task %d", task.Number))
}
