// Package chatctl is how operators and the fleet's own scripts speak with a project's chat: HTTP with JSON over a Unix
// socket that only root and the operators' group may connect to. Who speaks is the user who connected, as the kernel tells
// it; nothing that is sent says so.
//
//	GET   /v1/chat                                                   -> Chat
//	GET   /v1/messages?channel=&thread=&before=&after=&limit=        -> Messages
//	GET   /v1/follow?at=CHANNEL:NUMBER&at=...&new=yes                -> a Line on each line, without end
//	POST  /v1/messages        NewMessage                             -> Posted
//	POST  /v1/alerts          Alert (root alone; cut where too long) -> Posted
//	GET   /v1/tasks?state=&for=&after=&limit=                        -> Tasks
//	GET   /v1/tasks/NUMBER                                           -> chat.Task
//	POST  /v1/tasks           NewTask                                -> chat.Task
//	POST  /v1/tasks/NUMBER/claim  Claim                              -> chat.Task
//	PATCH /v1/tasks/NUMBER        Change                             -> chat.Task
//
// What was not done is answered with Failure and a status: 400 for a request that makes no sense, 403 for one that this
// user may not make, 409 for what the chat refuses, with its reason, and 500 for what failed.
package chatctl

import "fleet/schemas/chat"

// Paths.
const (
	ChatPath     = "/v1/chat"
	MessagesPath = "/v1/messages"
	FollowPath   = "/v1/follow"
	AlertsPath   = "/v1/alerts"
	TasksPath    = "/v1/tasks"
)

// Yes is the value of a parameter that is said.
const Yes = "yes"

// Bounds of requests.
const (
	// MaxBody bounds what is sent: a text of the greatest length, each byte of which JSON may write as six.
	MaxBody = 6*chat.MaxMessage + 16<<10

	MaxPage     = 500     // messages or tasks of one answer
	MaxPageText = 1 << 20 // bytes of their texts, but for the first one
	MaxFollowed = chat.MaxChannels
	MaxTo       = 100 // agents that one message is for
	MaxKey      = 64  // bytes of a key
)

// Chat is what there is.
type Chat struct {
	Project    string    `json:"project"`
	Backend    string    `json:"backend"`    // its kind
	MaxMessage int       `json:"maxMessage"` // bytes of a text
	Channels   []Channel `json:"channels"`   // by rising key
	Agents     []Agent   `json:"agents"`     // by rising key
}

// Channel is one channel.
type Channel struct {
	Key   string `json:"key"`
	Last  int64  `json:"last"`            // number of its last message, 0 for none
	Shown bool   `json:"shown,omitempty"` // people read along at the backend
}

// Agent is one that speaks in the chat.
type Agent struct {
	Key  string `json:"key"`
	Name string `json:"name"`
}

// Query asks for messages of a channel: those behind number After, the oldest of them first and no more than Limit; or
// without After the newest Limit, before number Before where there is one. The answer is in rising order either way.
type Query struct {
	Channel string
	Thread  string // only of this one
	After   *int64
	Before  int64
	Limit   int // 1 to MaxPage
}

// Messages is the answer to Query.
type Messages struct {
	Messages []chat.Message `json:"messages"`
	More     bool           `json:"more"` // there are more in the direction of the query
}

// Line is one line of what is followed. One without a message says that the chat is still there.
type Line struct {
	Message *chat.Message `json:"message,omitempty"`
}

// NewMessage is what is to be said.
type NewMessage struct {
	Channel string   `json:"channel"`
	Thread  string   `json:"thread,omitempty"` // which must be there; "" is the channel itself
	To      []string `json:"to,omitempty"`     // keys of agents, beside those that the text mentions
	Text    string   `json:"text"`
	Key     string   `json:"key,omitempty"` // said once, however often it is sent with this key
}

// Alert is what the fleet itself says: its watchdog, an activation. The chat groups what comes often.
type Alert struct {
	Channel string `json:"channel"`
	Text    string `json:"text"`
	Key     string `json:"key,omitempty"`
}

// Posted tells where it was said.
type Posted struct {
	Message *chat.Message `json:"message,omitempty"` // none: it is counted, and told with others later
}

// Filter says which tasks are listed.
type Filter struct {
	States []string // none is all but done
	For    string   // assignee, "" is anybody
	After  int64    // those with higher numbers, within each state
	Limit  int      // 1 to MaxPage
}

// Tasks is the answer to Filter: by state, and by rising number within a state.
type Tasks struct {
	Tasks []chat.Task `json:"tasks"`
	More  bool        `json:"more"`
}

// NewTask is a task that is to be made.
type NewTask struct {
	Title string `json:"title"`
	Body  string `json:"body,omitempty"`
	For   string `json:"for,omitempty"` // the agent that it is meant for
	Key   string `json:"key,omitempty"` // made once, however often it is sent with this key
}

// Claim takes a task that is to do.
type Claim struct {
	For string `json:"for,omitempty"` // the agent that shall have it, "" is who asks
}

// Change is what becomes of a task. What is not there stays.
type Change struct {
	State *string `json:"state,omitempty"`
	For   *string `json:"for,omitempty"` // agent or person, "" is nobody
	Title *string `json:"title,omitempty"`
	Body  *string `json:"body,omitempty"`
	Note  string  `json:"note,omitempty"` // said in the task's thread
}

// Failure is why something was not done.
type Failure struct {
	Error string `json:"error"`
}
