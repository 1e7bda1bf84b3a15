package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/slackstub"
	"fleet/schemas/chat"
)

const (
	botToken, appToken = "xoxb-1-SECRET-fleet", "xapp-1-SECRET-fleet"
	adaToken, adaApp   = "xoxb-2-SECRET-ada", "xapp-2-SECRET-ada"
)

// lab is a workspace with a fleet that runs in it, all of it in a bubble of testing/synctest: time passes when
// everybody waits.
type lab struct {
	t      *testing.T
	s      *slackstub.Server
	fleet  *slackstub.App
	ada    *slackstub.App // the bot of agent ada
	config *chat.Config
	tokens map[string]string // by credential
	logger *logrus.Logger
	log    strings.Builder
	logMu  sync.Mutex
	inbox  *inbox
	ends   []func()
}

// inBubble runs a test in a lab. Whatever else it looks at, Slack's rules are kept and no token is told.
func inBubble(t *testing.T, test func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))) // bubbles begin when a ts had a digit less
		l := &lab{t: t, s: slackstub.New(), inbox: newInbox()}
		l.fleet = &slackstub.App{ID: "A1", Name: "fleet", User: "UFLEET", Bot: "BFLEET", BotToken: botToken, AppToken: appToken}
		l.ada = &slackstub.App{ID: "A2", Name: "ada-bot", User: "UADA", Bot: "BADA", BotToken: adaToken, AppToken: adaApp}
		members := func() []string { return []string{"UFLEET", "UADA", "U1", "U2"} }
		l.s.Add(l.fleet,
			&slackstub.User{ID: "U1", Name: "grace", Display: "Grace"}, &slackstub.User{ID: "U2", Name: "bob"},
			&slackstub.Channel{ID: "C0TASKS", Name: "tasks", Members: members()},
			&slackstub.Channel{ID: "C0GENERAL", Name: "general", Members: members()},
			&slackstub.Channel{ID: "G0ALERTS", Name: "alerts", Members: members()},
			&slackstub.Channel{ID: "D0FLEET", Members: []string{"UFLEET", "U1"}},
			&slackstub.Channel{ID: "D0ADA", Members: []string{"UADA", "U1"}})
		l.logger = logrus.New()
		l.logger.SetOutput(l)
		l.config, l.tokens = config()
		defer func() {
			for _, end := range slices.Backward(l.ends) {
				end()
			}
			l.s.Close()
			for _, f := range l.s.Faults() {
				t.Errorf("against Slack's rules: %s", f)
			}
			l.silent(l.logged())
		}()
		test(l)
	})
}

// config is that of a fleet with two agents.
func config() (c *chat.Config, tokens map[string]string) {
	c = &chat.Config{
		Backend: chat.Backend{Kind: chat.Slack, API: slackstub.API, Token: "SLACK_TOKEN", AppToken: "SLACK_APP_TOKEN"},
		Channels: []chat.Channel{
			{Key: "alerts", ID: "G0ALERTS"}, {Key: "general", ID: "C0GENERAL"}, {Key: "lessons"}, {Key: "tasks", ID: "C0TASKS"},
		},
		Agents: []chat.Agent{{Key: "ada", Name: "Ada"}, {Key: "max", Name: "Max"}},
	}
	return c, map[string]string{"SLACK_TOKEN": botToken, "SLACK_APP_TOKEN": appToken}
}

// channel sets the ID of a channel.
func (l *lab) channel(key, id string) {
	for i := range l.config.Channels {
		if l.config.Channels[i].Key == key {
			l.config.Channels[i].ID = id
		}
	}
}

// token returns the value of a credential.
func (l *lab) token(credential string) (string, error) {
	if token, ok := l.tokens[credential]; ok {
		return token, nil
	}
	return "", errors.New("is missing")
}

// Write takes the log.
func (l *lab) Write(p []byte) (int, error) {
	l.logMu.Lock()
	defer l.logMu.Unlock()
	return l.log.Write(p)
}

func (l *lab) logged() string {
	l.logMu.Lock()
	defer l.logMu.Unlock()
	return l.log.String()
}

// silent checks that no token, nor the ticket of a connection, is told.
func (l *lab) silent(text string) {
	l.t.Helper()
	for _, secret := range []string{"SECRET", "-secret", "xoxb-1", "xapp-1"} {
		if strings.Contains(text, secret) {
			l.t.Errorf("a secret is told: %s", text)
		}
	}
}

// own gives agent ada a bot of her own.
func (l *lab) own() {
	l.s.Add(l.ada)
	l.config.Agents[0].Token, l.config.Agents[0].AppToken = "ADA_TOKEN", "ADA_APP_TOKEN"
	l.tokens["ADA_TOKEN"], l.tokens["ADA_APP_TOKEN"] = adaToken, adaApp
}

// backend makes another one, as another host or a later process has it.
func (l *lab) backend() *Backend {
	l.t.Helper()
	host := l.s.Host()
	transport := host.Transport()
	b, err := New(l.config, Options{Token: l.token, Log: l.logger, Transport: transport, Dial: host.Dial})
	if err != nil {
		l.t.Fatal(err)
	}
	l.ends = append(l.ends, transport.CloseIdleConnections)
	return b
}

// run runs a backend until the function that is returned is called.
func (l *lab) run(b *Backend, in backend.Inbox) (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, in) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("Run: %v", err)
		}
	})
	l.ends = append(l.ends, stop)
	return stop
}

// start runs the fleet and waits until it is connected.
func (l *lab) start() (b *Backend, stop func()) {
	l.t.Helper()
	b = l.backend()
	stop = l.run(b, l.inbox)
	l.settle(10 * time.Second)
	if l.s.Connections(l.fleet) == 0 {
		l.t.Fatalf("not connected: %s", l.logged())
	}
	return b, stop
}

// settle lets time pass.
func (l *lab) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// do brings an effect about as the hub does: again and again while an error says that it can be mended.
func (l *lab) do(b *Backend, e backend.Effect) backend.Ref {
	l.t.Helper()
	for range 200 {
		ref, err := b.Do(l.t.Context(), e)
		var later *backend.Later
		if err != nil {
			l.silent(err.Error())
		}
		switch {
		case err == nil:
			return ref
		case !errors.As(err, &later):
			l.t.Fatalf("effect %s: %v", e.ID, err)
		}
		time.Sleep(max(later.After, time.Second))
	}
	l.t.Fatalf("effect %s is never done", e.ID)
	return ""
}

// inbox keeps what a backend hands on.
type inbox struct {
	mu     sync.Mutex
	marks  map[string]string
	events []backend.Event
	twice  int
	refuse int // so many events more are not taken
}

func newInbox() *inbox { return &inbox{marks: map[string]string{}} }

func (in *inbox) Mark(channel string) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.marks[channel]
}

func (in *inbox) Take(_ context.Context, e backend.Event, mark string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.refuse > 0 {
		in.refuse--
		return errors.New("the disk is full")
	}
	in.marks[e.Channel] = mark
	if slices.ContainsFunc(in.events, func(o backend.Event) bool { return o.ID == e.ID }) {
		in.twice++
		return nil
	}
	in.events = append(in.events, e)
	return nil
}

// of returns the events of a channel, those of others than the fleet.
func (in *inbox) of(channel string) []backend.Event {
	in.mu.Lock()
	defer in.mu.Unlock()
	var all []backend.Event
	for _, e := range in.events {
		if e.Channel == channel && e.Echo == "" {
			all = append(all, e)
		}
	}
	return all
}

// echoes returns what the fleet wrote in a channel, by the effects' IDs.
func (in *inbox) echoes(channel string) []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var all []string
	for _, e := range in.events {
		if e.Channel == channel && e.Echo != "" {
			all = append(all, e.Echo)
		}
	}
	return all
}

// many are so many texts.
func many(n int, format string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

func texts(events []backend.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.Text)
	}
	return all
}

func written(messages []slackstub.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Text)
	}
	return all
}

func id(n int) string { return fmt.Sprintf("01EFFECT%018d", n) }

func post(n int, text string) backend.Effect {
	return backend.Effect{
		ID: id(n), Kind: backend.Post, Channel: "general", Author: backend.Author{Key: "max", Name: "Max"}, Text: text,
	}
}
