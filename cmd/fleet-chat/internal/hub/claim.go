package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/schemas/chat"
)

// settleTime is how long a claim waits until the backend shows the task as it stands, and claimTime for its answer.
const settleTime, claimTime = 10 * time.Second, 20 * time.Second

// claims are those that are under way at the backend.
type claims struct {
	mu   sync.Mutex
	open map[int64]string // who claims a task
}

// claim gives a task that is to do to an agent or person, or with number 0 the first one that it may have. Of several
// that claim a task at once, on this host or on others, one gets it; whose it is already gets it again.
func (h *Hub) claim(ctx context.Context, by chat.Author, number int64, assignee string) (chat.Task, error) {
	if !h.shows(chat.Tasks) {
		return h.claimHere(by, number, assignee)
	}
	if number != 0 {
		return h.claimThere(ctx, by, number, assignee)
	}
	for after := int64(0); ; after = number {
		var err error
		if number, err = h.store.FirstTodo(after, assignee); err != nil {
			return chat.Task{}, err
		}
		if number == 0 {
			return chat.Task{}, store.ErrNoTask
		}
		t, err := h.claimThere(ctx, by, number, assignee)
		var lost *lostError
		if !errors.As(err, &lost) {
			return t, err
		}
	}
}

// claimHere is a claim that this host decides.
func (h *Hub) claimHere(by chat.Author, number int64, assignee string) (chat.Task, error) {
	c := store.Change{By: by, Time: h.time(), Show: h.shows(chat.Tasks)}
	n := store.Notice{Text: "claimed the task"}
	if by.ID != assignee && by.Name != assignee {
		n.Text = "gave the task to " + assignee
		n.To = h.only(assignee)
	}
	t, err := h.store.ClaimTask(number, assignee, c, n)
	if err == nil {
		was := chat.Task{State: chat.Todo}
		h.changed(&was, &t, by)
	}
	return t, err
}

// only is the agent of that key, if it is one.
func (h *Hub) only(key string) []string {
	if h.agents[key] == nil {
		return nil
	}
	return []string{key}
}

// lostError is a claim that another one has won.
type lostError struct{ store.Refused }

// Unwrap is the refusal.
func (l *lostError) Unwrap() error { return l.Refused }

func lost(format string, args ...any) error {
	return &lostError{store.Refused(fmt.Sprintf(format, args...))}
}

// claimThere is a claim that the backend decides.
func (h *Hub) claimThere(ctx context.Context, by chat.Author, number int64, assignee string) (chat.Task, error) {
	t, err := h.store.Task(number)
	if err != nil {
		return t, err
	}
	if err := store.Claim(&t, assignee); err != nil {
		return t, &lostError{store.Refused(err.Error())}
	}
	if !h.claims.begin(number, assignee) {
		return t, lost("task %d is being claimed by another agent", number)
	}
	defer h.claims.end(number)
	ref, err := h.whenSettled(ctx, number)
	if err != nil {
		return t, err
	}
	id, err := h.store.ClaimID(number, assignee)
	if err != nil {
		return t, err
	}
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	won, err := h.backend.Claim(ctx, ref, backend.Claim{ID: id, Agent: assignee, Time: h.time()})
	if err != nil {
		h.log.WithError(err).Warn("a claim was not decided")
		return t, refuse("task %d: %s does not answer, which decides on claims; try again later", number, h.place())
	}
	if won.ID != id {
		return t, h.lose(number, won)
	}
	return h.claimHere(by, number, assignee)
}

func (c *claims) begin(number int64, who string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, busy := c.open[number]; busy {
		return false
	}
	c.open[number] = who
	return true
}

func (c *claims) end(number int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, number)
}

// whenSettled returns where a task is at the backend, when that shows it as it stands: claims of before it was given back
// would win there until then.
func (h *Hub) whenSettled(ctx context.Context, number int64) (backend.Ref, error) {
	timeout := time.NewTimer(settleTime)
	defer timeout.Stop()
	for {
		changed := h.settled.next()
		ref, waits, err := h.store.TaskRef(number)
		switch {
		case err != nil:
			return "", err
		case !waits && ref == "":
			return "", refuse("task %d could not be shown at %s, which decides on claims", number, h.place())
		case !waits:
			return ref, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		case <-timeout.C:
			return "", refuse("task %d is not yet shown at %s, which decides on claims; try again later", number, h.place())
		}
	}
}

// lose notes whose the task is.
func (h *Hub) lose(number int64, won backend.Claim) error {
	by := chat.Author{Kind: chat.KindPerson, ID: h.place(), Name: won.Agent, Bot: true}
	_, err := h.store.ChangeTask(number, store.Change{By: by, Time: h.time()}, func(t *chat.Task) (store.Notice, error) {
		if t.State != chat.Todo {
			return store.Notice{}, nil
		}
		t.State, t.Assignee = chat.InProgress, won.Agent
		return store.Notice{Text: "claimed the task on another host"}, nil
	})
	if err != nil && !IsRefused(err) {
		return err
	}
	h.news.ring()
	return lost("task %d is in_progress, of %s on another host", number, won.Agent)
}

// ClaimTask takes a task that is to do, or with number 0 the first one that the agent may have.
func (a *Agent) ClaimTask(ctx context.Context, number int64) (chat.Task, error) {
	if err := a.see(chat.Tasks); err != nil {
		return chat.Task{}, err
	}
	if err := a.write(); err != nil {
		return chat.Task{}, err
	}
	return a.h.claim(ctx, a.author(), number, a.of.Key)
}
