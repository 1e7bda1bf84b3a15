package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"
	"github.com/sirupsen/logrus"

	"fleet/cmd/internal/sleep"
)

// link is a bot's connection to the gateway, where Discord tells what happens. A session of discordgo goes on where it
// was after a broken connection; if Discord does not have the session any more, a new one begins with READY.
type link struct {
	bot     *bot
	pace    *pace
	log     logrus.FieldLogger
	intents discordgo.Intent

	mu    sync.Mutex
	queue []*discordgo.Event
	lost  bool // the queue was full
	wake  chan struct{}
	conn  net.Conn  // the last one
	login time.Time // the last one
}

// anew is in the place of events that were too many to be kept: they are to be read from the history.
const anew = "anew"

// Codes with which Discord closes the gateway, "Gateway Close Event Codes".
const (
	closeUnknown  = 4000 // the first one
	closeToken    = 4004
	closeSequence = 4007
	closeSession  = 4009
	closeShard    = 4010
	closeSharding = 4011
	closeVersion  = 4012
	closeIntents  = 4013
	closeDenied   = 4014
)

// triesOfSession is how often in a row Discord may throw out a session that wants to go on, before a new one begins.
const triesOfSession = 3

// hold keeps the connection until ctx ends.
func (l *link) hold(ctx context.Context) error {
	var s *session
	for wait := l.pace.pause; ctx.Err() == nil; wait = min(2*wait, l.pace.pauseMax) {
		if s == nil {
			s = l.session()
		}
		began := time.Now()
		err := l.once(ctx, s)
		if err := l.final(err); err != nil {
			return err
		}
		if s.spent(err) {
			s = nil
		}
		if time.Since(began) > l.pace.stable {
			wait = l.pace.pause
		}
		if err != nil && ctx.Err() == nil {
			l.log.Warnf("%s: no connection to Discord's gateway: %s", l.bot.key(), brief(err.Error()))
		}
		if sleep.For(ctx, max(wait, l.after(err))) != nil {
			break
		}
	}
	return nil
}

// once connects a session and waits until the connection ends.
func (l *link) once(ctx context.Context, s *session) error {
	// Who goes on with a session that Discord has forgotten logs in on the same connection at once: each one may be a
	// login.
	l.mu.Lock()
	next := l.login.Add(l.pace.login)
	l.mu.Unlock()
	if sleep.For(ctx, time.Until(next)) != nil {
		return nil
	}
	err := l.open(ctx, s)
	l.mu.Lock()
	l.login = time.Now()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-s.down:
	case <-ctx.Done():
		l.cut() // discordgo's own end would take a second
	}
	return nil
}

// after returns how long to wait for a rate limit.
func (l *link) after(err error) time.Duration {
	var wait *limited
	if errors.As(err, &wait) {
		return wait.after
	}
	return 0
}

// final returns an error for an end that no further try can mend.
func (l *link) final(err error) error {
	var end *websocket.CloseError
	if !errors.As(err, &end) {
		return nil
	}
	switch end.Code {
	case closeToken:
		return l.bot.refuse()
	case closeDenied:
		return fmt.Errorf("%s: Discord does not tell this bot what messages say: switch on \"Message Content Intent\" in the"+
			" developer portal (Applications, Bot, Privileged Gateway Intents)", l.bot.key())
	case closeShard, closeSharding, closeVersion, closeIntents:
		return fmt.Errorf("%s: Discord's gateway refuses this bot: %d %s", l.bot.key(), end.Code, brief(end.Text))
	}
	return nil
}

// session is one of discordgo's. down gets a word when a connection has ended.
type session struct {
	*discordgo.Session
	down  chan struct{}
	tries int // how often in a row Discord has thrown it out
}

// spent tells after the end of a connection whether the session is of no further use. A connection that was not made
// at all says nothing of the session.
func (s *session) spent(err error) bool {
	var end *websocket.CloseError
	switch {
	case err == nil:
		s.tries = 0
	case errors.Is(err, errStuck):
		return true
	case errors.As(err, &end) && end.Code >= closeUnknown:
		s.tries++
		return s.tries > triesOfSession || end.Code == closeSequence || end.Code == closeSession
	}
	return false
}

func (l *link) session() *session {
	s := &session{Session: l.bot.session(), down: make(chan struct{}, 1)}
	s.Identify.Intents = l.intents
	s.Dialer = l.bot.way.dialer(l.pace.silence, func(c net.Conn) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conn = c
	})
	s.AddHandler(func(_ *discordgo.Session, _ *discordgo.Disconnect) {
		select {
		case s.down <- struct{}{}:
		default:
		}
	})
	s.AddHandler(func(_ *discordgo.Session, e *discordgo.Event) { l.push(e) })
	return s
}

// errStuck is the end of a session that can neither go on nor be closed.
var errStuck = errors.New("no session within the time for it")

// open connects. discordgo knows no contexts, and waits for itself without end when Discord asks for another connection
// before the session stands. So it is left alone after a while, with its connection cut.
func (l *link) open(ctx context.Context, s *session) error {
	select {
	case <-s.down: // of an earlier connection
	default:
	}
	done := make(chan error, 1)
	go func() { done <- s.Open() }()
	limit := time.NewTimer(l.pace.connect)
	defer limit.Stop()
	select {
	case err := <-done:
		if errors.Is(err, discordgo.ErrWSAlreadyOpen) {
			return nil
		}
		return err
	case <-limit.C:
	case <-ctx.Done():
	}
	l.cut()
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	select {
	case err := <-done:
		return err
	case <-grace.C:
		return errStuck
	}
}

// cut ends the connection.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close()
	}
}

// dial is how a connection is made.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// watching ends connections on which nothing has come for too long; discordgo reads without a limit.
func watching(next dial, silence time.Duration, opened func(net.Conn)) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := next(ctx, network, address)
		if err != nil {
			return nil, err
		}
		opened(c)
		return &watched{c, silence}, nil
	}
}

type watched struct {
	net.Conn
	silence time.Duration
}

// Read reads, for so long at most.
func (w *watched) Read(b []byte) (int, error) {
	if err := w.SetReadDeadline(time.Now().Add(w.silence)); err != nil {
		return 0, err
	}
	return w.Conn.Read(b)
}

// push queues an event: it is called by who reads the connection and must not wait.
func (l *link) push(e *discordgo.Event) {
	l.mu.Lock()
	if len(l.queue) >= l.pace.queue {
		l.queue, l.lost = nil, true
	}
	l.queue = append(l.queue, e)
	if e.Type == "READY" {
		l.login = time.Now()
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) pop() (kind string, raw json.RawMessage, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		l.lost = false
		return anew, nil, true
	}
	if len(l.queue) == 0 {
		return "", nil, false
	}
	e := l.queue[0]
	l.queue = l.queue[1:]
	return e.Type, e.RawData, true
}

// work has all events taken up, in order.
func (l *link) work(ctx context.Context, handle func(kind string, raw json.RawMessage) error) error {
	for {
		kind, raw, ok := l.pop()
		if !ok {
			select {
			case <-l.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if err := handle(kind, raw); err != nil {
			return err
		}
	}
}
