// Package hub is a project's chat: agents, operators and people at the backend say things in channels, and hand out tasks.
// What a method has returned without an error is stored; who it is for is woken, and the backend shows it when it can.
package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/fleet-chat/internal/wake"
	"fleet/cmd/internal/rate"
	"fleet/schemas/chat"
)

// Options are what a hub is made of.
type Options struct {
	Config  *chat.Config
	Store   *store.Store
	Backend backend.Backend // nil where nobody reads along elsewhere
	Wake    *wake.Folders
	Log     logrus.FieldLogger

	Now func() time.Time // nil is the clock
}

// Hub joins all. Its methods may be called at once by several goroutines. An error that is store.Refused says why something
// cannot be done that was asked for, and nothing has changed; any other is a fault of this host.
type Hub struct {
	config  *chat.Config
	store   *store.Store
	backend backend.Backend
	wake    *wake.Folders
	log     logrus.FieldLogger
	now     func() time.Time

	agents   map[string]*Agent       // by key
	own      map[string]*Agent       // by the channel that is its own
	channels map[string]chat.Channel // by key

	news    bell // a message has come
	settled bell // something was shown
	outbox  outbox
	claims  claims
	offers  offers
}

// New makes a hub. It serves at once; what concerns the backend and time is done by Run.
func New(o Options) *Hub {
	h := &Hub{
		config: o.Config, store: o.Store, backend: o.Backend, wake: o.Wake, log: o.Log, now: o.Now,
		agents: map[string]*Agent{}, own: map[string]*Agent{}, channels: map[string]chat.Channel{},
	}
	if h.now == nil {
		h.now = time.Now
	}
	h.claims.open = map[int64]string{}
	h.offers.open = map[int64]*offer{}
	for i := range h.config.Agents {
		a := &h.config.Agents[i]
		h.agents[a.Key] = &Agent{h: h, of: a, writes: rate.New(h.config.Limits.PostsPerMinute)}
		if a.Channel != "" {
			h.own[a.Channel] = h.agents[a.Key]
		}
	}
	for _, c := range h.config.Channels {
		h.channels[c.Key] = c
	}
	return h
}

const (
	sweepTime = time.Hour

	// lookTime is how often it is looked whether grouped alerts are to be told, and tasks offered to more agents.
	lookTime = 15 * time.Second
)

// Run shows at the backend what is to be shown, takes what happens there, and looks after what is kept, until ctx ends. It
// returns an error where the store has failed.
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	if h.backend != nil {
		all.Go(func() { h.follow(ctx) })
		all.Go(func() { h.outbox.run(ctx, h) })
	}
	all.Go(func() { h.look(ctx) })
	h.wakeWaiting()
	var err error
	select {
	case <-ctx.Done():
	case <-h.store.Failed():
		err = h.store.Fault()
		cancel()
	}
	all.Wait()
	return err
}

// look does what is to be done from time to time.
func (h *Hub) look(ctx context.Context) {
	var swept time.Time
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	for {
		if now := time.Now(); now.Sub(swept) >= sweepTime {
			swept = now
			h.try("drop what is old", h.store.Sweep(h.now()))
		}
		h.try("tell grouped alerts", h.tellAlerts())
		h.offerAgain()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// try logs what failed and is tried again.
func (h *Hub) try(what string, err error) {
	if err != nil {
		h.log.WithError(err).Error("cannot " + what)
	}
}

// time is now, as it is stored.
func (h *Hub) time() time.Time { return h.now().UTC().Truncate(time.Millisecond) }

// place is what people read along at.
func (h *Hub) place() string { return h.config.Backend.Kind }

// shows tells whether people read a channel at the backend.
func (h *Hub) shows(channel string) bool {
	return h.backend != nil && (direct(channel) || h.channels[channel].ID != "")
}

// refuse is the error for what cannot be done.
func refuse(format string, args ...any) error { return store.Refused(fmt.Sprintf(format, args...)) }

// TooOften is the error where an agent writes more than it may. It is store.Refused too.
type TooOften struct {
	PerMinute int
	Wait      time.Duration // until it may again
}

// Error says how long to wait.
func (t *TooOften) Error() string {
	return fmt.Sprintf("at most %d writes a minute; the next is possible in %d s", t.PerMinute, int(t.Wait.Seconds())+1)
}

// Unwrap is the refusal.
func (t *TooOften) Unwrap() error { return store.Refused(t.Error()) }

// IsRefused tells whether an error says why something cannot be done, rather than that something is broken.
func IsRefused(err error) bool {
	var refused store.Refused
	return errors.As(err, &refused)
}

// bell wakes everybody who waits.
type bell struct {
	mu sync.Mutex
	c  chan struct{}
}

// next is closed at the next ring after this call.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}
