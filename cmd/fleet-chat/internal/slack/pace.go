package slack

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
)

// postEvery is how far apart messages of one app are in a channel: a little over the second that Slack asks for.
const postEvery = 1050 * time.Millisecond

// tiers are the calls in a minute that Slack allows of a method, by app and workspace; see
// https://docs.slack.dev/apis/web-api/rate-limits. What is not here is of tier 3.
var tiers = map[string]int{
	"apps.connections.open": 10, // tier 1 by one page of the documentation, tier 3 by another
	"auth.test":             100,
	"chat.postMessage":      100, // has a limit of its own for each channel
	"conversations.list":    20,
	"reactions.remove":      20,
	"users.info":            100,
}

const (
	tier3 = 50

	// burst is how many calls may follow on each other at once, of the "occasional bursts" that are welcome.
	burst = 10
)

// pace keeps the calls of one app within Slack's limits.
type pace struct {
	mu      sync.Mutex
	methods map[string]*gate
	posts   map[string]*gate // by channel
}

// gate lets one call of a method through at a time, so that nothing is under way when Slack says that it is too much.
type gate struct {
	turn  chan struct{} // holds one
	limit *rate.Limiter
	until time.Time // it is closed, says Slack
	last  time.Time // of posts: when the last one ended
}

func newPace() *pace { return &pace{methods: map[string]*gate{}, posts: map[string]*gate{}} }

// enter waits until the method may be called, for a post in this channel, and returns what ends that call: it takes
// what Slack says how long to wait before the next, 0 is nothing. A method that Slack has closed is an error at once.
func (p *pace) enter(ctx context.Context, method, channel string) (func(closed time.Duration), error) {
	leave := func() {}
	if method == "chat.postMessage" {
		g := p.gate(p.posts, channel, 0)
		if err := g.take(ctx); err != nil {
			return nil, err
		}
		if err := sleep.For(ctx, time.Until(g.last.Add(postEvery))); err != nil {
			<-g.turn
			return nil, err
		}
		leave = func() { g.last = time.Now(); <-g.turn }
	}
	g := p.gate(p.methods, method, perMinute(method))
	if err := g.enter(ctx, method); err != nil {
		leave()
		return nil, err
	}
	return func(closed time.Duration) {
		if closed > 0 {
			g.until = time.Now().Add(closed)
		}
		<-g.turn
		leave()
	}, nil
}

func (p *pace) gate(of map[string]*gate, key string, perMinute int) *gate {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := of[key]
	if g == nil {
		g = &gate{turn: make(chan struct{}, 1), limit: rate.NewLimiter(rate.Limit(float64(perMinute)/60), burst)}
		of[key] = g
	}
	return g
}

func perMinute(method string) int {
	if n, ok := tiers[method]; ok {
		return n
	}
	return tier3
}

func (g *gate) take(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) enter(ctx context.Context, method string) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	err := g.open(method)
	if err == nil {
		err = g.limit.Wait(ctx)
	}
	if err != nil {
		<-g.turn
	}
	return err
}

func (g *gate) open(method string) error {
	wait := time.Until(g.until)
	if wait <= 0 {
		return nil
	}
	return &backend.Later{After: wait, Err: &fault{method: method, code: "ratelimited", after: wait, kind: limited}}
}
