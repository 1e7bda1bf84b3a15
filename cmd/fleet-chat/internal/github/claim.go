package github

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
)

// Claim is backend.Backend's. Marks are comments of the fleet's account, also for an agent with an account of its own:
// other hosts need not know that one. Comments have numbers that grow, and of those since the task was last made to do
// the lowest wins. Who has lost takes its mark away again; the label that people see comes with the update that
// follows.
func (b *Backend) Claim(ctx context.Context, task backend.Ref, claim backend.Claim) (backend.Claim, error) {
	if !idPattern.MatchString(claim.ID) || !keyPattern.MatchString(claim.Agent) {
		return backend.Claim{}, fmt.Errorf("github: claim %q of %q: it must have 26 letters and digits, and an agent's key",
			plain(claim.ID), plain(claim.Agent))
	}
	if b.tasks == "" {
		return backend.Claim{}, errNoTasks
	}
	number, err := issueOf(task)
	if err != nil {
		return backend.Claim{}, err
	}
	p, err := b.ready(ctx)
	if err != nil {
		return backend.Claim{}, b.settle(ctx, p, b.fleet, err)
	}
	won, err := b.claim(ctx, p, number, claim)
	return won, b.settle(ctx, p, b.fleet, err)
}

func (b *Backend) claim(ctx context.Context, p *place, number int, claim backend.Claim) (backend.Claim, error) {
	h, err := b.history(ctx, p, number)
	if err != nil {
		return backend.Claim{}, err
	}
	m, err := b.marks(ctx, p, number, h, claim.ID)
	if err != nil {
		return backend.Claim{}, err
	}
	if m.first.ID == "" {
		if h.state != backend.Todo {
			return backend.Claim{}, fmt.Errorf("github: task #%d is not to do but %s", number, h.state)
		}
		mark := entry{id: claim.ID, claim: claim.Agent, author: b.agentName(claim.Agent), text: "takes this."}
		if _, err := b.write(ctx, p, b.fleet, number, mark); err != nil {
			return backend.Claim{}, err
		}
	}
	if m, err = b.decide(ctx, p, number, h, claim.ID); err != nil {
		return backend.Claim{}, err
	}
	for _, id := range m.vain {
		_, err := b.fleet.api.Issues.DeleteComment(ctx, p.owner, p.name, id)
		if err != nil && status(err) != http.StatusNotFound {
			return backend.Claim{}, b.judge(b.fleet, fmt.Sprintf("taking a claim of #%d back", number), err)
		}
	}
	return m.first, nil
}

// decide reads the marks until no earlier one can be missing any more.
func (b *Backend) decide(ctx context.Context, p *place, number int, h *history, id string) (*marks, error) {
	doing := fmt.Sprintf("a claim of #%d", number)
	for range scans {
		m, err := b.marks(ctx, p, number, h, id)
		if err != nil {
			return nil, err
		}
		// The mark's time is a whole second, and so is that by which GitHub's clock is known.
		age := b.fleet.limit.clock(time.Now()).Sub(m.first.Time) - time.Second
		if m.first.ID == "" {
			age = 0
		} else if age >= lag {
			return m, nil
		}
		if err := sleep.For(ctx, lag-min(max(age, 0), lag)); err != nil {
			return nil, b.judge(b.fleet, doing, err)
		}
	}
	return nil, &backend.Later{After: lag, Err: fmt.Errorf("github: %s is not to be seen yet", doing)}
}

// marks are the claims of a task since it was last made to do.
type marks struct {
	first backend.Claim // the one that wins
	vain  []int64       // the comments of the claim that asks, but the one that wins
}

func (b *Backend) marks(ctx context.Context, p *place, number int, h *history, id string) (*marks, error) {
	comments, err := b.comments(ctx, p, number, h.todo)
	if err != nil {
		return nil, err
	}
	m := &marks{}
	for _, c := range comments {
		e, ok := p.entry(c.GetUser(), c.GetBody())
		if !ok || e.claim == "" || p.own[c.GetUser().GetID()] != b.fleet || c.GetCreatedAt().Before(h.todo) {
			continue
		}
		switch {
		case m.first.ID == "":
			m.first = backend.Claim{ID: e.id, Agent: e.claim, Time: c.GetCreatedAt().Time}
		case e.id == id:
			m.vain = append(m.vain, c.GetID())
		}
	}
	return m, nil
}

func (b *Backend) agentName(key string) string {
	for i := range b.config.Agents {
		if a := &b.config.Agents[i]; a.Key == key {
			return a.Title()
		}
	}
	return key
}

func (b *Backend) history(ctx context.Context, p *place, number int) (*history, error) {
	issue, err := b.issue(ctx, p, number)
	if err != nil {
		return nil, err
	}
	if !b.tasks.isTask(issue) {
		return nil, fmt.Errorf("github: #%d is no task", number)
	}
	events, err := b.events(ctx, p, number)
	if err != nil {
		return nil, err
	}
	h := b.tasks.replay(issue, events, p.ours)
	// Marks before the task was last made to do must not count.
	if b.lags(h, issue) {
		err := fmt.Errorf("github: what was done to #%d is not all to be seen yet", number)
		return nil, &backend.Later{After: lag, Err: err}
	}
	return h, nil
}

// lags tells whether the list of what was done to an issue lacks something that will come. What it lacks for long it
// will never have, such as what was done with a label before somebody gave it another name.
func (b *Backend) lags(h *history, issue *github.Issue) bool {
	return h.lags && b.now().Before(issue.GetUpdatedAt().Add(overlap))
}
