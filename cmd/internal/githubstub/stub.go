// Package githubstub stands in for GitHub's REST API in tests, as far as issues go. It speaks the published protocol,
// judges each request by the published rules, and breaks down where a test tells it to. What people see there, whom
// GitHub calls and what it links, a test can read.
package githubstub

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// User is an account.
type User struct {
	ID    int64
	Login string
	Type  string // User or Bot
	Role  string // in the repository: write, triage, read, or "" for none
}

// Access is what a token may do.
type Access struct {
	User    string
	Issues  string // read or write
	NoRepo  bool   // it does not reach the repository
	App     bool   // it is of an app, which is no user
	Revoked bool
}

// Server is one repository with its issues.
type Server struct {
	Owner, Name string

	// Fault decides what goes wrong with a request, the nth of all; nil is nothing.
	Fault func(r *http.Request, n int) Fault

	// Prefix is what all addresses begin with: "/api/v3" at a GitHub Enterprise Server.
	Prefix string

	// Skew is how far the server's clock is ahead; Latency is how long it takes for each request; Lag is how long what is
	// new is missing from lists.
	Skew, Latency, Lag time.Duration

	// Shared says that several hosts use one token: they cannot keep to the rules on what is done at once, each does
	// alone.
	Shared bool

	// Archived and NoIssues are settings of the repository.
	Archived, NoIssues bool

	mu     sync.Mutex
	id     int64
	users  map[string]*User
	tokens map[string]*token
	issues []*issue // number 1 is the first
	labels []*label
	formed []string // names that the repository had before, as owner/name
	broken []string // rules that a request broke
	called []string // logins that a text by somebody has mentioned
	linked []string // issues that a text refers to, and closes

	requests int
}

type token struct {
	Access
	used        int
	reset       time.Time
	until       time.Time // nothing may be asked before
	untilWhy    string
	open        int // requests at this moment
	openChanges int
	last        time.Time   // end of the last change
	changes     []time.Time // of the last hour
}

type label struct {
	ID                       int64
	Name, Color, Description string
}

type issue struct {
	id                        int64
	number                    int
	title, body, state        string
	reason                    string
	user                      *User
	labels, assignees         []string
	comments                  []*comment
	events                    []event
	created, updated          time.Time
	made                      time.Time // to the nanosecond
	deleted, pull, transfered bool
	locked                    bool
}

type comment struct {
	id               int64
	body             string
	user             *User
	created, updated time.Time
	made             time.Time // to the nanosecond
}

type event struct {
	id       int64
	kind     string
	actor    *User
	label    string
	assignee string
	from, to string // of a title
	time     time.Time
	made     time.Time // to the nanosecond
}

// New makes a repository with nobody in it.
func New(owner, name string) *Server {
	return &Server{Owner: owner, Name: name, users: map[string]*User{}, tokens: map[string]*token{}, id: 1000}
}

// Set changes settings while requests may come.
func (s *Server) Set(f func(s *Server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *Server) now() time.Time { return time.Now().Add(s.Skew).UTC().Truncate(time.Second) }

func (s *Server) next() int64 {
	s.id += 7
	return s.id
}

// AddUser makes an account.
func (s *Server) AddUser(login, role string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &User{ID: s.next(), Login: login, Type: "User", Role: role}
	if strings.HasSuffix(login, "[bot]") {
		u.Type = "Bot"
	}
	s.users[strings.ToLower(login)] = u
	return u
}

// AddToken makes a token.
func (s *Server) AddToken(value string, a Access) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[value] = &token{Access: a}
}

// Move gives the repository another name; GitHub leads from the old one to it.
func (s *Server) Move(owner, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.formed = append(s.formed, s.Owner+"/"+s.Name)
	s.Owner, s.Name = owner, name
}

// Broken are the rules that requests have broken.
func (s *Server) Broken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.broken)
}

// Called are those whom GitHub has told that a text mentions them.
func (s *Server) Called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.called)
}

// Linked are the issues elsewhere that tell of a text here, and those that a text would close.
func (s *Server) Linked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.linked)
}

// Requests is how many there were; those that cost something of the hourly limit are Cost.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Cost is how much of its hourly limit a token has used.
func (s *Server) Cost(token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[token].used
}

// Spend leaves a token so many requests of its hourly limit.
func (s *Server) Spend(token string, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[token]
	t.renew(s.now())
	t.used = hourly - left
}

func (s *Server) breaks(format string, args ...any) {
	s.broken = append(s.broken, fmt.Sprintf(format, args...))
}
