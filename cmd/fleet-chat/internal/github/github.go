// Package github shows a fleet's channels and tasks as issues of a repository at GitHub, of github.com or of a GitHub
// Enterprise Server.
//
// A task is an issue with one of the labels PREFIX:todo, PREFIX:in-progress, PREFIX:blocked and PREFIX:done, where
// PREFIX is the identifier of the channel of tasks. Titles that the fleet has written begin with the same: [TODO], [IN
// PROGRESS], [BLOCKED], [DONE]. People may change either; what came last counts, and the other is set right. An issue
// that is closed is done whatever it says, one that is opened again is to do. A label is what makes a task: only those
// can set one whom the repository's owner trusts with that. Who has a task is its assignee where the agent has an
// account of its own that can be assigned, else the label agent:KEY.
//
// A channel is one issue that stays open, and its comments are the messages. Its identifier is the issue's number, or a
// label: then the oldest open issue with it is the channel, and one is opened where there is none.
//
// What is edited later is not said again. A comment that was edited before it was first seen comes from nobody:
// GitHub's REST does not tell who edited it, and each person with write access can edit what others have said. It does
// not tell either whether the text of an issue was edited before the issue was first seen; that one counts as the
// opener's.
//
// What we write begins with a comment of HTML that people do not see and that names the effect, see entry. It counts in
// what our own account has written only, and an agent's text cannot contain one. An agent that could write with our
// account could make marks: so the account must be the fleet's alone.
//
// Nobody is to be called, and nothing to be closed or linked, by what an agent writes: see harmless.
package github

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

const (
	// DefaultURL is where the API of github.com is.
	DefaultURL = "https://api.github.com/"

	// answerTime bounds a request with its answer.
	answerTime = 60 * time.Second

	userAgent = "fleet-chat"

	// maxTrusted is how many people can be trusted: at the start each is asked for by a request.
	maxTrusted = 200
)

// Options are what a configuration does not say.
type Options struct {
	Tokens map[string]Token // by the names that the configuration has of them
	Log    logrus.FieldLogger

	// PollMin and PollMax bound the pause between two looks at what is new: the first while something happens, the second
	// when nothing has for long. 0 is 5 s and 60 s.
	PollMin, PollMax time.Duration

	// Transport is the way to the API. nil is that of net/http, which goes through the proxy that the environment names.
	Transport http.RoundTripper
}

// Backend is backend.Backend at GitHub.
type Backend struct {
	config   *chat.Config
	options  Options
	log      logrus.FieldLogger
	base     *url.URL       // of the API, with a slash at its end
	links    *regexp.Regexp // see linksOf
	owner    string
	name     string
	tasks    words             // "" where the tasks are only on this host
	channels map[string]string // identifiers of the other channels, by key
	fleet    *account
	accounts []*account          // all, the fleet's first
	agents   map[string]*account // of those that have one of their own
	faults   chan *Fault         // what Do has met that no try can mend
	busy     atomic.Bool         // something was written since the last look
	body     int                 // how many characters a body can have
	finding  chan struct{}       // one at a time finds out what is kept in where and issues

	mu      sync.Mutex
	where   *place         // nil until it is known, and after the repository has moved
	issues  map[string]int // of each channel, once known
	applied map[int]change
}

var _ backend.Backend = (*Backend)(nil)

var repoPattern = regexp.MustCompile(`^([A-Za-z0-9](?:-?[A-Za-z0-9]){0,38})/([A-Za-z0-9._-]{1,100})$`)

// New makes a backend of a configuration that chat.Parse has taken. It connects to nothing yet.
func New(c *chat.Config, o Options) (*Backend, error) {
	base, err := baseURL(c.Backend.API)
	if err != nil {
		return nil, err
	}
	repo := repoPattern.FindStringSubmatch(c.Backend.Repo)
	if repo == nil || repo[2] == "." || repo[2] == ".." {
		return nil, fmt.Errorf("github: coordination.repo: %q must be OWNER/NAME", c.Backend.Repo)
	}
	o.PollMin, o.PollMax = pauses(o.PollMin, o.PollMax)
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Log = silent
	}
	b := &Backend{
		config: c, options: o, log: o.Log, base: base, links: linksOf(base), owner: repo[1], name: repo[2],
		channels: map[string]string{},
		agents:   map[string]*account{}, faults: make(chan *Fault, 1), finding: make(chan struct{}, 1),
		issues: map[string]int{}, applied: map[int]change{}, body: maxBody,
	}
	if err := errors.Join(b.takeChannels(), b.checkPeople()); err != nil {
		return nil, err
	}
	return b, b.openAccounts()
}

func baseURL(api string) (*url.URL, error) {
	if api == "" {
		api = DefaultURL
	}
	base, err := url.Parse(strings.TrimSuffix(api, "/") + "/")
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil {
		return nil, fmt.Errorf("github: coordination.api: %q must be an address such as https://HOST/api/v3", api)
	}
	return base, nil
}

// labelPattern is what a channel may have as its label. GitHub takes a comma for the end of a label.
var labelPattern = regexp.MustCompile(`^[!-+\--~]{1,50}$`)

func (b *Backend) takeChannels() error {
	for _, c := range b.config.Channels {
		number, err := strconv.Atoi(c.ID)
		switch isNumber := err == nil; {
		case c.ID == "":
		case c.Key == chat.Tasks && (isNumber || !labelPattern.MatchString(words(c.ID).label(backend.InProgress))):
			return fmt.Errorf("github: coordination.channels.%s: %q must be what the labels of tasks begin with, such as "+
				`"fleet" for fleet:todo: a word of at most %d characters without a comma`, c.Key, c.ID, maxPrefix)
		case c.Key == chat.Tasks:
			b.tasks = words(c.ID)
		case isNumber && number <= 0, !isNumber && !labelPattern.MatchString(c.ID):
			return fmt.Errorf("github: coordination.channels.%s: %q must be the number of an issue, or a label of at most %d "+
				"characters without a comma", c.Key, c.ID, maxLabel)
		default:
			b.channels[c.Key] = c.ID
			b.issues[c.Key] = number
		}
	}
	for key, id := range b.channels {
		if b.tasks.state(id) != "" || agentOf(id) != "" {
			return fmt.Errorf("github: coordination.channels.%s: %q is a label of tasks", key, id)
		}
	}
	return nil
}

func (b *Backend) checkPeople() error {
	for _, a := range b.config.Agents {
		if !keyPattern.MatchString(a.Key) {
			return fmt.Errorf("github: agent %q: its key must be lower-case letters, digits and dashes, at most 40", a.Key)
		}
	}
	if n := len(b.config.Trusted); n > maxTrusted {
		return fmt.Errorf("github: operators.chatIds: must be at most %d with this backend, are %d", maxTrusted, n)
	}
	for _, id := range b.config.Trusted {
		if n, err := strconv.ParseInt(id, 10, 64); err != nil || n <= 0 {
			return fmt.Errorf("github: operators.chatIds: %q must be a user's numeric id, as %susers/LOGIN tells it",
				id, b.base)
		}
	}
	return nil
}

// openAccounts makes one account of each token: what limits one, limits all that use it.
func (b *Backend) openAccounts() (err error) {
	if b.fleet, err = b.openAccount(b.config.Backend.Token); err != nil {
		return err
	}
	b.accounts = []*account{b.fleet}
	byToken := map[Token]*account{b.fleet.token: b.fleet}
	for _, agent := range b.config.Agents {
		if agent.Token == "" {
			continue
		}
		a := byToken[b.options.Tokens[agent.Token]]
		if a == nil {
			if a, err = b.openAccount(agent.Token); err != nil {
				return err
			}
			byToken[a.token] = a
			b.accounts = append(b.accounts, a)
		}
		if a != b.fleet {
			a.agents = append(a.agents, agent.Key)
			b.agents[agent.Key] = a
		}
	}
	return nil
}

// writer is the account that an author writes with.
func (b *Backend) writer(author backend.Author) *account {
	if a := b.agents[author.Key]; a != nil {
		return a
	}
	return b.fleet
}

func (b *Backend) isAgent(key string) bool {
	for i := range b.config.Agents {
		if b.config.Agents[i].Key == key {
			return true
		}
	}
	return false
}

// alone waits until nobody else finds out anything, and returns what ends that.
func (b *Backend) alone(done <-chan struct{}) (end func(), ok bool) {
	select {
	case b.finding <- struct{}{}:
		return func() { <-b.finding }, true
	case <-done:
		return nil, false
	}
}
