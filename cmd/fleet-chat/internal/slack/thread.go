package slack

import (
	"context"
	"errors"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"fleet/cmd/fleet-chat/internal/backend"
)

// isTask tells whether a message of the channel for tasks is one. What agents say there without making a task is none,
// nor is what another app reports, unless it says that it is to do.
func (b *Backend) isTask(m *slackgo.Message) bool {
	switch {
	case !said[m.SubType], m.SubType == slackgo.MsgSubTypeThreadBroadcast:
		return false
	case m.ThreadTimestamp != "" && m.ThreadTimestamp != m.Timestamp:
		return false
	case b.ours(m):
		return markOf(m).kind == taskMark
	default:
		return m.BotID == "" || parseTask(plainText(m.Text)).State != ""
	}
}

// thread is a task with what was said about it.
type thread struct {
	spot
	root    slackgo.Message
	replies []slackgo.Message
}

var errNoTask = errors.New("the task is not at Slack any more")

// thread reads a thread. The error is errNoTask where there is none.
func (b *Backend) thread(ctx context.Context, at spot) (*thread, error) {
	t := &thread{spot: at}
	s := span{channel: at.channel, thread: at.thread, limit: largePage}
	err := b.fleet.read(ctx, s, func(m slackgo.Message) bool {
		switch {
		case m.Timestamp == at.thread:
			t.root = m
		default:
			t.replies = append(t.replies, m)
		}
		return true
	})
	if err == nil && t.root.Timestamp == "" {
		err = errNoTask
	}
	slices.SortFunc(t.replies, func(a, b slackgo.Message) int { return order(a.Timestamp, b.Timestamp) })
	return t, err
}

// marks hands on what our own bots left in the thread.
func (t *thread) marks(b *Backend, kind string, each func(ts string, m mark)) {
	for _, r := range t.replies {
		if mk := markOf(&r); mk.kind == kind && b.ours(&r) {
			each(r.Timestamp, mk)
		}
	}
}

// news returns the last news of the state, and since when it holds: the task's own beginning where there is none.
func (t *thread) news(b *Backend) (last mark, since string) {
	since = t.root.Timestamp
	t.marks(b, stateMark, func(ts string, m mark) { last, since = m, ts })
	return last, since
}

// shown is the digest of the title and body that people see.
func (t *thread) shown(b *Backend) string {
	if b.ours(&t.root) {
		return markOf(&t.root).text
	}
	if last, _ := t.news(b); last.text != "" {
		return last.text
	}
	return digest(parseTask(plainText(t.root.Text)))
}

// other tells whether the task may have another title and body than its text: what we write is not what we were given,
// and the text of a person's task stays when we were given another.
func (t *thread) other(b *Backend) bool {
	if b.ours(&t.root) {
		return true
	}
	anew := ""
	t.marks(b, stateMark, func(ts string, m mark) {
		if m.anew {
			anew = ts
		}
	})
	return anew != "" && (t.root.Edited == nil || before(t.root.Edited.Timestamp, anew))
}

// task is the task as it stands: as its text says and, where there is later news, as that says.
func (t *thread) task(b *Backend, text string) backend.Task {
	task := parseTask(text)
	if mk := markOf(&t.root); b.ours(&t.root) {
		task.Assignee = mk.assignee
		task.Title = strings.TrimSuffix(task.Title, assigned+b.name(mk.assignee))
		task.Title = strings.TrimSuffix(strings.TrimPrefix(task.Title, "*"), "*")
	}
	if last, _ := t.news(b); last.kind != "" {
		task.Assignee = last.assignee
		if string(task.State) == last.prefix { // not edited since
			task.State = backend.State(last.state)
		}
	}
	task.State = state(task.State)
	return task
}

// wish is a reaction of a person's that asks for a state.
type wish struct {
	reaction, user string
	state          backend.State
}

// key tells wishes apart, in few letters.
func (w wish) key() string { return short(w.reaction + ":" + w.user) }

// wishes are the reactions of people that stand for a state.
func (b *Backend) wishes(m *slackgo.Message) []wish {
	var all []wish
	for _, r := range m.Reactions {
		s, ok := stateOf(r.Name)
		for _, user := range r.Users {
			if _, ours := b.agent(user); ok && !ours {
				all = append(all, wish{reaction: r.Name, user: user, state: s})
			}
		}
	}
	return all
}
