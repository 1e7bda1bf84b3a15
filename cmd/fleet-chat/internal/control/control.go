// Package control serves operators, root's scripts among them, on the control socket: see chatctl for the protocol. The
// kernel tells who connected, so the daemon must see the host's user IDs and names: its unit has no PrivateUsers=, under
// which every operator would be nobody, and the host's /etc/passwd.
package control

import (
	"context"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// Hub is what is served. All methods may be called at once by several goroutines. Texts come as they were sent, valid
// UTF-8 within bounds: the hub cleans them, and counts their bytes against its limits. An error that is store.Refused is
// told as it is; of any other the log gets to know, and who asked learns that it failed.
type Hub interface {
	// Chat tells what there is.
	Chat() (chatctl.Chat, error)

	// Messages answers a query that is within its bounds.
	Messages(q chatctl.Query) (chatctl.Messages, error)

	// News returns a channel that is closed when a message has come after this call, in whichever channel.
	News() <-chan struct{}

	// Post says something as a person of this host; by is that person. With a key that by has used before the message of
	// then is returned.
	Post(ctx context.Context, by chat.Author, m chatctl.NewMessage) (chat.Message, error)

	// Alert says something as the fleet. The result is nil where it is counted and told with others later.
	Alert(ctx context.Context, a chatctl.Alert) (*chat.Message, error)

	// Tasks lists, Task returns one.
	Tasks(f chatctl.Filter) (chatctl.Tasks, error)
	Task(number int64) (chat.Task, error)

	// CreateTask makes a task, ClaimTask gives one that is to do to an agent, or to by where forWhom is "". UpdateTask
	// changes one; a person may whoever's it is. A person who has the name of an agent's key can have no task: it would be
	// the agent's.
	CreateTask(ctx context.Context, by chat.Author, t chatctl.NewTask) (chat.Task, error)
	ClaimTask(ctx context.Context, by chat.Author, number int64, forWhom string) (chat.Task, error)
	UpdateTask(ctx context.Context, by chat.Author, number int64, c chatctl.Change) (chat.Task, error)
}

// Messages of the fleet itself are of Fleet. The author of what a person of this host says has Kind chat.KindPerson, ID
// "local" and the user's name.
var Fleet = chat.Author{Kind: chat.KindFleet, Name: "fleet"}
