package discord

import (
	"context"
	"fmt"
	"regexp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
)

// The text of a claim's mark. Only backends write messages of this kind, so an agent's text that looks the same is
// none.
var claimPattern = regexp.MustCompile("^✋ `([a-z][a-z0-9-]*)` takes this task$")

func claimText(agent string) string { return "✋ `" + agent + "` takes this task" }

// Claim leaves a message in the task's thread, unless somebody was there before, and returns the first such message
// since the task became to do, or was opened. The message of one who lost is taken away again.
func (b *Backend) Claim(ctx context.Context, task backend.Ref, claim backend.Claim) (backend.Claim, error) {
	channel, id, _ := parseRef(task)
	ch, ok := b.channelByID(channel)
	switch {
	case !ok || !ch.tasks:
		return backend.Claim{}, fmt.Errorf("task %q must be one of this server", task)
	case !validID(claim.ID):
		return backend.Claim{}, fmt.Errorf("claim %q: the ID must be 26 letters and digits", claim.ID)
	case !claimPattern.MatchString(claimText(claim.Agent)):
		return backend.Claim{}, fmt.Errorf("claim %s: %q must be the key of an agent", claim.ID, claim.Agent)
	}
	won, err := b.claim(ctx, ch, id, claim)
	if err != nil {
		return backend.Claim{}, outlives(b.explain(ch.key, err))
	}
	return won, nil
}

func (b *Backend) claim(
	ctx context.Context, ch channel, id string, claim backend.Claim,
) (won backend.Claim, err error) {
	now, err := b.review(ctx, ch, id)
	if err == nil && now.partial {
		err = fmt.Errorf("task %s has too many messages to tell who claimed it first: close it and open a new one", id)
	}
	if err != nil {
		return won, err
	}
	if len(now.claims) > 0 && now.claims[0].ID != claim.ID {
		b.withdraw(ctx, id, now.marks[claim.ID])
		return now.claims[0], nil
	}
	if err := b.raise(ctx, id, claim); err != nil {
		return won, err
	}
	// Discord gives out the ID of a message before others see it, so an earlier one may appear yet.
	if err := sleep.For(ctx, b.pace.settle); err != nil {
		return won, &backend.Later{Err: err}
	}
	if now, err = b.review(ctx, ch, id); err != nil {
		return won, err
	}
	if len(now.claims) == 0 {
		return won, fmt.Errorf("claim %s: the task was made to do again after it: claim anew", claim.ID)
	}
	if won = now.claims[0]; won.ID != claim.ID {
		b.withdraw(ctx, id, now.marks[claim.ID])
	}
	return won, nil
}

// raise leaves the mark.
func (b *Backend) raise(ctx context.Context, id string, claim backend.Claim) error {
	return b.deliver(ctx, &letter{
		voice: voice{by: b.fleet, reader: b.fleet}, where: id, since: oldest(claim.Time),
		piece: piece{text: claimText(claim.Agent)}, mark: mark{id: claim.ID, kind: ofClaim},
	})
}

// withdraw takes a mark away that did not win. The winner stays the same, so it may fail.
func (b *Backend) withdraw(ctx context.Context, thread, id string) {
	if id == "" {
		return
	}
	if err := b.fleet.remove(ctx, thread, id); err != nil {
		b.log.Warnf("a claim that lost could not be taken away: %v", err)
	}
}
