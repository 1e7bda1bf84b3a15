package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gorilla/websocket"
	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/sleep"
)

const (
	// helloTime is how long a connection may take to say hello, and pingTime how long it may be silent: Slack pings
	// more often than that.
	helloTime, pingTime = 20 * time.Second, 30 * time.Second

	dialTime = 20 * time.Second

	// maxFrame is the size of a message over the connection. Texts of messages have at most 40,000 characters.
	maxFrame = 1 << 20

	// steady is how long a connection lasts that may be followed by another at once.
	steady = time.Minute

	// maxSilent is how many connections in a row Slack may end before it says hello on one. It gives no other reason to
	// an app that has socket mode switched off.
	maxSilent = 5
)

// errEnded is why there is no connection any more.
var errEnded = errors.New("the connection was ended by Slack")

var errSilent = errors.New("no hello came from Slack")

// link is an app's connection in socket mode. It tells rooms where to look.
type link struct {
	b     *Backend
	c     *client
	rooms []*room
	by    map[string]*room // by the channel's ID; "" is for all conversations with the bot
}

func (b *Backend) newLink(c *client, rooms []*room) *link {
	l := &link{b: b, c: c, rooms: rooms, by: map[string]*room{}}
	for _, r := range rooms {
		l.by[r.id] = r
	}
	return l
}

// run keeps the connection up until ctx ends, or until a fault that a person has to mend.
func (l *link) run(ctx context.Context) error {
	silent := 0
	for wait := tryAgain; ; {
		began := time.Now()
		greeted, err := l.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var f *fault
		if errors.As(err, &f) && (f.kind == setup || f.kind == refused) {
			return l.setup(f)
		}
		if silent++; greeted || !errors.Is(err, errEnded) {
			silent = 0
		}
		if silent == maxSilent {
			return l.setup(&fault{method: "apps.connections.open", code: "no hello on it"})
		}
		if greeted && time.Since(began) >= steady {
			wait = tryAgain
			continue // Slack renews connections now and then
		}
		after := wait + rand.N(wait) //nolint:gosec // hosts shall not come back all at once
		var later *backend.Later
		if errors.As(err, &later) {
			after = max(after, later.After)
		}
		l.b.log.WithError(err).WithField("secret", l.c.appCredential).
			Warn("the connection to Slack ended, another follows")
		wait = min(2*wait, tryLast)
		_ = sleep.For(ctx, after) // the loop sees the end
	}
}

func (l *link) setup(f *fault) error {
	text := fmt.Sprintf("Slack gives the app no connection (%s): switch on Socket Mode in Slack's app page", f.code)
	switch {
	case tokenCodes[f.code]:
		text = l.b.remedy(f, "")
	case f.code == "missing_scope":
		text = "the app's token lacks the scope connections:write: make another App-Level Token with it in Slack's " +
			"app page under Basic Information"
	}
	return &setupFault{fmt.Sprintf("secret %s: %s", l.c.appCredential, text)}
}

// once connects and listens until that connection ends. It reports whether Slack said hello on it.
func (l *link) once(ctx context.Context) (greeted bool, err error) {
	done, err := l.c.pace.enter(ctx, "apps.connections.open", "")
	if err != nil {
		return false, err
	}
	opened := false
	open := func(closed time.Duration) {
		if !opened {
			opened = true
			done(closed)
		}
	}
	defer open(0)
	ctx, end := context.WithCancelCause(ctx)
	smc := socketmode.New(l.c.forOne(), socketmode.OptionLog(silent()), socketmode.OptionPingInterval(pingTime),
		socketmode.OptionReadLimit(maxFrame), socketmode.OptionDialer(&websocket.Dialer{
			NetDialContext: l.b.network.dial, HandshakeTimeout: dialTime, Proxy: l.b.network.proxy,
		}))
	ended := make(chan error, 1)
	go func() { ended <- smc.RunContext(ctx) }()
	hello := time.AfterFunc(callTime+helloTime, func() { end(errSilent) })
	defer hello.Stop()
	for {
		select {
		case err := <-ended:
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			end(nil)
			return greeted, asLink(err)
		case event := <-smc.Events:
			switch event.Type {
			case socketmode.EventTypeConnectionError:
				if c, ok := event.Data.(*slackgo.ConnectionErrorEvent); ok {
					err := asLink(c.ErrorObj)
					if f := (*fault)(nil); errors.As(err, &f) {
						open(f.after)
					}
					end(err)
				}
			case socketmode.EventTypeConnected:
				open(0)
				hello.Reset(helloTime)
			case socketmode.EventTypeHello:
				hello.Stop()
				greeted = true
				l.greeted(event.Request.NumConnections)
			default:
				l.take(ctx, smc, event)
			}
		}
	}
}

// asLink is why a connection ended.
func asLink(err error) error {
	var f *fault
	switch {
	case errors.Is(err, errEnded):
		return errEnded
	case errors.Is(err, errSilent), errors.As(err, &f):
		return err
	}
	return asFault("apps.connections.open", err).later()
}

// greeted has everything looked at that may have been missed.
func (l *link) greeted(connections int) {
	if connections > 1 {
		l.b.heard.Store(true) // or another has
	}
	for _, r := range l.rooms {
		r.others(connections > 1)
		r.look(horizon)
	}
}

// deaf tells, once, that something is new that no event has told of, nor of anything else.
func (b *Backend) deaf(c *client) {
	if c == b.fleet && !b.heard.Swap(true) {
		b.log.Warn("Slack does not tell the fleet's bot what is new, so it is looked for now and then only: in Slack's " +
			"app page, subscribe to the bot events message.channels, message.groups, message.im and reaction_added " +
			"under Event Subscriptions")
	}
}

// take acknowledges what Slack sent and has a room looked at. The history has it, so nothing is lost by that.
func (l *link) take(ctx context.Context, smc *socketmode.Client, event socketmode.Event) {
	request := event.Request
	if bad, ok := event.Data.(*socketmode.ErrorBadMessage); ok {
		request = new(socketmode.Request)
		if json.Unmarshal(bad.Message, request) != nil {
			return
		}
	}
	if request == nil || request.EnvelopeID == "" {
		return
	}
	_ = smc.AckCtx(ctx, request.EnvelopeID, nil) // else Slack sends it again
	l.b.heard.Store(true)
	e, ok := event.Data.(slackevents.EventsAPIEvent)
	if !ok {
		return
	}
	switch e := e.InnerEvent.Data.(type) {
	case *slackevents.MessageEvent:
		l.message(e)
	case *slackevents.ReactionAddedEvent:
		h := hint{channel: e.Item.Channel, ts: e.Item.Timestamp, changed: true}
		if timestamp.MatchString(e.EventTimestamp) {
			h.wish, h.at = wish{reaction: e.Reaction, user: e.User}.key(), e.EventTimestamp
		}
		l.hint(h)
	}
}

func (l *link) message(e *slackevents.MessageEvent) {
	h := hint{channel: e.Channel, ts: e.TimeStamp, thread: e.ThreadTimeStamp}
	if e.SubType == slackgo.MsgSubTypeMessageChanged && e.Message != nil {
		h = hint{channel: e.Channel, ts: e.Message.Timestamp, thread: e.Message.ThreadTimestamp, changed: true}
	}
	if h.thread == h.ts {
		h.thread = ""
	}
	_, mine := l.b.sent.get(string(spot{channel: h.channel, thread: h.thread}.ref(h.ts)))
	if !mine { // what this process wrote comes along with the next that it did not
		l.hint(h)
	}
}

func (l *link) hint(h hint) {
	r := l.by[h.channel]
	if r == nil && len(h.channel) > 0 && h.channel[0] == 'D' {
		r = l.by[""]
	}
	if r != nil && timestamp.MatchString(h.ts) && (h.thread == "" || timestamp.MatchString(h.thread)) {
		r.look(0, h)
	}
}
