package slack

import (
	"context"
	"errors"
	"fmt"
	"time"

	slackgo "github.com/slack-go/slack"
)

// gathering is a look at a channel.
type gathering struct {
	room    *room
	channel string
	again   string // what is later may not have been found by the looks before
	from    string // what is later is new
	items   []item
	threads map[string]string // from when on threads are read, by their root
	roots   []slackgo.Message // tasks that people have reacted to
	found   map[string]bool
	judged  map[string]string // roots, as they were
	told    map[string]string // ts of reactions, by message and by message and wish, where Slack told of them
}

func (r *room) newGathering(channel string, judged map[string]string) *gathering {
	g := &gathering{
		room: r, channel: channel, threads: map[string]string{}, found: map[string]bool{}, judged: judged,
		told: map[string]string{},
	}
	g.again = stamp(time.Now().Add(-first))
	if r.mark != "" {
		g.again = stamp(clock(r.mark).Add(-overlap))
	}
	return g
}

func (g *gathering) gather(ctx context.Context, depth int, hints []hint) error {
	if g.from = g.room.mark; g.from == "" || depth > 0 {
		g.from = g.again
	}
	if g.room.bot != "" {
		depth = min(depth, glance) // there are many conversations, and old ones are seldom gone on with
	}
	for _, h := range hints {
		if h.wish != "" {
			g.told[h.ts], g.told[h.ts+h.wish] = h.at, h.at
		}
	}
	top := g.from
	for _, h := range hints {
		switch {
		case h.channel != g.channel:
		case h.thread != "":
			g.since(h.thread, h.ts)
			g.since(h.thread, g.again) // an answer before it may not have been told
		case h.changed:
			if err := g.one(ctx, h.ts); err != nil {
				return err
			}
		case before(h.ts, top):
			top = h.ts
		}
	}
	if err := g.top(ctx, depth, top); err != nil {
		return err
	}
	for _, root := range sorted(g.threads) {
		if err := g.thread(ctx, root, g.threads[root]); err != nil {
			return err
		}
	}
	for _, m := range g.roots {
		if err := g.wishes(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// since has a thread read, from a ts on at the latest.
func (g *gathering) since(root, ts string) {
	if now, ok := g.threads[root]; !ok || before(ts, now) {
		g.threads[root] = ts
	}
}

// top looks at what stands in the channel itself: what is since from, and depth more.
func (g *gathering) top(ctx context.Context, depth int, from string) error {
	s := span{channel: g.channel}
	switch {
	case depth == 0:
		s.oldest, s.inclusive = from, true
	case depth > page:
		s.limit = largePage
	}
	n := 0
	return g.room.c.read(ctx, s, func(m slackgo.Message) bool {
		n++
		g.message(m, from)
		return n < depth || before(from, m.Timestamp)
	})
}

// one looks at one message that has changed.
func (g *gathering) one(ctx context.Context, ts string) error {
	s := span{channel: g.channel, oldest: ts, latest: ts, inclusive: true}
	return g.room.c.read(ctx, s, func(m slackgo.Message) bool {
		if m.Timestamp == ts {
			g.changed(m, "")
		}
		return true
	})
}

func (g *gathering) message(m slackgo.Message, from string) {
	r := g.room
	isNew := !before(m.Timestamp, from)
	if isNew || r.tasks && r.mark == "" {
		g.add(item{channel: g.channel, m: m, old: !isNew})
	}
	if m.LatestReply != "" && before(g.from, m.LatestReply) {
		g.since(m.Timestamp, g.from)
	}
	g.changed(m, g.from)
}

// changed looks at what may have happened to a message since it was written.
func (g *gathering) changed(m slackgo.Message, from string) {
	if m.Edited != nil && before(from, m.Edited.Timestamp) && before(m.Timestamp, m.Edited.Timestamp) {
		g.edit(m)
	}
	if !g.room.tasks || !g.room.b.isTask(&m) || len(g.room.b.wishes(&m)) == 0 || g.found["wishes "+m.Timestamp] {
		return
	}
	g.found["wishes "+m.Timestamp] = true
	seen := fmt.Sprint(m.Reactions, m.LatestReply, m.Edited != nil && before(from, m.Edited.Timestamp))
	if last, _ := g.room.judged.get(m.Timestamp); last != seen || g.told[m.Timestamp] != "" {
		g.roots = append(g.roots, m)
		g.judged[m.Timestamp] = seen
	}
}

// edit adds an edit. A message that is new is handed on as it is now.
func (g *gathering) edit(m slackgo.Message) {
	if _, handed := g.room.handed.get(g.channel + "/" + m.Timestamp); handed || !before(g.room.mark, m.Timestamp) {
		g.add(item{channel: g.channel, m: m, edited: true})
	}
}

func (g *gathering) add(it item) {
	key := it.at()
	if it.edited {
		key = "edit " + key
	}
	if !g.found[key] {
		g.found[key] = true
		g.items = append(g.items, it)
	}
}

// thread looks at the answers in a thread since a ts.
func (g *gathering) thread(ctx context.Context, ts, since string) error {
	t := &thread{spot: spot{channel: g.channel, thread: ts}}
	s := span{channel: g.channel, thread: ts, oldest: since, inclusive: true}
	err := g.room.c.read(ctx, s, func(m slackgo.Message) bool {
		if m.Timestamp == ts {
			t.root = m
		} else {
			t.replies = append(t.replies, m)
		}
		return true
	})
	for _, m := range t.replies {
		if !before(m.Timestamp, since) {
			g.add(item{channel: g.channel, m: m, root: t})
			g.changed(m, since)
		}
	}
	return err
}

// wishes adds the reactions of people to a task.
func (g *gathering) wishes(ctx context.Context, m slackgo.Message) error {
	t, err := g.room.b.thread(ctx, spot{channel: g.channel, thread: m.Timestamp})
	if errors.Is(err, errNoTask) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, w := range g.room.b.wishes(&t.root) {
		told := g.told[m.Timestamp+w.key()]
		g.items = append(g.items, item{channel: g.channel, m: t.root, root: t, wish: &w, told: told})
	}
	return nil
}
