package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// listFlags are the flags of `fleet tasks list`.
type listFlags struct {
	states []string
	all    bool
	of     string
	lines  int
}

// shownOfTask is how many messages are shown of a task's thread.
const shownOfTask = 20

func newTasksListCmd(a *app, socket *string) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list [ID]",
		Short: "List tasks, or show one with its text and what was said about it",
		Long: `List shows the tasks that are not done, in progress first, or those of --state; with ID one task, its text, and the
newest messages of its thread.

With --json it is a list of tasks, each by schemas/chat/task.schema.json.`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeTasks(socket),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.taskShow(cmd.Context(), *socket, args[0], f)
			}
			return a.tasksList(cmd.Context(), *socket, f)
		},
	}
	cmd.Flags().StringSliceVar(&f.states, "state", nil, "list tasks in these `states`: todo, in_progress, blocked, done")
	cmd.Flags().BoolVar(&f.all, "all", false, "list tasks in all states")
	cmd.Flags().StringVar(&f.of, "for", "", "list tasks of this agent or `person`")
	cmd.Flags().IntVarP(&f.lines, "lines", "n", 50, "list so many of each state, of those that are done the newest; 0: all")
	mustComplete(cmd, "state", completeStates)
	mustComplete(cmd, "for", a.completeAgents(socket))
	return cmd
}

func (f listFlags) check() error {
	if f.lines < 0 || f.lines > maxLines {
		return usage(fmt.Errorf("-n must be from 0 to %d, is %d", maxLines, f.lines))
	}
	if f.all && len(f.states) > 0 {
		return usage(errors.New("--all and --state exclude each other"))
	}
	for _, state := range f.states {
		if err := checkState(state); err != nil {
			return err
		}
	}
	return nil
}

// order is that in which the states of tasks are listed.
var order = []string{chat.InProgress, chat.Blocked, chat.Todo, chat.Done}

func (f listFlags) listed() []string {
	return slices.DeleteFunc(slices.Clone(order), func(state string) bool {
		if len(f.states) > 0 {
			return !slices.Contains(f.states, state)
		}
		return state == chat.Done && !f.all
	})
}

func (a *app) tasksList(ctx context.Context, socket string, f listFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	t, err := a.talk(socket)
	if err != nil {
		return err
	}
	list, left := []chat.Task{}, false
	for _, state := range f.listed() {
		some, more, err := t.inState(ctx, state, f)
		if err != nil {
			return t.fault(err)
		}
		list, left = append(list, some...), left || more
	}
	if left {
		a.log.Info("there are more; -n 0 lists all")
	}
	if len(list) == 0 {
		return a.result(list, "no tasks")
	}
	return a.result(list, a.chatView().Tasks(list))
}

// inState lists the tasks in one state, and tells whether there are more of them.
func (t *talk) inState(ctx context.Context, state string, f listFlags) (all []chat.Task, more bool, err error) {
	filter := chatctl.Filter{States: []string{state}, For: f.of, Limit: chatctl.MaxPage}
	newest := state == chat.Done
	for {
		page, err := t.Tasks(ctx, filter)
		if err != nil {
			return nil, false, err
		}
		all = append(all, page.Tasks...)
		if over := len(all) - f.lines; f.lines > 0 && over > 0 {
			if more = true; newest {
				all = slices.Delete(all, 0, over)
			} else {
				return all[:f.lines], true, nil
			}
		}
		if !page.More || len(page.Tasks) == 0 {
			return all, more, nil
		}
		filter.After = page.Tasks[len(page.Tasks)-1].Number
	}
}

// taskShow shows one task.
func (a *app) taskShow(ctx context.Context, socket, name string, f listFlags) error {
	if f.all || f.of != "" || len(f.states) > 0 {
		return usage(errors.New("--state, --all and --for choose among tasks, and ID names one"))
	}
	number, err := taskNumber(name)
	if err != nil {
		return err
	}
	t, err := a.talk(socket)
	if err != nil {
		return err
	}
	task, err := t.Task(ctx, number)
	if err != nil {
		return t.fault(err)
	}
	if a.json {
		return a.result([]chat.Task{task}, "")
	}
	said, err := t.Messages(ctx, chatctl.Query{Channel: chat.Tasks, Thread: fmt.Sprintf("task-%d", number), Limit: shownOfTask})
	if err != nil {
		return t.fault(err)
	}
	a.print("%s", a.chatView().Task(task, said.Messages))
	return nil
}
