package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"fleet/activate/machine"
	"fleet/generate/model"
	"fleet/schemas/chat"
)

// taskTime is how long a trial waits until a task is done: agents come out of their pause, and one of them does it.
const taskTime = 90 * time.Second

// demoHarness is the harness of the library that needs no account.
const demoHarness = "demo"

// giveTask gives the team of a trial a task, and shows what is said about it until it is done. Teams whose chat is
// elsewhere, and harnesses other than the demo, are spared.
func (a *app) giveTask(ctx context.Context, m *machine.Machine, f *model.Fleet) error {
	c := f.ChatConfig()
	if c == nil || c.Backend.Kind != chat.Local || !slices.ContainsFunc(f.Agents, func(g model.Agent) bool {
		return g.Harness.Name == demoHarness && slices.ContainsFunc(c.Agents, func(by chat.Agent) bool {
			return by.Key == g.Key && by.Sees(chat.Tasks)
		})
	}) {
		return nil
	}
	a.log.Info("giving the team a task by the chat")
	fleet := func(args ...string) ([]byte, error) {
		return m.Command(ctx, append([]string{"fleet", "--json", "--project", f.Project}, args...)...).Output()
	}
	if _, err := fleet("tasks", "create", "Write down that you were here"); err != nil {
		return fmt.Errorf("create a task in the machine: %w", err)
	}
	for end := time.Now().Add(taskTime); ; time.Sleep(time.Second) {
		var tasks []chat.Task
		out, err := fleet("tasks", "list", "--all")
		if err == nil {
			err = json.Unmarshal(out, &tasks)
		}
		if err != nil {
			return fmt.Errorf("look at the tasks in the machine: %w", err)
		}
		if !slices.ContainsFunc(tasks, func(t chat.Task) bool { return t.State != chat.Done }) {
			break
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("the task of the trial is not done after %s", taskTime))
		}
	}
	return a.inside(ctx, m, "fleet", "--project", f.Project, "chat", "read", chat.Tasks)
}
