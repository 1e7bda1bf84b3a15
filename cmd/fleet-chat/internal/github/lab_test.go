package github_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/github"
	"fleet/cmd/internal/githubstub"
	"fleet/schemas/chat"
)

// Tokens of the accounts at the stand-in.
const (
	fleetToken = "github_pat_FLEET0123456789"
	scoutToken = "github_pat_SCOUT0123456789"
)

// lab is a repository with people, and a fleet that is to work there: lead writes with the fleet's account, scout with
// one of its own.
type lab struct {
	*githubstub.Server
	t      *testing.T
	config chat.Config
	log    strings.Builder
	enough time.Duration                       // until what went wrong is made good
	slow   func(r *http.Request) time.Duration // by how much its answer is late
}

// newLab makes one on the clock of the test's bubble.
func newLab(t *testing.T) *lab {
	s := githubstub.New("acme", "board")
	s.AddUser("fleet-bot", "write")
	s.AddUser("scout-bot", "write")
	ann := s.AddUser("ann", "write") // trusted
	s.AddUser("bob", "triage")
	s.AddUser("eve", "read") // anybody, where the repository is public
	s.AddToken(fleetToken, githubstub.Access{User: "fleet-bot", Issues: "write"})
	s.AddToken(scoutToken, githubstub.Access{User: "scout-bot", Issues: "write"})
	l := &lab{Server: s, t: t, config: chat.Config{
		Version: chat.Version, Project: "demo", Trusted: []string{fmt.Sprint(ann.ID)},
		Backend: chat.Backend{Kind: chat.GitHub, Repo: "acme/board", Token: "CHAT_TOKEN"},
		Channels: []chat.Channel{
			{Key: chat.Alerts},
			{Key: chat.General, ID: "fleet-general"},
			{Key: chat.Lessons},
			{Key: chat.Tasks, ID: "fleet"},
		},
		Agents: []chat.Agent{{Key: "lead", Name: "Atlas"}, {Key: "scout", Name: "Scout *1*", Token: "SCOUT_TOKEN"}},
	}}
	t.Cleanup(func() {
		for _, rule := range l.Broken() {
			t.Error("the stand-in: " + rule)
		}
		for _, token := range []string{fleetToken, scoutToken} {
			if strings.Contains(l.log.String(), token) {
				t.Error("a token is in the log")
			}
		}
	})
	return l
}

// bubble runs a test with a clock of its own, on which nothing takes long.
func bubble(t *testing.T, name string, f func(t *testing.T, l *lab)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, newLab(t)) })
	})
}

// host makes the backend of a host.
func (l *lab) host() *github.Backend {
	l.t.Helper()
	log := logrus.New()
	log.SetOutput(&l.log)
	b, err := github.New(&l.config, github.Options{
		Tokens: map[string]github.Token{
			"CHAT_TOKEN": github.NewToken(fleetToken), "SCOUT_TOKEN": github.NewToken(scoutToken),
			"LEAD_TOKEN": github.NewToken(scoutToken),
		},
		Log: log, Transport: transport{l},
	})
	must(l.t, err)
	return b
}

type transport struct{ l *lab }

// RoundTrip is http.RoundTripper's.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.l.Transport().RoundTrip(r)
	if t.l.slow != nil {
		time.Sleep(t.l.slow(r))
	}
	return resp, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// id is that of an effect or a claim.
func id(n int) string { return fmt.Sprintf("01HZZZZZZZZZZZZZZZZZ%06d", n) }

// do brings an effect about as the hub does: until it is done, or not to be done.
func do(t *testing.T, b *github.Backend, e backend.Effect) (backend.Ref, error) {
	t.Helper()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	return again(t, func() (backend.Ref, error) { return b.Do(t.Context(), e) })
}

// done is do where it must be done.
func done(t *testing.T, b *github.Backend, e backend.Effect) backend.Ref {
	t.Helper()
	ref, err := do(t, b, e)
	must(t, err)
	return ref
}

func again[T any](t *testing.T, f func() (T, error)) (T, error) {
	t.Helper()
	pause := time.Second
	for range 100 {
		out, err := f()
		var later *backend.Later
		if !errors.As(err, &later) {
			return out, err
		}
		if strings.Contains(err.Error(), fleetToken) || strings.Contains(err.Error(), scoutToken) {
			t.Error("a token is in an error")
		}
		time.Sleep(max(pause, later.After))
		pause = min(2*pause, time.Minute)
	}
	t.Fatal("it is never done")
	panic("unreachable")
}

// inbox is a hub's.
type inbox struct {
	mu     sync.Mutex
	marks  map[string]string
	events []backend.Event // each once
	seen   map[string]bool
	refuse func(e backend.Event) error
}

func newInbox() *inbox { return &inbox{marks: map[string]string{}, seen: map[string]bool{}} }

// Take is backend.Inbox's.
func (in *inbox) Take(_ context.Context, e backend.Event, mark string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.refuse != nil {
		if err := in.refuse(e); err != nil {
			return err
		}
	}
	in.marks[e.Channel] = mark
	if e.Kind != "" && !in.seen[e.ID] {
		in.seen[e.ID] = true
		in.events = append(in.events, e)
	}
	return nil
}

// Mark is backend.Inbox's.
func (in *inbox) Mark(channel string) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.marks[channel]
}

// take returns what came since the last time.
func (in *inbox) take() []backend.Event {
	in.mu.Lock()
	defer in.mu.Unlock()
	events := in.events
	in.events = nil
	return events
}

// told is what came since the last time, a line for each event.
func (in *inbox) told() []string {
	lines := []string{}
	for _, e := range in.take() {
		lines = append(lines, line(e))
	}
	return lines
}

// line is an event in short: where, who, for whom, what.
func line(e backend.Event) string {
	s := fmt.Sprintf("%s %s %s", e.Kind, e.Channel, e.From.Name)
	if e.From.ID == "" {
		s += "?"
	}
	if e.Echo != "" {
		s += " echo"
	}
	for _, to := range e.To {
		s += " @" + to
	}
	if e.Kind == backend.Post {
		return s + ": " + e.Text
	}
	s += fmt.Sprintf(": [%s] %s", e.Task.State, e.Task.Title)
	if e.Task.Assignee != "" {
		s += ", of " + e.Task.Assignee
	}
	return s
}

// run has a backend look until the test, or stop, ends it.
func (l *lab) run(b *github.Backend, in backend.Inbox) (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, in) }()
	return func() {
		l.t.Helper()
		cancel()
		must(l.t, <-ended)
	}
}

// settled waits until what people did is told for sure, whatever goes wrong once.
func settled() {
	time.Sleep(10 * time.Minute)
	synctest.Wait()
}

// mustBeLater wants an error that a further try may mend, with these words.
func mustBeLater(t *testing.T, err error, words ...string) {
	t.Helper()
	var later *backend.Later
	if !errors.As(err, &later) {
		t.Errorf("got %v", err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in %q", word, err)
		}
	}
}
