// Package discord is the backend of a Discord server.
//
// Channels are the server's, by ID. A task is a thread of the tasks channel, be that a forum or a text channel; its
// title begins with the state, [TODO] say, and a reaction on its first message shows the same. A person opens a task
// by opening a thread, and changes its state by a new title or by one of these reactions.
//
// Who speaks: an agent with a token of its own speaks as that bot. The others speak through the fleet's bot, with
// their name in bold above the text. That is done instead of a webhook: a webhook's URL is one more secret, which
// posts under any name without a trace; it needs the permission to make such URLs; and Discord does not drop a
// webhook's post that comes twice.
//
// Each message of ours ends with a mark that nobody sees, see type mark. By it a message is found again whose sending
// had an unknown end, in addition to Discord's own nonce, which works for some minutes only.
//
// What a task is, Discord itself tells: it is what the messages of its thread made of it, in their order, see type
// review. So several hosts can share a server, and nothing is lost with a host's store but what had not been shown.
package discord

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// Options is what a backend needs besides the configuration.
type Options struct {
	Tokens Tokens
	Log    logrus.FieldLogger

	// Transport is the way to Discord, of requests and of the gateway. Where it is nil, that is the way of
	// http.DefaultTransport, with the proxy that the environment names.
	Transport *http.Transport
}

// Tokens are the values of the credentials that the configuration names, by these names. They are never printed.
type Tokens map[string]string

// Format hides the tokens, whatever the verb.
func (Tokens) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[tokens]") }

// MarshalJSON hides the tokens.
func (Tokens) MarshalJSON() ([]byte, error) { return []byte(`"[tokens]"`), nil }

// Backend is a Discord server. It is a backend.Backend.
type Backend struct {
	server    string
	channels  []channel
	agents    []agent
	operators []string // IDs
	fleet     *bot
	own       map[string]*bot // by the agent's key
	log       logrus.FieldLogger
	pace      pace
	looks     looks

	mu      sync.Mutex
	places  map[string]*place
	threads map[string]*thread // by ID, what was last heard of them
	forums  map[string]bool    // channel's ID to whether it is a forum
	directs map[string]*bot    // by the ID of a channel of direct messages
	roles   map[string]string  // names by ID
	mine    map[string]bool    // effects that this process has brought about
	muted   map[string]bool    // own bots that cannot speak, by agent and channel
}

var _ backend.Backend = (*Backend)(nil)

// channel is one of the server's channels.
type channel struct {
	key   string
	id    string
	tasks bool // its threads are tasks
}

// agent is one that can speak or be spoken to.
type agent struct {
	key  string // "" is the fleet
	name string
}

// pace is how long things may take, and how much there may be at once; tests are in a hurry.
type pace struct {
	settle    time.Duration // from the mark of a claim until the first one is sure to be seen by all
	pause     time.Duration // before the second try to connect; doubles
	pauseMax  time.Duration
	stable    time.Duration // a connection that held for so long was a good one
	patience  time.Duration // how long a request may wait for its limit instead of coming back with Later
	silence   time.Duration // a connection on which nothing at all comes for so long is dead
	connect   time.Duration // so long may it take until a session stands
	login     time.Duration // from one login of a bot to the next
	overlap   time.Duration // what is looked at again before a mark: IDs are not given out in perfect order
	perSecond int           // requests of a bot
	queue     int           // events that wait at most; of more the history tells
	review    int           // messages of a task that are read at most
}

// Heartbeats are answered every 41 seconds, so silence for more than two of them is death. A bot may log in once in
// five seconds, and 1000 times a day, or its token is taken away: hence the pauses. Of its 50 requests in a second
// some are left to other hosts.
var usual = pace{
	settle: 2 * time.Second, pause: time.Second, pauseMax: 5 * time.Minute, stable: time.Minute,
	patience: 5 * time.Second, silence: 100 * time.Second, connect: time.Minute, login: 6 * time.Second,
	overlap: time.Minute, perSecond: 40, queue: 10_000, review: 10_000,
}

// New returns the backend of a configuration. Nothing is sent before Run, Do or Claim. Channels without an ID are not
// at Discord.
func New(c *chat.Config, o Options) (*Backend, error) {
	b := &Backend{
		server: c.Backend.Server, operators: c.Trusted, own: map[string]*bot{}, log: o.Log, pace: usual,
		places: map[string]*place{}, threads: map[string]*thread{}, forums: map[string]bool{}, roles: map[string]string{},
		directs: map[string]*bot{},
		mine:    map[string]bool{}, muted: map[string]bool{},
	}
	b.looks.wake = make(chan struct{}, 1)
	for _, ch := range c.Channels {
		if ch.ID != "" {
			b.channels = append(b.channels, channel{ch.Key, ch.ID, ch.Key == chat.Tasks})
		}
	}
	way, err := newWay(c.Backend.API, o.Transport)
	if err := errors.Join(b.check(), err); err != nil {
		return nil, err
	}
	return b, b.addBots(c, o.Tokens, way)
}

func (b *Backend) check() error {
	var faults []error
	if !isID(b.server) {
		faults = append(faults, fmt.Errorf("coordination.server %q must be the ID of a Discord server: digits only",
			b.server))
	}
	for _, ch := range b.channels {
		if !isID(ch.id) {
			faults = append(faults, fmt.Errorf("coordination.channels.%s %q must be the ID of a Discord channel: digits only",
				ch.key, ch.id))
		}
	}
	for _, id := range b.operators {
		if !isID(id) {
			faults = append(faults, fmt.Errorf("operators.chatIds %q must be the ID of a Discord user: digits only", id))
		}
	}
	return errors.Join(faults...)
}

// addBots makes the fleet's bot and those of agents.
func (b *Backend) addBots(c *chat.Config, tokens Tokens, w *way) error {
	var err error
	b.fleet, err = newBot(agent{}, c.Backend.Token, tokens, w, &b.pace)
	faults := []error{err}
	for i := range c.Agents {
		a := agent{c.Agents[i].Key, c.Agents[i].Title()}
		b.agents = append(b.agents, a)
		if c.Agents[i].Token == "" {
			continue
		}
		b.own[a.key], err = newBot(a, c.Agents[i].Token, tokens, w, &b.pace)
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// isID tells a snowflake, which Discord writes as a decimal number of 64 bits.
func isID(id string) bool {
	n, err := strconv.ParseUint(id, 10, 64)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == id
}

func (b *Backend) channel(key string) (channel, bool) {
	i := slices.IndexFunc(b.channels, func(c channel) bool { return c.key == key })
	if i < 0 {
		return channel{}, false
	}
	return b.channels[i], true
}

func (b *Backend) channelByID(id string) (channel, bool) {
	i := slices.IndexFunc(b.channels, func(c channel) bool { return c.id == id })
	if i < 0 {
		return channel{}, false
	}
	return b.channels[i], true
}

// bots returns all bots, the fleet's first.
func (b *Backend) bots() []*bot {
	all := []*bot{b.fleet}
	for _, a := range b.agents {
		if own := b.own[a.key]; own != nil {
			all = append(all, own)
		}
	}
	return all
}

// ours returns the bot of a user's ID, nil if it is none of ours. The ID of a bot whose token never worked is unknown.
func (b *Backend) ours(user string) *bot {
	for _, own := range b.bots() {
		if id, _ := own.known(); id != "" && id == user {
			return own
		}
	}
	return nil
}

// directTo returns the bot that a channel of direct messages is of, nil if it is another channel.
func (b *Backend) directTo(channel string) *bot {
	key, ok := strings.CutPrefix(channel, backend.Direct)
	switch {
	case !ok:
		return nil
	case key == "":
		return b.fleet
	}
	return b.own[key]
}

// minesMost bounds how many effects are remembered: what is forgotten costs a request when Discord tells of it.
const minesMost = 20_000

// remember notes that an effect is this process's own.
func (b *Backend) remember(effect string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mine) >= minesMost {
		clear(b.mine)
	}
	b.mine[effect] = true
}

func (b *Backend) isMine(effect string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mine[effect]
}
