package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"fleet/cmd/fleet/internal/chattext"
	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

func newTasksCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tasks",
		Short: "List, make and steer the tasks of the team",
		Long: `Tasks are what agents take from the chat and report on. Root and the members of the operators' group may see and
change all of them. A task is named by its number: 7, #7 and task-7 are the same.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	socket := socketFlag(cmd)
	cmd.AddCommand(newTasksListCmd(a, socket), newTasksCreateCmd(a, socket), newTasksClaimCmd(a, socket),
		newTasksUpdateCmd(a, socket), newTasksDoneCmd(a, socket))
	return cmd
}

const taskHelp = `

With --json the task is one object by schemas/chat/task.schema.json.`

// taskNumber reads the name of a task.
func taskNumber(text string) (int64, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "#"), "task-")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != digits {
		return 0, usage(fmt.Errorf("a task is named by its number, such as 7 or task-7, not %q", text))
	}
	return n, nil
}

// changed shows a task after what was done to it.
func (a *app) changed(t chat.Task) error {
	text := fmt.Sprintf("task %d is %s", t.Number, chattext.Line(t.State, maxSaid))
	if t.Assignee != "" {
		text += ", of " + chattext.Line(t.Assignee, maxSaid)
	}
	return a.result(t, text)
}

// onTask does something to the task that an argument names.
func (a *app) onTask(socket, name string, f func(t *talk, number int64) (chat.Task, error)) error {
	number, err := taskNumber(name)
	if err != nil {
		return err
	}
	t, err := a.talk(socket)
	if err != nil {
		return err
	}
	task, err := f(t, number)
	if err != nil {
		return t.fault(err)
	}
	return a.changed(task)
}

func checkState(state string) error {
	if !slices.Contains(chat.States, state) {
		return usage(fmt.Errorf("--state must be one of %s, is %q", strings.Join(chat.States, ", "), state))
	}
	return nil
}

func completeStates(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return chat.States, cobra.ShellCompDirectiveNoFileComp
}

// completeTasks offers the numbers of tasks that are in one of the states, with their titles.
func (a *app) completeTasks(socket *string, states ...string) cobra.CompletionFunc {
	return completion(1, func() []string {
		list := known(a, socket, func(ctx context.Context, t *talk) (chatctl.Tasks, error) {
			return t.Tasks(ctx, chatctl.Filter{States: states, Limit: chatctl.MaxPage})
		})
		var out []string
		for _, one := range list.Tasks {
			out = append(out, cobra.CompletionWithDesc(strconv.FormatInt(one.Number, 10), chattext.Line(one.Title, maxSaid)))
		}
		return out
	})
}
