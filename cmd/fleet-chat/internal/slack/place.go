package slack

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"
)

const (
	// early is how much earlier than an effect was asked for what an earlier try has left may seem to be: this host's
	// clock may be ahead of Slack's.
	early = 24 * time.Hour

	// maxFound messages of ours are remembered of a place, and maxPlaces of these. More are forgotten, and looked for
	// again where they are wanted.
	maxFound, maxPlaces = 5000, 2000
)

// place is what is known of a spot: what of ours is there.
type place struct {
	spot
	turn   chan struct{}     // holds one: who writes there
	found  map[string]string // ts by effect and part
	looked bool              // since and floor are something
	since  string            // from this ts on all of ours is found, "" is from the beginning
	floor  string            // up to this ts
	stale  bool              // something may be there behind floor
	ours   func(m *slackgo.Message) bool
}

// places are those that this process wrote at.
type places struct {
	ours func(m *slackgo.Message) bool // wrote one of our bots it?

	mu    sync.Mutex
	known map[string]*place
}

// enter waits until nobody else writes there.
func (p *places) enter(ctx context.Context, at spot) (*place, error) {
	p.mu.Lock()
	key := string(at.ref(""))
	pl := p.known[key]
	if pl == nil {
		if len(p.known) >= maxPlaces {
			clear(p.known)
		}
		pl = &place{spot: at, turn: make(chan struct{}, 1), found: map[string]string{}, ours: p.ours}
		p.known[key] = pl
	}
	p.mu.Unlock()
	select {
	case pl.turn <- struct{}{}:
		return pl, nil
	case <-ctx.Done():
		return nil, ended(ctx, ctx.Err())
	}
}

func (p *place) leave() {
	p.forget()
	<-p.turn
}

// forget keeps what is newest.
func (p *place) forget() {
	if len(p.found) <= maxFound {
		return
	}
	all := slices.SortedFunc(maps.Values(p.found), order)
	p.since = all[len(all)-maxFound/2]
	maps.DeleteFunc(p.found, func(_, ts string) bool { return before(ts, p.since) })
}

// add notes a message of ours.
func (p *place) add(key, ts string) {
	p.found[key] = ts
	if before(p.floor, ts) {
		p.floor = ts
	}
}

// look finds what of ours may be there of an effect that was asked for at a time; zero is any.
func (p *place) look(ctx context.Context, c *client, asked time.Time) error {
	from := ""
	if !asked.IsZero() {
		from = stamp(asked.Add(-early))
	}
	further := !p.looked || before(from, p.since)
	if !further && !p.stale {
		return nil
	}
	s := span{channel: p.channel, thread: p.thread, oldest: p.floor, limit: largePage}
	if further {
		s.oldest = from
	}
	newest := p.floor
	err := c.read(ctx, s, func(m slackgo.Message) bool {
		if mk := markOf(&m); mk.part > 0 && p.ours(&m) {
			p.found[mk.key()] = m.Timestamp
		}
		if before(newest, m.Timestamp) {
			newest = m.Timestamp
		}
		return true
	})
	if err != nil {
		return err
	}
	if further {
		p.looked, p.since = true, from
	}
	p.floor, p.stale = newest, false
	return nil
}

// mayBeThere tells whether a message that could not be posted may be there for all that.
func mayBeThere(err error) bool {
	var f *fault
	return !errors.As(err, &f) || f.kind == unsure
}
