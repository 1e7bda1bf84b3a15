// Package discordstub is a stand-in of Discord for tests: its REST interface, versions 9 and 10, which are the same in
// what is here, and its gateway, as far as a chat backend uses them. It holds clients to Discord's published rules and
// lists each breach, and it makes the faults that a test asks for.
package discordstub

import (
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Server is one Discord with one server, "guild", in it.
type Server struct {
	Guild   string // its ID
	Gateway string // address of the gateway; "" is a path of the server that is asked for it
	Rules

	http *httptest.Server

	mu       sync.Mutex
	last     uint64 // snowflake
	users    map[string]*User
	tokens   map[string]*User // bots
	channels map[string]*Channel
	messages map[string][]*Message // by channel, the oldest first
	nonces   map[string]nonce

	breaches []string
	log      []string // requests
	faults   []*Fault
	chaos    *chaos
	buckets  map[string]*bucket
	global   *bucket
	recent   map[string][]time.Time // requests of the last second, by the bot
	refusals int
	outage   bool

	conns      map[*conn]bool
	sessions   map[string]*session
	logins     map[string]time.Time // the last one, by the bot
	identifies int
	resumes    int
	beats      int
	gateway
}

// Rules are the numbers in Discord's rules. They are set before the first request.
type Rules struct {
	Heartbeat  time.Duration // asked of clients
	Late       time.Duration // how much later than that a heartbeat may come
	Requests   int           // of each bucket in each window
	Window     time.Duration
	PerSecond  int // requests of a bot
	Renames    int // of a thread in RenameSpan
	RenameSpan time.Duration
	Active     int           // threads that are not archived
	Login      time.Duration // from one login of a bot to the next
	Grace      time.Duration // how long after a 429 what was sent before may still come
	Shared     bool          // several clients have one bot, and do not know what the others have left of its buckets
}

// Usual are Discord's.
var Usual = Rules{
	Heartbeat: 41250 * time.Millisecond, Late: 20 * time.Second, Requests: 5, Window: 5 * time.Second, PerSecond: 50,
	Renames: 2, RenameSpan: 10 * time.Minute, Active: 1000, Login: 5 * time.Second, Grace: 5 * time.Second,
}

// User is a person or a bot.
type User struct {
	ID      string
	Name    string
	Bot     bool
	Content bool // the privileged intent "Message Content" is switched on
	token   string
	grants  int64
}

// New starts one. The caller must Close it.
func New(rules Rules) *Server {
	s := newServer(rules)
	s.http.Start()
	return s
}

// NewInMemory starts one without a network, which only Transport reaches.
func NewInMemory(rules Rules) *Server {
	s := newServer(rules)
	s.http.Listener.Close()
	s.http.Listener = newPipes()
	s.http.Start()
	return s
}

// NewTLS starts one that speaks TLS, with the certificate of httptest, for example.com, and HTTP/2 besides. Faults that
// cut connections are not for it.
func NewTLS(rules Rules) *Server {
	s := newServer(rules)
	s.http.EnableHTTP2 = true
	s.http.StartTLS()
	return s
}

func newServer(rules Rules) *Server {
	s := &Server{
		Rules: rules, users: map[string]*User{}, tokens: map[string]*User{}, channels: map[string]*Channel{},
		messages: map[string][]*Message{}, nonces: map[string]nonce{}, buckets: map[string]*bucket{},
		global: &bucket{}, recent: map[string][]time.Time{}, sessions: map[string]*session{}, conns: map[*conn]bool{},
		logins: map[string]time.Time{},
	}
	s.Guild = s.id()
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of connections that a fault has cut
	return s
}

// Close ends it, with all connections.
func (s *Server) Close() {
	s.cut()
	s.http.CloseClientConnections()
	s.http.Close()
}

// URL is the base address of the REST interface.
func (s *Server) URL() string { return s.http.URL }

// Address is where it listens.
func (s *Server) Address() string { return s.http.Listener.Addr().String() }

// Certificate is that of NewTLS.
func (s *Server) Certificate() *x509.Certificate { return s.http.Certificate() }

// Breaches are what clients did against Discord's rules.
func (s *Server) Breaches() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.breaches)
}

// Log returns the routes that were asked for, in order: those that carried a request out, and those that did not.
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *Server) breach(format string, a ...any) {
	if text := fmt.Sprintf(format, a...); !slices.Contains(s.breaches, text) {
		s.breaches = append(s.breaches, text)
	}
}

// epoch is Discord's, in milliseconds.
const epoch = 1420070400000

// id gives out a snowflake.
func (s *Server) id() string {
	s.last = max(s.last+1, uint64(time.Now().UnixMilli()-epoch)<<22)
	return strconv.FormatUint(s.last, 10)
}

func when(id string) time.Time {
	n, _ := strconv.ParseUint(id, 10, 64)
	return time.UnixMilli(int64(n>>22) + epoch)
}

// number is an ID as a number, 0 if it is none.
func number(id string) uint64 {
	n, _ := strconv.ParseUint(id, 10, 64)
	return n
}

// AddBot makes a bot with a role that may do so much in the server, and returns the ID of its user.
func (s *Server) AddBot(name, token string, grants int64) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &User{ID: s.id(), Name: name, Bot: true, Content: true, token: token, grants: grants}
	s.users[u.ID], s.tokens[token] = u, u
	return u
}

// Revoke makes a token invalid.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
}

// AddChannel makes a channel of a type: 0 text, 15 forum.
func (s *Server) AddChannel(name string, kind int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Channel{ID: s.id(), Guild: s.Guild, Type: kind, Name: name, denied: map[string]int64{}}
	s.channels[c.ID] = c
	return c.ID
}

// Deny takes permissions in a channel away from a bot's role.
func (s *Server) Deny(channel, bot string, bits int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[channel].denied[bot] |= bits
}

// Delete deletes a channel.
func (s *Server) Delete(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[channel]
	delete(s.channels, channel)
	s.dispatch("CHANNEL_DELETE", c.view(), c, nil)
}

// Kick removes a bot from the server.
func (s *Server) Kick(bot *User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		if one.user == bot {
			one.send("GUILD_DELETE", map[string]any{"id": s.Guild})
		}
	}
}

// Renew gives a bot another token.
func (s *Server) Renew(bot *User, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, bot.token)
	bot.token = token
	s.tokens[token] = bot
}
