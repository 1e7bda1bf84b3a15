//go:build bench

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"fleet/cmd/fleet-chat/internal/hub"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/schemas/chat"
)

const claimers, toClaim = 200, 10_000

// claims has 200 agents claim 10,000 tasks over their sockets, until there is none: each task must be somebody's, and one's
// alone. It has no ratio.
func claims(ctx context.Context, l *lab) ([]row, error) {
	dir, err := l.folder()
	if err != nil {
		return nil, err
	}
	c := config(claimers, chat.MaxPostsPerMinute)
	if err := makeTasks(dir, c); err != nil {
		return nil, err
	}
	p, err := l.start(ctx, dir, c, false)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	of := map[int64]string{}
	began := time.Now()
	err = together(claimers, func(n int) error {
		for {
			res, err := call(ctx, p.stdio[n], "task_claim", map[string]any{})
			if err != nil && strings.Contains(err.Error(), store.ErrNoTask.Error()) {
				return nil
			}
			if err != nil {
				return err
			}
			out, _ := res.StructuredContent.(map[string]any)
			task, _ := out["task"].(map[string]any)
			number, _ := task["number"].(float64)
			mu.Lock()
			was, twice := of[int64(number)]
			of[int64(number)] = c.Agents[n].Key
			mu.Unlock()
			if twice {
				return fmt.Errorf("task %d is %s's and %s's", int64(number), was, c.Agents[n].Key)
			}
		}
	})
	took := time.Since(began)
	if endErr := p.end(); err == nil {
		err = endErr
	}
	if err == nil {
		err = judge(dir, c, of)
	}
	l.note("%d agents claim %d tasks in %.3g s: each is one's alone, none is lost", claimers, toClaim, took.Seconds())
	return nil, err
}

func makeTasks(dir string, c *chat.Config) error {
	in, err := openInside(dir, c)
	if err != nil {
		return err
	}
	err = together(claimers, func(n int) error {
		for i := n; i < toClaim; i += claimers {
			if _, err := in.Agent(c.Agents[n].Key).CreateTask(hub.NewTask{Title: fmt.Sprintf("task of %d", i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if closeErr := in.store.Close(); err == nil {
		err = closeErr
	}
	return err
}

// judge compares what the agents were told with what is stored.
func judge(dir string, c *chat.Config, of map[int64]string) error {
	s, err := store.Open(dir, c)
	if err != nil {
		return err
	}
	defer s.Close()
	if len(of) != toClaim {
		return fmt.Errorf("%d of %d tasks were claimed", len(of), toClaim)
	}
	for number, agent := range of {
		t, err := s.Task(number)
		if err != nil {
			return err
		}
		if t.State != chat.InProgress || t.Assignee != agent {
			return fmt.Errorf("task %d is %s, of %s; it was claimed by %s", number, t.State, t.Assignee, agent)
		}
	}
	return nil
}
