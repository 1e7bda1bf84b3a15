package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/sleep"
	"fleet/schemas/chat"
)

// Pauses before a further try where the backend says nothing of how long to wait: the first, and the longest.
const firstPause, longestPause = time.Second, time.Minute

// outbox has a worker for each channel that has something to be shown, so that one which is held up holds up no other.
type outbox struct {
	mu      sync.Mutex
	begun   func(channel string) // nil until it runs
	working map[string]bool      // channels that have a worker
}

// queue sees to what was queued for a channel.
func (o *outbox) queue(channel string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun != nil && !o.working[channel] {
		o.working[channel] = true
		o.begun(channel)
	}
}

// run shows what is queued, until ctx ends.
func (o *outbox) run(ctx context.Context, h *Hub) {
	var all sync.WaitGroup
	o.mu.Lock()
	o.working = map[string]bool{}
	o.begun = func(channel string) { all.Go(func() { h.show(ctx, channel) }) }
	o.mu.Unlock()
	for {
		keys, err := h.store.Unshown()
		if err == nil {
			for _, key := range keys {
				o.queue(key)
			}
			break
		}
		h.try("read what is to be shown", err)
		if sleep.For(ctx, longestPause) != nil {
			break
		}
	}
	<-ctx.Done()
	o.mu.Lock()
	o.begun = nil
	o.mu.Unlock()
	all.Wait()
}

// next returns what is to be shown next, and ends the worker where there is nothing. Whoever has queued something since
// finds the worker at work, or ended.
func (o *outbox) next(s *store.Store, channel string) (*store.Pending, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, err := s.Next(channel)
	if err == nil && p == nil {
		delete(o.working, channel)
	}
	return p, err
}

// show shows at the backend what is queued for a channel, one after the other, until nothing is or ctx ends.
func (h *Hub) show(ctx context.Context, channel string) {
	for ctx.Err() == nil {
		p, err := h.outbox.next(h.store, channel)
		switch {
		case err != nil:
			h.try("read what is to be shown", err)
			_ = sleep.For(ctx, longestPause) // the loop sees the end
		case p == nil:
			return
		default:
			h.showOne(ctx, channel, p)
		}
	}
}

// showOne brings an effect about, however long that takes.
func (h *Hub) showOne(ctx context.Context, channel string, p *store.Pending) {
	ref, err := backend.Ref(""), error(nil)
	if p.Gone == "" {
		ref, err = h.bringAbout(ctx, p.Effect)
	}
	if ctx.Err() != nil {
		return // it is tried again after the next start
	}
	if p.Gone != "" || err != nil {
		h.unshown(p, err)
	}
	for {
		err := h.store.Settle(channel, p, ref)
		if err == nil {
			h.settled.ring()
			return
		}
		h.try("note what was shown", err)
		if sleep.For(ctx, firstPause) != nil {
			return
		}
	}
}

// bringAbout tries until it is done, or never will be.
func (h *Hub) bringAbout(ctx context.Context, e backend.Effect) (backend.Ref, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		ref, err := h.backend.Do(ctx, e)
		var later *backend.Later
		if err == nil || !errors.As(err, &later) {
			return ref, err
		}
		h.log.WithError(err).WithField("channel", e.Channel).Warn("cannot be shown yet")
		if sleep.For(ctx, max(later.After, pause)) != nil {
			return "", ctx.Err()
		}
	}
}

// unshown tells that people will not see something, in the log and, where that was no alert itself, in an alert.
func (h *Hub) unshown(p *store.Pending, err error) {
	text := p.Gone
	if err != nil {
		text = err.Error()
	}
	h.log.WithField("channel", p.Effect.Channel).Errorf("is not shown at %s: %s", h.place(), text)
	if p.Gone == "" && p.Effect.Channel != chat.Alerts {
		h.complain(fmt.Sprintf("something said in channel %s is not shown at %s: %s", p.Effect.Channel, h.place(), text))
	}
}
