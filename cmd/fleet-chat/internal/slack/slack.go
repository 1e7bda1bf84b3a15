// Package slack shows a fleet's channels and tasks in a Slack workspace: a backend over Slack's Web API and socket
// mode.
//
// Channels are given by ID; one without is only on the host. A message is a message; a text that is too long for one is
// several, on each other's heels. An agent posts under its name, or as its own bot where it has one. Who writes to a
// bot alone talks to its agent, and is answered there.
//
// Each message at the top of the channel for tasks is a task, written by an agent or a person, and its thread is what
// is said about it. Its state is what its text begins with, [TODO], [IN PROGRESS], [BLOCKED] or [DONE], and a reaction
// of the fleet's bot. A person changes it by editing the one or adding the other; without either, a task is to do.
// Slack lets nobody edit the message of another, so the text of a person's task stays as the person wrote it: its state
// is the reaction, and the last news in the thread.
//
// Slack's history is the truth. Socket mode has no resume, reorders, repeats and spreads events over the connections of
// one app, so an event only says where to look.
//
// The app in Slack needs Socket Mode, the Bot Token Scopes that scopes names, the bot events message.channels,
// message.groups, message.im and reaction_added, messages in its App Home, and to be invited to each channel. An app of
// an agent's own needs ownScopes, message.im, and to be invited where it is to post; without an app-level token it is
// asked for news now and then.
package slack

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// Backend is a workspace.
type Backend struct {
	log      logrus.FieldLogger
	server   string            // ID of the workspace, "" is the token's
	channels map[string]string // Slack's IDs by key
	keys     map[string]string // the other way round
	agents   map[string]string // their names, as people know them, by key
	network  *network
	fleet    *client
	own      map[string]*client // bots of agents, by the agent's key

	people people
	places places
	sent   *recent // refs of what this process has written

	heard atomic.Bool // Slack has told of something new

	mu    sync.Mutex
	bots  map[string]string // the agent, "" is the fleet, by ID of a user or bot
	muted map[string]bool   // own bots that do not post, by agent and channel
}

var _ backend.Backend = (*Backend)(nil)

// Do brings an effect about; see backend.Backend.
func (b *Backend) Do(ctx context.Context, e backend.Effect) (backend.Ref, error) {
	ref, err := b.do(ctx, e)
	return ref, ended(ctx, err)
}

func (b *Backend) do(ctx context.Context, e backend.Effect) (backend.Ref, error) {
	at, err := b.where(e.Channel, e.Thread)
	switch {
	case err != nil:
		return "", err
	case e.Kind == backend.Post:
		return b.post(ctx, at, e)
	case e.Channel != chat.Tasks || at.bot != "":
		return "", fmt.Errorf("tasks are in channel %q, not in %q", chat.Tasks, e.Channel)
	case e.Kind == backend.Create:
		return b.create(ctx, at, e)
	case e.Kind == backend.Update:
		return b.updateTask(ctx, at, e)
	default:
		return "", fmt.Errorf("%q is no kind of effect", e.Kind)
	}
}

// agent returns whose bot an ID of a user or bot is.
func (b *Backend) agent(id string) (key string, ours bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, ours = b.bots[id]
	return key, ours && id != ""
}
