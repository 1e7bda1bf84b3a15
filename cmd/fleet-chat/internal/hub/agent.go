package hub

import (
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/rate"
	"fleet/schemas/chat"
)

// Agent is the side of one agent: it sees and writes what its channels allow, as often as it may.
type Agent struct {
	h      *Hub
	of     *chat.Agent
	writes *rate.Limit

	mu       sync.Mutex
	stranger time.Time // when one woke it
}

// Agent returns the side of an agent, nil where there is none with this key.
func (h *Hub) Agent(key string) *Agent { return h.agents[key] }

// Key is the agent's.
func (a *Agent) Key() string { return a.of.Key }

func (a *Agent) author() chat.Author {
	return chat.Author{Kind: chat.KindAgent, ID: a.of.Key, Name: a.of.Title()}
}

// Sees tells whether the agent sees a channel.
func (a *Agent) Sees(channel string) bool { return a.h.has(channel) && store.Sees(a.of, channel) }

// see refuses a channel that the agent does not see.
func (a *Agent) see(channel string) error {
	if !a.Sees(channel) {
		return noChannel(channel)
	}
	return nil
}

// write refuses what the agent writes too often.
func (a *Agent) write() error {
	if wait := a.writes.Take(time.Now()); wait > 0 {
		return &TooOften{a.h.config.Limits.PostsPerMinute, wait}
	}
	return nil
}

// Channels are the keys of the channels that the agent sees, sorted; that of its bot is the first.
func (a *Agent) Channels() (keys []string) {
	if direct := store.DirectTo(a.of.Key); a.Sees(direct) {
		keys = append(keys, direct)
	}
	for _, c := range a.h.config.Channels {
		if a.of.Sees(c.Key) {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// Channel is one that an agent sees.
type Channel struct {
	Key    string   `json:"key"`
	Unread int64    `json:"unread"`           // messages that the agent has not acknowledged, its own among them
	Own    bool     `json:"own,omitempty"`    // what is written there is for this agent
	People bool     `json:"people,omitempty"` // people read along elsewhere, too
	Agents []string `json:"agents"`           // others that see it
	More   bool     `json:"more,omitempty"`   // there are more of them
}

// maxOthers are named of those that see a channel.
const maxOthers = 50

// Overview tells what channels the agent sees behind a key, and what waits there; more tells that there are more.
func (a *Agent) Overview(after string, most int) (all []Channel, more bool, err error) {
	for _, key := range a.Channels() {
		if key <= after {
			continue
		}
		if len(all) == most {
			return all, true, nil
		}
		one := Channel{Key: key, People: a.h.shows(key)}
		one.Own = key == a.of.Channel || direct(key)
		one.Agents, one.More = a.others(key)
		if one.Unread, err = a.h.store.Waiting(a.of.Key, key); err != nil {
			return nil, false, err
		}
		all = append(all, one)
	}
	return all, false, nil
}

// others are the other agents that see a channel; more tells that there are more.
func (a *Agent) others(channel string) (keys []string, more bool) {
	keys = []string{}
	for i := range a.h.config.Agents {
		other := &a.h.config.Agents[i]
		if other.Key == a.of.Key || !store.Sees(other, channel) {
			continue
		}
		if len(keys) == maxOthers {
			return keys, true
		}
		keys = append(keys, other.Key)
	}
	return keys, false
}

// pageBytes of texts are in one answer.
const pageBytes = 64 << 10

// Unread is what an agent has not acknowledged.
type Unread struct {
	Messages  []chat.Message
	Positions store.Positions // acknowledge the messages
	More      bool            // there are more, to be read when these are acknowledged
}

// Read acknowledges what the agent has read before, and returns what it has not: of these channels, or of all that it
// sees where there are none, the oldest first. What it has not acknowledged it is handed again.
func (a *Agent) Read(channels []string, acknowledge store.Positions, most int) (out Unread, err error) {
	for channel := range acknowledge {
		if err := a.see(channel); err != nil {
			return out, err
		}
	}
	for _, channel := range channels {
		if err := a.see(channel); err != nil {
			return out, err
		}
	}
	if len(channels) == 0 {
		channels = a.Channels()
	}
	channels = slices.Compact(slices.Sorted(slices.Values(channels)))
	if err := a.h.store.Acknowledge(a.of.Key, acknowledge); err != nil {
		return out, err
	}
	bounds := store.Bounds{Messages: most, Bytes: pageBytes}
	out.Messages, out.Positions, out.More, err = a.h.store.Unread(a.of.Key, channels, bounds)
	return out, err
}

// Place is where messages are.
type Place struct {
	Channel string
	Thread  string // "" is all of the channel
	Before  int64  // only messages with lower numbers; 0 is all
}

// History returns the newest messages of a place, the oldest of them first, and whether there are more before.
func (a *Agent) History(at Place, most int) ([]chat.Message, bool, error) {
	if err := a.see(at.Channel); err != nil {
		return nil, false, err
	}
	return a.h.store.History(at.Channel, at.Thread, at.Before, store.Bounds{Messages: most, Bytes: pageBytes})
}

// Post is what an agent says.
type Post struct {
	Channel, Thread string
	Text            string
	To              []string // agents that it calls, beside those that the text mentions as @KEY
	Key             string   // what it has said with the same key before is not said again
}

// Post says something.
func (a *Agent) Post(p Post) (chat.Message, error) {
	if err := a.see(p.Channel); err != nil {
		return chat.Message{}, err
	}
	if err := a.write(); err != nil {
		return chat.Message{}, err
	}
	return a.h.say(a.author(), saying{p.Channel, p.Thread, p.Text, p.To, p.Key})
}

// Lessons returns lessons with lower numbers than before, 0 for all: the newest, the oldest of them first.
func (a *Agent) Lessons(before int64, most int) (all []chat.Lesson, more bool, err error) {
	messages, more, err := a.History(Place{Channel: chat.Lessons, Before: before}, most)
	for _, m := range messages {
		all = append(all, chat.Lesson{Number: m.Seq, Time: m.Time, From: m.From, Text: m.Text})
	}
	return all, more, err
}

// AddLesson tells all who see lessons what the agent has learned.
func (a *Agent) AddLesson(text, key string) (chat.Lesson, error) {
	m, err := a.Post(Post{Channel: chat.Lessons, Text: text, Key: key})
	return chat.Lesson{Number: m.Seq, Time: m.Time, From: m.From, Text: m.Text}, err
}

// Conversations returns those in which a person waits for the agent's answer, the oldest first.
func (a *Agent) Conversations() (all []store.Talk, err error) {
	all, err = a.h.store.Talks(a.of.Key)
	return slices.DeleteFunc(all, func(t store.Talk) bool { return !a.Sees(t.Channel) }), err
}

// Answer is what an agent's session ended with.
type Answer struct {
	Channel, Thread string // of the conversation
	Seen            int64  // its last message that the agent knew of
	Text            string // "" ends the conversation without an answer; what is too long is cut
}

// Answer answers in a conversation, once for each Seen, however often it is called. The message is nil where there was
// nothing to say. The conversation goes on to wait if something was written in it since.
func (a *Agent) Answer(in Answer) (*chat.Message, error) {
	if err := a.see(in.Channel); err != nil {
		return nil, err
	}
	if _, _, ok := store.Thread(in.Thread); !ok {
		return nil, refuse("%.64q is no thread", in.Thread)
	}
	if err := a.write(); err != nil {
		return nil, err
	}
	text, cut := clean.Cut(clean.Text(in.Text), a.h.config.Limits.Message)
	m, again, err := a.h.store.Answer(store.NewMessage{
		Channel: in.Channel, Thread: in.Thread, Time: a.h.time(), From: a.author(), Text: text, Cut: cut,
		Key: answerKey(in), Show: a.h.shows(in.Channel), Said: true,
	}, in.Seen)
	if err == nil && m != nil && !again {
		a.h.spread(m, nil)
	}
	return m, err
}

// answerKey is a key that no other message of the agent has: keys of agents have no blank.
func answerKey(in Answer) string {
	return "answer " + in.Channel + "/" + in.Thread + " " + itoa(in.Seen)
}

// direct tells whether a channel is that of conversations with a bot.
func direct(channel string) bool { return strings.HasPrefix(channel, backend.Direct) }
