package discord

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/discordstub"
	"fleet/schemas/chat"
)

const (
	fleetToken = "fleet.TOKEN.0123456789"
	adaToken   = "ada.TOKEN.0123456789"
)

// lab is a Discord server with a fleet of two agents: ada has a bot of its own, bob speaks through the fleet's.
type lab struct {
	t                     *testing.T
	s                     *discordstub.Server
	fleet, ada            *discordstub.User
	grace                 *discordstub.Person // an operator
	eve                   *discordstub.Person // somebody else
	general, tasks, rooms string              // channels: text, forum, text for tasks in place of the forum
	config                *chat.Config
	tokens                Tokens
	inbox                 *inbox
	logger                *logrus.Logger

	mu   sync.Mutex
	log  strings.Builder
	ends []func()
}

// inBubble runs a test in a bubble of testing/synctest: time passes when everybody waits, so Discord's own numbers
// hold. Whatever else the test looks at, Discord's rules are kept and no token is told.
func inBubble(t *testing.T, test func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))) // a bubble begins before Discord's own time
		l := newLab(t, discordstub.NewInMemory(discordstub.Usual))
		defer time.Sleep(10 * time.Second) // discordgo's good-byes
		defer l.end()
		test(t, l)
	})
}

func newLab(t *testing.T, s *discordstub.Server) *lab {
	l := &lab{t: t, s: s, inbox: newInbox(), logger: logrus.New()}
	l.logger.SetOutput(l)
	l.fleet = s.AddBot("fleet", fleetToken, permissions)
	l.ada = s.AddBot("ada-bot", adaToken, permissions)
	l.grace, l.eve = s.AddPerson("grace"), s.AddPerson("eve")
	l.general, l.tasks = s.AddChannel("general", discordstub.Text), s.AddChannel("tasks", discordstub.Forum)
	l.rooms = s.AddChannel("rooms", discordstub.Text)
	l.config = &chat.Config{
		Backend: chat.Backend{Kind: chat.Discord, Server: s.Guild, API: s.URL(), Token: "DISCORD_TOKEN"},
		Channels: []chat.Channel{
			{Key: chat.Alerts}, {Key: chat.General, ID: l.general}, {Key: chat.Lessons}, {Key: chat.Tasks, ID: l.tasks},
		},
		Agents:  []chat.Agent{{Key: "ada", Name: "Ada", Token: "ADA_TOKEN"}, {Key: "bob", Name: "Bob"}},
		Trusted: []string{l.grace.ID},
	}
	l.tokens = Tokens{"DISCORD_TOKEN": fleetToken, "ADA_TOKEN": adaToken}
	return l
}

// inText puts the tasks into a text channel.
func (l *lab) inText() {
	l.config.Channels[3].ID = l.rooms
	l.tasks = l.rooms
}

func (l *lab) end() {
	for _, end := range slices.Backward(l.ends) {
		end()
	}
	l.s.Close()
	for _, b := range l.s.Breaches() {
		l.t.Errorf("against Discord's rules: %s", b)
	}
	l.silent("the log", l.logged())
}

// silent fails if a text has a token.
func (l *lab) silent(what, text string) {
	l.t.Helper()
	for _, token := range l.tokens {
		if strings.Contains(text, token) {
			l.t.Errorf("%s has a token: %s", what, text)
		}
	}
}

// Write takes the log.
func (l *lab) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(b)
}

func (l *lab) logged() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

// host is a backend as after the start of a process.
func (l *lab) host() *Backend {
	l.t.Helper()
	transport := l.s.Transport()
	b, err := New(l.config, Options{Tokens: l.tokens, Log: l.logger, Transport: transport})
	if err != nil {
		l.t.Fatal(err)
	}
	l.ends = append(l.ends, b.fleet.way.transport.CloseIdleConnections)
	return b
}

// running is a Run that goes on.
type running struct {
	l      *lab
	cancel context.CancelFunc
	done   chan struct{}
	err    error // when done is closed
	told   bool
}

// run starts Run and waits until it is connected.
func (l *lab) run(b *Backend) *running {
	l.t.Helper()
	r := l.start(b, l.inbox)
	l.settle()
	if l.s.Connected() == 0 {
		l.t.Fatalf("not connected; the log:\n%s", l.logged())
	}
	return r
}

func (l *lab) start(b *Backend, in backend.Inbox) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{l: l, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = b.Run(ctx, in)
	}()
	l.ends = append(l.ends, r.stop)
	return r
}

func (r *running) wait(most time.Duration) {
	r.l.t.Helper()
	select {
	case <-r.done:
	case <-time.After(most):
		r.l.t.Fatal("Run goes on")
	}
}

// stop ends Run, which must not have failed.
func (r *running) stop() {
	r.cancel()
	r.wait(time.Minute)
	if r.err != nil && !r.told {
		r.l.t.Errorf("Run: %v", r.err)
	}
}

// failed returns the error that Run ends with by itself.
func (r *running) failed() error {
	r.l.t.Helper()
	r.wait(time.Hour)
	if r.told = true; r.err == nil {
		r.l.t.Fatal("Run ended without an error")
	}
	r.l.silent("an error", fmt.Sprintf("%v %+v %#v", r.err, r.err, r.err))
	return r.err
}

// settle lets pass the time that all this takes, limits and pauses included.
func (l *lab) settle() { time.Sleep(2 * time.Minute) }

var lastID atomic.Int64

// effect returns one with an ID of its own.
func effect(e backend.Effect) backend.Effect {
	e.ID, e.Time = fmt.Sprintf("E%025d", lastID.Add(1)), time.Now()
	return e
}

func post(channel, author, text string) backend.Effect {
	e := backend.Effect{Kind: backend.Post, Channel: channel, Author: backend.Author{Key: author}, Text: text}
	if author != "" {
		e.Author.Name = strings.ToUpper(author[:1]) + author[1:]
	}
	return effect(e)
}

func create(author string, t backend.Task) backend.Effect {
	e := post(chat.Tasks, author, "")
	e.Kind, e.Task = backend.Create, t
	return e
}

func update(task backend.Ref, author string, t backend.Task) backend.Effect {
	e := create(author, t)
	e.Kind, e.Thread = backend.Update, task
	return e
}

// do brings an effect about as the hub does: until it is there, or an error is final.
func (l *lab) do(b *Backend, e backend.Effect) backend.Ref {
	l.t.Helper()
	ref, err := l.try(b, e)
	if err != nil {
		l.t.Fatalf("%s %s: %v", e.Kind, e.ID, err)
	}
	return ref
}

func (l *lab) try(b *Backend, e backend.Effect) (backend.Ref, error) {
	for range 100 {
		ref, err := b.Do(context.Background(), e)
		var later *backend.Later
		if !errors.As(err, &later) {
			return ref, err
		}
		l.silent("an error", fmt.Sprintf("%v %+v", err, err))
		time.Sleep(max(later.After, time.Second))
	}
	return "", errors.New("is never brought about")
}

// texts are what a channel's messages say, without marks.
func (l *lab) texts(channel string) []string {
	var all []string
	for _, m := range l.s.Messages(channel) {
		_, _, rest, _ := readMark(m.Content)
		all = append(all, strings.TrimLeft(rest, symbols))
	}
	return all
}

func (l *lab) name(ref backend.Ref) string {
	l.t.Helper()
	_, id, ok := parseRef(ref)
	if !ok {
		l.t.Fatalf("%q is no reference", ref)
	}
	return l.s.Channel(id).Name
}

// wire is a message of the stand-in as the interface gives it.
func wire(m discordstub.Message) message {
	return message{ID: m.ID, ChannelID: m.Channel, Content: m.Content, Type: m.Type, Author: user{ID: m.Author.ID}}
}

// inbox stores as the hub does: what it has it does not take twice.
type inbox struct {
	mu     sync.Mutex
	events []backend.Event // without those that came again
	again  int
	marks  map[string]string
	known  map[string]bool
	broken int // so many Takes fail

	slow  chan struct{} // where it is not nil, Takes wait until it is closed
	takes int           // so many went well
	stop  int           // where it is not 0, after so many all fail, as if the process were killed
}

func newInbox() *inbox { return &inbox{marks: map[string]string{}, known: map[string]bool{}} }

// Take stores an event.
func (in *inbox) Take(_ context.Context, e backend.Event, mark string) error {
	if in.slow != nil {
		<-in.slow
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.broken > 0 {
		in.broken--
		return errors.New("the disk is full")
	}
	if in.stop > 0 && in.takes >= in.stop {
		return errors.New("killed")
	}
	in.takes++
	in.marks[e.Channel] = mark
	switch {
	case e.Kind == "":
	case in.known[e.ID]:
		in.again++
	default:
		in.known[e.ID] = true
		in.events = append(in.events, e)
	}
	return nil
}

// Mark returns a channel's mark.
func (in *inbox) Mark(channel string) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.marks[channel]
}

// take returns the events since it was called last, those of this fleet's own effects aside.
func (in *inbox) take() (all []backend.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, e := range in.events {
		if e.Echo == "" {
			all = append(all, e)
		}
	}
	in.events = nil
	return all
}

// all returns the events, those of this fleet's own effects among them.
func (in *inbox) all() []backend.Event {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.events)
}

// echoes returns the IDs of effects that were told back, each once, in order, and forgets all events.
func (in *inbox) echoes() (all []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, e := range in.events {
		if e.Echo != "" && !slices.Contains(all, e.Echo) {
			all = append(all, e.Echo)
		}
	}
	in.events = nil
	return all
}

// said are the texts of events.
func said(events []backend.Event) (all []string) {
	for _, e := range events {
		all = append(all, e.Text)
	}
	return all
}
