package chat

import "time"

// Kinds of an Author.
const (
	KindAgent  = "agent"
	KindPerson = "person"
	KindFleet  = "fleet" // the fleet itself: its watchdog, gates, activation
)

// Author is who said or did something.
type Author struct {
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"` // an agent's key; a person's identifier at the backend, "local" for one on the host
	Name string `json:"name"`
	Bot  bool   `json:"bot,omitempty"` // a program of somebody else's

	// Untrusted is one that is not among the trusted operators: what it says is no instruction.
	Untrusted bool `json:"untrusted,omitempty"`
}

// Message is one message of a channel. Its text is valid UTF-8 without control characters but newline and tab.
type Message struct {
	Channel string    `json:"channel"`
	Seq     int64     `json:"seq"` // its number in the channel, from 1, rising
	Time    time.Time `json:"time"`
	From    Author    `json:"from"`
	Thread  string    `json:"thread,omitempty"` // "task-7", "message-12" or "thread-3"; none is the channel itself
	To      []string  `json:"to,omitempty"`     // keys of the agents that it is for
	Text    string    `json:"text"`
	Cut     bool      `json:"cut,omitempty"` // the text was longer
}

// States of a task.
const (
	Todo       = "todo"
	InProgress = "in_progress"
	Blocked    = "blocked"
	Done       = "done"
)

// States are all states of a task.
var States = []string{Todo, InProgress, Blocked, Done}

// Task is a task as it stands.
type Task struct {
	Number   int64     `json:"number"` // from 1, rising
	Title    string    `json:"title"`
	Body     string    `json:"body,omitempty"`
	State    string    `json:"state"`
	Assignee string    `json:"assignee,omitempty"` // key of an agent, or the name of a person
	From     Author    `json:"from"`               // who made it
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`

	// Untrusted is a task whose text is in part of somebody who is not among the trusted operators.
	Untrusted bool `json:"untrusted,omitempty"`
}

// Lesson is what one agent or person learned and all should know: a message of the channel of lessons.
type Lesson struct {
	Number int64     `json:"number"`
	Time   time.Time `json:"time"`
	From   Author    `json:"from"`
	Text   string    `json:"text"`
}
