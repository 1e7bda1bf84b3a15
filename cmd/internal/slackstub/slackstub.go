// Package slackstub is a Slack workspace for tests: the Web API and socket mode as Slack's documentation publishes
// them. It checks what it is asked against the published rules and keeps what was against them as Faults; it fails as
// Slack and networks fail, where a test tells it to.
package slackstub

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Team is the ID of the workspace.
const Team = "T0HOME"

// Scopes are all that an app of a fleet asks for.
var Scopes = []string{
	"channels:history", "channels:read", "chat:write", "chat:write.customize", "groups:history", "groups:read",
	"im:history", "im:read", "metadata.message:read", "reactions:read", "reactions:write", "users:read",
}

// App is one that is installed in the workspace, with its bot.
type App struct {
	ID, Name           string
	User, Bot          string // IDs of the bot
	BotToken, AppToken string
	Scopes             []string
	NoSocketMode       bool
	NoConnections      bool // the app's token lacks connections:write

	conns []*conn
	calls map[string][]time.Time // in the last minute, by method
	until map[string]time.Time   // no calls before, by method
	posts map[string]time.Time   // the last, by channel
}

// User is a person.
type User struct{ ID, Team, Name, Display string }

// Channel is a channel, or a conversation with a bot.
type Channel struct {
	ID, Name string
	Members  []string // IDs of users
	Archived bool

	messages []*Message
	last     int64 // microseconds of the last ts
}

// Message is one in a channel, or in a thread of it.
type Message struct {
	TS, Thread, Subtype      string
	User, Bot, App, Username string
	Text                     string
	EditedBy, Edited         string
	Metadata                 map[string]any // as it was sent
	Reactions                []Reaction
	File                     string // the title of one
}

// Reaction is who reacted in one way.
type Reaction struct {
	Name  string
	Users []string
}

// Server is the workspace.
type Server struct {
	Link string // address of socket mode

	mu       sync.Mutex
	apps     []*App
	users    map[string]*User
	channels map[string]*Channel
	faults   []string
	calls    map[string]int
	wrong    []Wrong
	chaos    func(method string) *Wrong
	down     bool
	socket   Socket
	tickets  map[string]*App
	next     int
	envelope map[string]chan struct{} // closed when acknowledged
	held     map[*App][]func()
	web      *http.Server
	net      *Net
	ending   chan struct{}
	running  sync.WaitGroup
}

// New starts a workspace that is reached over Dial.
func New() *Server {
	s := &Server{
		Link:  "ws://wss.slack.test/link/",
		users: map[string]*User{}, channels: map[string]*Channel{}, calls: map[string]int{}, tickets: map[string]*App{},
		envelope: map[string]chan struct{}{}, held: map[*App][]func(){}, ending: make(chan struct{}), net: newNet(),
	}
	s.web = &http.Server{Handler: s, ConnContext: withHost}
	s.running.Go(func() { _ = s.web.Serve(s.net) })
	return s
}

// API is the address of the Web API.
const API = "http://slack.test/api/"

// Close ends all connections.
func (s *Server) Close() {
	close(s.ending)
	_ = s.web.Close()
	s.Drop()
	s.running.Wait()
}

// Faults are what was asked against the rules.
func (s *Server) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// fault keeps one. The lock is held.
func (s *Server) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// Calls returns how often a method was called.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// Add installs an app, adds a person or opens a channel.
func (s *Server) Add(what ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range what {
		switch w := w.(type) {
		case *App:
			w.calls, w.until, w.posts = map[string][]time.Time{}, map[string]time.Time{}, map[string]time.Time{}
			if w.Scopes == nil {
				w.Scopes = Scopes
			}
			s.apps = append(s.apps, w)
		case *User:
			s.users[w.ID] = w
		case *Channel:
			s.channels[w.ID] = w
		default:
			panic(fmt.Sprintf("a workspace has no %T", w))
		}
	}
}

// app returns whose token one is. The lock is held.
func (s *Server) app(token string) *App {
	for _, a := range s.apps {
		if token != "" && (token == a.BotToken || token == a.AppToken) {
			return a
		}
	}
	return nil
}

// tokenKind is the beginning of a token, which says of which kind it is.
func tokenKind(token string) string { kind, _, _ := strings.Cut(token, "-"); return kind + "-" }

// Kick has a user leave a channel.
func (s *Server) Kick(user, channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[channel]
	c.Members = slices.DeleteFunc(slices.Clone(c.Members), func(u string) bool { return u == user })
}
