package slack

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
	"fleet/schemas/chat"
)

const (
	// horizon is how many messages of a channel are looked at, after each connection, for answers in their threads, for
	// edits and for reactions; glance is how many in between.
	horizon, glance = 10_000, page

	// first is how far back is handed on what was written before the fleet was there: from a first start on nothing is
	// lost while there is no mark yet. Tasks that are not done count always.
	first = 24 * time.Hour

	// overlap is how far before the mark it is looked again: an answer in a thread may have come to light after a later
	// message elsewhere.
	overlap = 10 * time.Minute

	// Rooms are looked at again without a reason: seldom, and often where Slack gives events to another connection of
	// the same app too, or to none.
	seldom, often = 5 * time.Minute, 30 * time.Second

	// perLook is how much time there is for each channel and conversation at least: together they may take a fifth of
	// the calls that Slack allows.
	perLook = 6 * time.Second

	// telling is how long Slack takes at most to tell of something, if it tells this connection at all.
	telling = 10 * time.Second

	// tryAgain is the first wait after a fault; it doubles up to tryLast.
	tryAgain, tryLast = time.Second, time.Minute
)

// room is what is handed on in one order: a channel, or all that is written to a bot.
type room struct {
	b     *Backend
	in    backend.Inbox
	c     *client
	key   string // of the channel; "" is all conversations with the bot
	id    string // Slack's of the channel
	bot   string // that is talked to, as direct says
	tasks bool

	handed *recent // events
	judged *recent // reactions to tasks, as they were when they were looked at
	mark   string  // all up to this ts is handed on
	share  int     // how many channels and conversations are looked at besides
	alone  bool    // it is being looked at without a reason

	mu    sync.Mutex
	hints map[hint]bool
	depth int // how many messages are to be looked at besides the new ones
	every time.Duration
	wake  chan struct{} // takes one
}

// hint is a message that something is new about.
type hint struct {
	channel, thread, ts string
	changed             bool   // it is an old message that was edited, or reacted to
	wish, at            string // the key of the reaction, and its own ts
}

func (b *Backend) newRoom(in backend.Inbox, key string, c *client) *room {
	return &room{
		b: b, in: in, key: key, id: b.channels[key], tasks: key == chat.Tasks, c: c, mark: in.Mark(key),
		share: len(b.channels), handed: newRecent(horizon), judged: newRecent(horizon), hints: map[hint]bool{},
		depth: horizon, every: seldom, wake: make(chan struct{}, 1),
	}
}

// look has the room looked at.
func (r *room) look(depth int, hints ...hint) {
	r.mu.Lock()
	r.depth = max(r.depth, depth)
	for _, h := range hints {
		r.hints[h] = true
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // it will be
	}
}

// others says whether Slack may tell others what it does not tell us.
func (r *room) others(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.every = seldom
	if yes {
		r.every = often
	}
}

// run hands on what happens until ctx ends, or until a fault that a person has to mend.
func (r *room) run(ctx context.Context) error {
	wait := tryAgain
	for ctx.Err() == nil {
		depth, hints := r.take()
		err := r.sync(ctx, depth, hints)
		if err == nil {
			wait = tryAgain
			r.sleep(ctx)
			continue
		}
		var f *fault
		if errors.As(err, &f) && f.kind == setup {
			return r.b.setupError(f, r.key, r.c)
		}
		var later *backend.Later
		after := wait
		if errors.As(err, &later) {
			after = max(after, later.After)
		}
		wait = min(2*wait, tryLast)
		r.b.log.WithError(err).WithField("channel", or(r.key, r.bot)).Warn("cannot read the channel now")
		r.look(depth, hints...)
		_ = sleep.For(ctx, after) // the loop sees the end
	}
	return nil
}

func (r *room) take() (depth int, hints []hint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	depth, r.depth = r.depth, 0
	for h := range r.hints {
		hints = append(hints, h)
	}
	clear(r.hints)
	return depth, hints
}

// sleep waits until there is something to look at.
func (r *room) sleep(ctx context.Context) {
	r.mu.Lock()
	every := max(r.every, time.Duration(r.share)*perLook)
	r.mu.Unlock()
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-r.wake:
		r.alone = false
	case <-t.C:
		r.alone = true
		r.look(glance)
	case <-ctx.Done():
	}
}

// sync hands on what is new, in order.
func (r *room) sync(ctx context.Context, depth int, hints []hint) error {
	ids, err := r.ids(ctx, depth, hints)
	if err != nil {
		return err
	}
	var items []item
	judged := map[string]string{}
	for _, id := range ids {
		g := r.newGathering(id, judged)
		err := g.gather(ctx, depth, hints)
		if r.bot != "" && (is(err, "channel_not_found") || is(err, "not_in_channel") || is(err, "is_archived")) {
			continue // the conversation has an end
		}
		if err != nil {
			return err
		}
		items = append(items, g.items...)
	}
	slices.SortStableFunc(items, func(a, b item) int { return order(a.at(), b.at()) })
	for i := range items {
		if err := r.hand(ctx, &items[i]); err != nil {
			return err
		}
	}
	for ts, as := range judged {
		r.judged.put(ts, as)
	}
	return nil
}

// ids are the channels to look at.
func (r *room) ids(ctx context.Context, depth int, hints []hint) ([]string, error) {
	if r.id != "" {
		return []string{r.id}, nil
	}
	var ids []string
	for _, h := range hints {
		if !slices.Contains(ids, h.channel) {
			ids = append(ids, h.channel)
		}
	}
	if depth == 0 {
		return ids, nil
	}
	for cursor := ""; ; {
		var found []slackgo.Channel
		err := r.c.call(ctx, "conversations.list", "", func(ctx context.Context) (err error) {
			found, cursor, err = r.c.api.GetConversationsContext(ctx, &slackgo.GetConversationsParameters{
				Types: []string{"im"}, Limit: page, Cursor: cursor,
			})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			if !slices.Contains(ids, c.ID) {
				ids = append(ids, c.ID)
			}
		}
		if cursor == "" {
			r.share = max(r.share, len(ids))
			return ids, nil
		}
	}
}

// hand hands an item on, if it was not. The mark goes up to a message that was found where all before it is.
func (r *room) hand(ctx context.Context, it *item) error {
	e, ok, err := r.event(ctx, it)
	if err != nil {
		return err
	}
	next := r.mark
	if !it.edited && it.wish == nil && before(next, it.m.Timestamp) {
		next = it.m.Timestamp
	}
	if _, again := r.handed.get(e.ID); ok && !again {
		if err := r.in.Take(ctx, e, next); err != nil {
			return err
		}
		r.handed.put(e.ID, "")
		_, mine := r.b.sent.get(string(r.spot(it).ref(it.m.Timestamp)))
		if r.alone && !mine && time.Since(clock(it.at())) > telling {
			r.others(true)
			r.b.deaf(r.c)
		}
	}
	r.mark = next
	return nil
}
