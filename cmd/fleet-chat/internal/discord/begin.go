package discord

import (
	"context"

	"fleet/cmd/fleet-chat/internal/backend"
)

// begin hands on what was missed before a new session.
func (r *ear) begin(ctx context.Context) error {
	if err := r.acquaint(ctx); err != nil {
		return err
	}
	if r.own == r.fleet {
		for _, ch := range r.channels {
			if err := r.beginChannel(ctx, ch); err != nil {
				return r.explain(ch.key, err)
			}
		}
	}
	return r.beginDirect(ctx)
}

func (r *ear) beginChannel(ctx context.Context, ch channel) error {
	to := r.reach[ch.key]
	if to.last == "" {
		return r.beginFirst(ctx, ch)
	}
	missed, err := r.missed(ctx, ch, to.after(r.pace.overlap))
	if err != nil {
		return err
	}
	return r.takeAll(ctx, missed)
}

// beginFirst hands on the tasks that stand. The mark is stored after the last one, and also where there is none: else
// what is written while the hub is away would be from before the first time.
func (r *ear) beginFirst(ctx context.Context, ch channel) error {
	now, standing, err := r.standing(ctx, ch)
	if err != nil {
		return err
	}
	if err := r.takeAll(ctx, standing); err != nil {
		return err
	}
	for _, h := range standing {
		r.looks.add(h.task, 0)
	}
	to := reach{now, now}
	if err := r.keep(ctx, backend.Event{Channel: ch.key}, to.mark(r.pace.overlap)); err != nil {
		return err
	}
	r.reach[ch.key] = to
	return nil
}

func (r *ear) takeAll(ctx context.Context, all []*heard) error {
	known := reviews{}
	for _, h := range all {
		if err := r.tell(ctx, h, known, nil); err != nil {
			return err
		}
	}
	return nil
}

// beginDirect hands on what was written to the bot.
func (r *ear) beginDirect(ctx context.Context) error {
	if !r.met {
		if err := r.meet(ctx, r.own, r.talks); err != nil {
			return err
		}
		if err := r.keep(ctx, backend.Event{Channel: r.own.direct()}, r.talks.mark()); err != nil {
			return err
		}
		r.met = true
	}
	missed, err := r.missedDirect(ctx, r.own, r.talks)
	if err != nil {
		return err
	}
	for _, h := range missed {
		if err := r.storeDirect(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

func (r *ear) storeDirect(ctx context.Context, h *heard) error {
	_, id, _ := parseRef(h.Thread)
	r.talks[id] = later(r.talks[id], h.at)
	return r.keep(ctx, h.Event, r.talks.mark())
}
