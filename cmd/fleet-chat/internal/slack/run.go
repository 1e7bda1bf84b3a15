package slack

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
)

// Run hands on what people do until ctx ends; see backend.Backend.
func (b *Backend) Run(ctx context.Context, in backend.Inbox) error {
	err := b.persist(ctx, func() error { return b.verify(ctx) })
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	// Before anything is read: what these have written is ours.
	for _, agent := range sorted(b.own) {
		b.prepare(ctx, agent)
	}
	talks := newTalks(in)
	group, ctx := errgroup.WithContext(ctx)
	var fleet []*room
	for _, key := range sorted(b.channels) {
		fleet = append(fleet, b.newRoom(in, key, b.fleet))
	}
	fleet = append(fleet, b.newTalk(talks, direct, b.fleet))
	for _, r := range fleet {
		group.Go(func() error { return r.run(ctx) })
	}
	group.Go(func() error { return b.newLink(b.fleet, fleet).run(ctx) })
	for _, agent := range sorted(b.own) {
		if c := b.own[agent]; b.known(c) {
			group.Go(func() error { b.complain(ctx, agent, b.runOwn(ctx, talks, agent, c)); return nil })
		}
	}
	return group.Wait()
}

// newTalk is the room of what is written to a bot.
func (b *Backend) newTalk(t *talks, bot string, c *client) *room {
	r := b.newRoom(t.with(bot), "", c)
	r.bot = bot
	return r
}

// prepare learns who an agent's own bot is. What is wrong with that is told, and stops nobody else.
func (b *Backend) prepare(ctx context.Context, agent string) {
	c := b.own[agent]
	err := b.persist(ctx, func() error { return b.asSetup(b.identify(ctx, c, agent), "", c) })
	b.complain(ctx, agent, err)
}

func (b *Backend) complain(ctx context.Context, agent string, err error) {
	if err != nil && ctx.Err() == nil {
		b.log.WithField("agent", agent).WithError(err).
			Error("what is written to the agent's own bot is not read until the next start")
	}
}

// runOwn hands on what is written to an agent's own bot.
func (b *Backend) runOwn(ctx context.Context, t *talks, agent string, c *client) error {
	if err := b.missing(c, ownScopes); err != nil {
		return err
	}
	r := b.newTalk(t, direct+agent, c)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.run(ctx) })
	if c.appCredential == "" {
		r.others(true)
	} else {
		group.Go(func() error { return b.newLink(c, []*room{r}).run(ctx) })
	}
	return group.Wait()
}

// persist does what may fail for a while, until it fails for good or is done, or ctx ends.
func (b *Backend) persist(ctx context.Context, do func() error) error {
	for wait := tryAgain; ; wait = min(2*wait, tryLast) {
		err := do()
		var later *backend.Later
		if !errors.As(err, &later) {
			return err
		}
		if ctx.Err() == nil {
			b.log.WithError(err).Warn("Slack cannot be reached now")
		}
		if err := sleep.For(ctx, max(wait, later.After)); err != nil {
			return err
		}
	}
}
