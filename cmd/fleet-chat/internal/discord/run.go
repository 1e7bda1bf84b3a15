package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bwmarrin/discordgo"
	"golang.org/x/sync/errgroup"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
)

// Run connects the fleet's bot and those of agents. A channel that is read for the first time hands on its open tasks,
// and messages from then on. One agent's bot that cannot connect is left out, with a line in the log. The inbox hears
// of several channels at once.
func (b *Backend) Run(ctx context.Context, in backend.Inbox) error {
	if err := b.retry(ctx, func() error { return b.inspect(ctx) }); err != nil {
		return ended(ctx, err)
	}
	g, ctx2 := errgroup.WithContext(ctx)
	g.Go(func() error { return b.keepLooks(ctx2) })
	for _, own := range b.bots() {
		g.Go(func() error {
			err := newEar(b, own, in).listen(ctx2)
			if err != nil && own != b.fleet && ctx2.Err() == nil {
				b.log.Errorf("%v; until then its direct messages are not heard", err)
				return nil
			}
			return err
		})
	}
	return ended(ctx, g.Wait())
}

// ended makes no error of what ends with the context.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Intents: what Discord tells a bot. The fleet's must be allowed to see what messages say, "Message Content Intent".
const (
	fleetIntents = discordgo.IntentsGuilds | discordgo.IntentsGuildMessages | discordgo.IntentsGuildMessageReactions |
		discordgo.IntentsDirectMessages | discordgo.IntentMessageContent
	agentIntents = discordgo.IntentsDirectMessages
)

// ear is what one bot hears. Events are taken up one after the other.
type ear struct {
	*Backend
	own   *bot
	in    backend.Inbox
	reach map[string]reach // by the channel's key; the fleet's bot hears of channels
	talks talks
	met   bool
}

func newEar(b *Backend, own *bot, in backend.Inbox) *ear {
	r := &ear{Backend: b, own: own, in: in, reach: map[string]reach{}, talks: readTalks(in.Mark(own.direct()))}
	for _, ch := range b.channels {
		if own == b.fleet {
			r.reach[ch.key] = readReach(in.Mark(ch.key))
		}
	}
	return r
}

func (r *ear) listen(ctx context.Context) error {
	l := &link{bot: r.own, pace: &r.pace, log: r.log, intents: agentIntents, wake: make(chan struct{}, 1)}
	if r.own == r.fleet {
		l.intents = fleetIntents
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.hold(ctx) })
	g.Go(func() error {
		return l.work(ctx, func(kind string, raw json.RawMessage) error {
			return r.retry(ctx, func() error { return r.handle(ctx, kind, raw) })
		})
	})
	return g.Wait()
}

// retry does something again while a further try may mend it.
func (b *Backend) retry(ctx context.Context, do func() error) error {
	for wait := b.pace.pause; ; wait = min(2*wait, b.pace.pauseMax) {
		err := do()
		var l *backend.Later
		if !errors.As(err, &l) {
			return err
		}
		b.log.Warnf("Discord: %v", err)
		if err := sleep.For(ctx, max(wait, l.After)); err != nil {
			return err
		}
	}
}

// handle takes up one event of the gateway.
func (r *ear) handle(ctx context.Context, kind string, raw json.RawMessage) error {
	switch kind {
	case "READY", anew:
		return r.begin(ctx)
	case "MESSAGE_CREATE":
		return decode(r, raw, func(m *message) error { return r.onMessage(ctx, m) })
	}
	if r.own != r.fleet {
		return nil
	}
	switch kind {
	case "MESSAGE_REACTION_ADD":
		return decode(r, raw, func(x *reaction) error { return r.onReaction(ctx, x) })
	case "THREAD_CREATE":
		return decode(r, raw, func(t *thread) error { return r.onThread(ctx, t) })
	case "THREAD_UPDATE":
		return decode(r, raw, func(t *thread) error { r.learn(t); return nil })
	case "GUILD_CREATE":
		r.learnServer(raw)
	case "GUILD_DELETE":
		return decode(r, raw, r.left)
	case "CHANNEL_DELETE":
		return decode(r, raw, r.deleted)
	}
	return nil
}

// decode reads what an event is about. What cannot be read is left out.
func decode[T any](r *ear, raw json.RawMessage, do func(*T) error) error {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		r.log.Warnf("an event of Discord's gateway cannot be read: %v", err)
		return nil
	}
	return do(&v)
}

func (r *ear) left(g *struct {
	ID          string `json:"id"`
	Unavailable bool   `json:"unavailable"`
},
) error {
	if g.ID != r.server || g.Unavailable {
		return nil
	}
	id, _ := r.fleet.known()
	return fmt.Errorf("coordination.server: the bot is not in the server %s any more: invite it with %s",
		r.server, invitation(id))
}

func (r *ear) deleted(t *thread) error {
	ch, ok := r.channelByID(t.ID)
	if !ok {
		return nil
	}
	return fmt.Errorf("coordination.channels.%s: the channel %s has been deleted", ch.key, ch.id)
}

func (r *ear) onMessage(ctx context.Context, m *message) error {
	switch {
	case m.GuildID == "":
		if h := r.fromDirect(r.own, *m); h != nil {
			return r.storeDirect(ctx, h)
		}
	case r.own == r.fleet && m.GuildID == r.server:
		h, err := r.fromMessage(ctx, *m)
		return r.tell(ctx, h, nil, err)
	}
	return nil
}

func (r *ear) onReaction(ctx context.Context, x *reaction) error {
	h, err := r.fromReaction(ctx, *x)
	return r.tell(ctx, h, nil, err)
}

func (r *ear) onThread(ctx context.Context, t *thread) error {
	r.learn(t)
	if !t.Fresh {
		return nil
	}
	h, err := r.fromThread(ctx, t)
	return r.tell(ctx, h, nil, err)
}

// tell hands on an event of the server, if it is one. What Discord refuses to tell more of, as it was deleted again,
// is none.
func (r *ear) tell(ctx context.Context, h *heard, known reviews, err error) error {
	if err == nil && h != nil {
		err = r.take(ctx, h, known)
	}
	if isRefused(err) {
		r.log.Warnf("an event is left out: %v", err)
		return nil
	}
	return err
}

// take hands on an event, with the task that it is about, and then does what Discord shall show of it.
func (r *ear) take(ctx context.Context, h *heard, known reviews) error {
	if err := r.fill(ctx, h, known); err != nil {
		return err
	}
	if err := r.keep(ctx, h.Event, r.advance(h)); err != nil {
		return err
	}
	switch {
	case h.button != nil:
		return r.press(ctx, h)
	case h.task != "" && h.Echo == "":
		r.looks.add(h.task, 0)
	}
	return nil
}

// advance returns the mark of an event's channel after it.
func (r *ear) advance(h *heard) string {
	to := r.reach[h.Channel]
	if to.last != "" {
		to.last = later(to.last, h.at)
	}
	r.reach[h.Channel] = to
	return to.mark(r.pace.overlap)
}

// keep has the inbox store an event with the channel's mark.
func (r *ear) keep(ctx context.Context, e backend.Event, mark string) error {
	return r.retry(ctx, func() error {
		if err := r.in.Take(ctx, e, mark); err != nil {
			return &backend.Later{Err: fmt.Errorf("an event could not be stored: %w", err)}
		}
		return nil
	})
}

// press turns a reaction into a line in the thread, which stays, and takes the reaction away.
func (r *ear) press(ctx context.Context, h *heard) error {
	if h.Task.State != h.was {
		id := derived(h.ID)
		r.remember(id)
		l := &letter{
			voice: voice{by: r.fleet, reader: r.fleet}, where: h.task, since: h.since, digest: h.digest,
			piece: pieces("", "", statusLine(h.Task))[0], mark: mark{id: id, kind: ofPress},
		}
		if err := r.retry(ctx, func() error { return r.deliver(ctx, l) }); err != nil {
			return err
		}
	}
	err := r.retry(ctx, func() error {
		return r.fleet.unreact(ctx, h.button.ChannelID, h.button.MessageID, h.button.Emoji.Name, h.button.UserID)
	})
	r.looks.add(h.task, 0)
	return err
}
