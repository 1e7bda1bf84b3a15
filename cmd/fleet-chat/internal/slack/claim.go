package slack

import (
	"context"
	"fmt"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/slack/mrkdwn"
	"fleet/cmd/internal/sleep"
	"fleet/schemas/chat"
)

// claimTime is how long a claim waits for those of other hosts that were made before it.
const claimTime = time.Second

// Claim takes a task; see backend.Backend. The mark is a message of the fleet's bot in the task's thread, and Slack's
// ts orders them. What another app writes there is no mark, and a person cannot write one at all. A mark that has not
// won is taken away again.
func (b *Backend) Claim(ctx context.Context, task backend.Ref, c backend.Claim) (backend.Claim, error) {
	won, err := b.claim(ctx, task, c)
	return won, ended(ctx, err)
}

func (b *Backend) claim(ctx context.Context, task backend.Ref, c backend.Claim) (won backend.Claim, err error) {
	at, err := b.where(chat.Tasks, task)
	if err == nil && (at.thread == "" || at.bot != "") {
		err = fmt.Errorf("%q is no task", task)
	}
	if err == nil {
		err = b.identify(ctx, b.fleet, "")
	}
	if err != nil {
		return won, err
	}
	p, err := b.places.enter(ctx, at) // one claim of this task at a time
	if err != nil {
		return won, err
	}
	defer p.leave()
	won, mine, err := b.claims(ctx, at, c.ID)
	switch {
	case err != nil:
		return won, err
	case won.ID != "":
		b.withdraw(ctx, at, won, mine)
		return won, nil
	case mine != "":
		return won, fmt.Errorf("task %s was put back to do after this claim: claim it anew", task)
	}
	m := message{
		text: mrkdwn.Line(b.name(c.Agent)) + " takes this task.", thread: at.thread,
		username: b.shown(backend.Author{Key: c.Agent}), mark: mark{kind: claimMark, id: c.ID, agent: c.Agent},
	}
	if _, err := b.fleet.post(ctx, at.channel, m); err != nil {
		return won, err
	}
	if err := sleep.For(ctx, claimTime); err != nil {
		return won, err
	}
	won, mine, err = b.claims(ctx, at, c.ID)
	switch {
	case err != nil:
		return won, err
	case won.ID == "" || mine == "":
		err = fmt.Errorf("the claim of task %s is not to be seen yet", task)
		return backend.Claim{}, &backend.Later{After: settled, Err: err}
	}
	b.withdraw(ctx, at, won, mine)
	return won, nil
}

// withdraw takes the mark at a ts away that came after the one that won. It would never win, so it may fail.
func (b *Backend) withdraw(ctx context.Context, at spot, won backend.Claim, mine string) {
	if mine == "" || !won.Time.Before(clock(mine)) {
		return
	}
	if err := b.fleet.remove(ctx, at.channel, mine); err != nil {
		b.log.WithError(err).Warn("a claim that has not won could not be taken away")
	}
}

// claims returns the first claim since the task was last to do, if there is one, and the ts of the last one with this
// ID.
func (b *Backend) claims(ctx context.Context, at spot, id string) (won backend.Claim, mine string, err error) {
	t, err := b.thread(ctx, at)
	if err != nil {
		return won, "", err
	}
	since := t.root.Timestamp
	t.marks(b, stateMark, func(ts string, m mark) {
		if backend.State(m.state) == backend.Todo {
			since = ts
		}
	})
	t.marks(b, claimMark, func(ts string, m mark) {
		if m.id == id {
			mine = ts
		}
		if won.ID == "" && before(since, ts) {
			won = backend.Claim{ID: m.id, Agent: m.agent, Time: clock(ts)}
		}
	})
	return won, mine, nil
}
