package main

import (
	"errors"

	"github.com/spf13/cobra"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

func newTasksUpdateCmd(a *app, socket *string) *cobra.Command {
	var state, of, title, body, note string
	cmd := &cobra.Command{
		Use:   "update ID",
		Short: "Change a task's state, owner or text",
		Long: `Update changes a task, whoever's it is. With --state todo a task whose agent is gone can be claimed again; an empty --for
makes it nobody's.` + taskHelp,
		Example: `  fleet tasks update 7 --state todo --for "" --note "lead is stopped, who takes it?"
  fleet tasks update 7 --state blocked --note "waits for the release"`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeTasks(socket),
	}
	f := cmd.Flags()
	f.StringVar(&state, "state", "", "todo, in_progress, blocked or done")
	f.StringVar(&of, "for", "", "the agent or `person` whose it is")
	f.StringVar(&title, "title", "", "its new `title`")
	f.StringVar(&body, "body", "", "its new `text`")
	f.StringVar(&note, "note", "", "say this `text` in the task's thread")
	mustComplete(cmd, "state", completeStates)
	mustComplete(cmd, "for", a.completeAgents(socket))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		set := func(name string, value *string) *string {
			if f.Changed(name) {
				return value
			}
			return nil
		}
		c := chatctl.Change{
			State: set("state", &state), For: set("for", &of), Title: set("title", &title), Body: set("body", &body), Note: note,
		}
		if err := checkChange(c); err != nil {
			return err
		}
		return a.onTask(*socket, args[0], func(t *talk, number int64) (chat.Task, error) {
			return t.UpdateTask(cmd.Context(), number, c)
		})
	}
	return cmd
}

func checkChange(c chatctl.Change) error {
	switch {
	case c.State == nil && c.For == nil && c.Title == nil && c.Body == nil:
		return usage(errors.New("a change must change something: --state, --for, --title or --body\n" +
			"  hint: fleet chat post tasks --thread task-7 says something about a task"))
	case c.State != nil:
		return checkState(*c.State)
	}
	return nil
}
