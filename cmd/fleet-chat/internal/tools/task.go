package tools

import (
	"context"

	"fleet/cmd/fleet-chat/internal/hub"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/schemas/chat"
)

type tasksIn struct {
	Number   int64    `json:"number,omitempty" jsonschema:"this task in full"`
	States   []string `json:"states,omitempty" jsonschema:"only tasks in these states"`
	Assignee string   `json:"assignee,omitempty" jsonschema:"only tasks of this agent or person"`
	After    int64    `json:"after,omitempty" jsonschema:"only higher numbers, within each state"`
	Limit    int      `json:"limit,omitempty" jsonschema:"tasks at most"`
}

type tasksOut struct {
	Tasks    []chat.Task    `json:"tasks"`
	Messages []chat.Message `json:"messages,omitempty" jsonschema:"what was said last in the thread of the task with number"`
	More     bool           `json:"more"`
}

func (s *Side) tasks(_ context.Context, in tasksIn) (out tasksOut, err error) {
	out.Tasks = []chat.Task{}
	if in.Number != 0 {
		return s.task(in.Number, page(in.Limit))
	}
	all, more, err := s.agent.Tasks(store.Filter{
		States: in.States, Assignee: in.Assignee, After: in.After, Limit: page(in.Limit),
	})
	for _, t := range all {
		t.Body = "" // many long texts
		out.Tasks = append(out.Tasks, t)
	}
	out.More = more
	return out, err
}

func (s *Side) task(number int64, most int) (out tasksOut, err error) {
	t, err := s.agent.Task(number)
	if err != nil {
		return out, err
	}
	out.Tasks = []chat.Task{t}
	out.Messages, out.More, err = s.agent.History(hub.Place{Channel: chat.Tasks, Thread: store.TaskThread(number)}, most)
	return out, err
}

type taskCreateIn struct {
	Title    string `json:"title"`
	Body     string `json:"body,omitempty"`
	Assignee string `json:"assignee,omitempty" jsonschema:"key of the agent that it is meant for"`
	Key      string `json:"key,omitempty" jsonschema:"any name that you have not used: with it, it is made once"`
}

type taskOut struct {
	Task chat.Task `json:"task"`
}

func (s *Side) taskCreate(_ context.Context, in taskCreateIn) (taskOut, error) {
	t, err := s.agent.CreateTask(hub.NewTask{Title: in.Title, Body: in.Body, Assignee: in.Assignee, Key: in.Key})
	return taskOut{t}, err
}

type taskClaimIn struct {
	Number int64 `json:"number,omitempty" jsonschema:"the task; none is the first that you may have"`
}

func (s *Side) taskClaim(ctx context.Context, in taskClaimIn) (taskOut, error) {
	t, err := s.agent.ClaimTask(ctx, in.Number)
	return taskOut{t}, err
}

type taskUpdateIn struct {
	Number   int64   `json:"number"`
	State    *string `json:"state,omitempty"`
	Assignee *string `json:"assignee,omitempty" jsonschema:"key of an agent; empty is whoever claims it"`
	Title    *string `json:"title,omitempty"`
	Body     *string `json:"body,omitempty"`
	Note     string  `json:"note,omitempty" jsonschema:"said in the task's thread"`
}

func (s *Side) taskUpdate(_ context.Context, in taskUpdateIn) (taskOut, error) {
	t, err := s.agent.UpdateTask(in.Number, hub.TaskChange{
		State: in.State, Assignee: in.Assignee, Title: in.Title, Body: in.Body, Note: in.Note,
	})
	return taskOut{t}, err
}

type taskDoneIn struct {
	Number int64  `json:"number"`
	Note   string `json:"note,omitempty" jsonschema:"what was done and where it is"`
}

func (s *Side) taskDone(_ context.Context, in taskDoneIn) (taskOut, error) {
	done := chat.Done
	t, err := s.agent.UpdateTask(in.Number, hub.TaskChange{State: &done, Note: in.Note})
	return taskOut{t}, err
}
