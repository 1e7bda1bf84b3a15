// Package backend is what the hub asks of the place where people read along: Discord, Slack or GitHub. What agents and
// people say is in the hub's own store first. A backend is told what to show there, as Effects, and tells what people did
// there, as Events.
package backend

import (
	"context"
	"time"
)

// Backend is one such place. All methods may be called at once by several goroutines.
type Backend interface {
	// Run connects and hands what happens to in, each channel in its order, until ctx ends; then it returns nil. It
	// connects again by itself, and then hands on what it missed since the channel's mark. An event may come twice, with
	// the same ID. An error is one that no further try can mend: a token that is refused, a channel that is not there.
	Run(ctx context.Context, in Inbox) error

	// Do brings one effect about and returns where it is. It can be called again after any end, that of the process
	// included: what the call before had brought about is found by the effect's ID and not done twice. See Later for
	// errors that a further try may mend; any other is final for this effect.
	Do(ctx context.Context, e Effect) (Ref, error)

	// Claim takes a task for claim.Agent, against claims that other hosts make at the same time: it leaves a mark at the
	// task, and the first mark since the task was last to do wins, in the backend's own order. It returns the mark that
	// won. Called again with the same ID, it leaves no second mark.
	Claim(ctx context.Context, task Ref, claim Claim) (Claim, error)
}

// Inbox is where a backend leaves what happened.
type Inbox interface {
	// Take has stored the event and the channel's mark durably when it returns nil. After an error the backend must hand
	// the same event over again. An event without a Kind is none: the mark alone is to be stored.
	Take(ctx context.Context, e Event, mark string) error

	// Mark returns the last mark of a channel: what the backend needs in order to go on from there, "" at the beginning.
	Mark(channel string) string
}

// Direct begins the Channel of a conversation of a person with one of our bots, which Thread names; so does "", and no key
// of the spec. What the backend puts behind it is its own matter. It has a mark as channels have, and an answer goes to
// the same Channel and Thread.
const Direct = "@"

// Ref names a thing at the backend, in the backend's own terms: a message, a thread, an issue, a conversation of one person
// with a bot. "" is none.
type Ref string

// Kind says what an effect or an event is about.
type Kind string

// Kinds.
const (
	Post   Kind = "post"   // a message
	Create Kind = "create" // a new task
	Update Kind = "update" // a task's new state, assignee, title or body
)

// State of a task.
type State string

// States of a task, as people read them in its title or labels.
const (
	Todo       State = "todo"        // [TODO]
	InProgress State = "in_progress" // [IN PROGRESS]
	Blocked    State = "blocked"     // [BLOCKED]
	Done       State = "done"        // [DONE]
)

// Task is a task as it stands.
type Task struct {
	Title, Body string
	State       State
	Assignee    string // key of an agent, or the name of a person; "" is nobody
}

// Effect is what shall be there.
type Effect struct {
	ID      string // unique over time and hosts, 26 letters and digits
	Kind    Kind
	Channel string // its key in the spec, or as an event had it: see Direct

	// Thread is, of Post, the thread, message or task it belongs to; "" is the channel itself. Of Update it is the task.
	Thread Ref

	Author Author
	Text   string // of Post: Markdown of any length; the backend splits what is too long for one message
	Task   Task   // of Create and Update

	// Time is when it was asked for, by this host's clock, and stays the same however often it is tried. A backend looks
	// for what an earlier try has left from some time before it. Where it is zero, the backend looks at everything.
	Time time.Time
}

// Author is who speaks: an agent, or the fleet itself.
type Author struct {
	Key  string // of the agent; "" is the fleet
	Name string // as people know it
}

// Claim is a mark that an agent leaves at a task.
type Claim struct {
	ID    string // as of an effect
	Agent string
	Time  time.Time // the backend's clock
}

// Event is what happened there.
type Event struct {
	ID      string // the backend's own, unique within the backend
	Kind    Kind
	Channel string // its key in the spec, or a conversation: see Direct
	Thread  Ref    // of a message: the thread or task it was written in; of a task: the task
	Ref     Ref    // of the message itself, "" where it goes on with a text that began in another message
	Echo    string // the ID of the effect that this is the result of, "" if it is none of this fleet's
	From    Person
	To      []string // keys of the agents that it is for: mentioned, or owners of the bot that was written to
	Text    string   // as written, mentions resolved to @name
	Task    Task     // of Create and Update: all of it, so that an empty Body is one that was taken away
	Time    time.Time
}

// Person is who did it. Trust is the hub's matter, by ID.
type Person struct {
	ID   string // the backend's stable identifier, never a name that can be chosen
	Name string
	Bot  bool
}

// Later is an error that a further try may mend.
type Later struct {
	After time.Duration // how long to wait at least; 0 leaves it to the caller
	Err   error
}

// Error says what went wrong.
func (e *Later) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Later) Unwrap() error { return e.Err }
