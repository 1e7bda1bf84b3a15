package discord

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
)

// forum tells whether a channel is one.
func (b *Backend) forum(ctx context.Context, ch channel) (bool, error) {
	b.mu.Lock()
	is, ok := b.forums[ch.id]
	b.mu.Unlock()
	if ok {
		return is, nil
	}
	t, err := b.fleet.place(ctx, ch.id)
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forums[ch.id] = t.Type == typeForum
	return b.forums[ch.id], nil
}

// create opens a task's thread. In a forum the thread comes with its first message; in a text channel it is opened at
// that message. What does not fit into the first message follows in the thread.
func (b *Backend) create(ctx context.Context, ch channel, e backend.Effect, v voice) (backend.Ref, error) {
	forum, err := b.forum(ctx, ch)
	if err != nil {
		return "", err
	}
	text := script{
		effect: e, voice: v, kind: ofTask, pieces: taskPieces(v.above, e.Task), first: 1, digest: digest(e.Task.Body),
	}
	id, err := b.open(ctx, ch, text, forum)
	if err != nil {
		return "", err
	}
	text.where = id
	if _, err := b.write(ctx, text); err != nil {
		return "", err
	}
	if e.Task.Assignee != "" {
		text.kind, text.pieces, text.first = ofState, pieces(v.above, "", statusLine(e.Task)), 0
		if _, err := b.write(ctx, text); err != nil {
			return "", err
		}
	}
	return refOf(ch.id, id), b.show(ctx, home(ch, id, forum), id, nil, e.Task.State)
}

// taskPieces is what a task's first messages say: its text, and its title where the thread's name has not all of it.
func taskPieces(above string, t backend.Task) []piece {
	body, head := strings.TrimSpace(clean(t.Body)), ""
	if body == "" {
		body = noText
	}
	if strings.HasSuffix(threadName(t.State, t.Title), ellipsis) {
		head = "**" + escape(shown(t.Title)) + "**\n\n"
	}
	return pieces(above, head, body)
}

// noText is for a message that must not be empty.
const noText = "(no text)"

// open opens the thread with the first message of its text, and returns its ID.
func (b *Backend) open(ctx context.Context, ch channel, text script, forum bool) (string, error) {
	p, leave, err := b.enter(ctx, ch.id)
	if err != nil {
		return "", err
	}
	defer leave()
	task, by := text.effect.Task, text.voice.by
	name := threadName(task.State, task.Title)
	text.where = ch.id
	l := text.letter(0)
	if !forum {
		id, err := b.put(ctx, p, l)
		if err != nil {
			return "", err
		}
		return id, b.roomy(ctx, ch, func() error { return by.openAt(ctx, ch.id, id, name) })
	}
	if !p.has(l.since) {
		if err := b.lookForum(ctx, p, ch, l.since); err != nil {
			return "", err
		}
	}
	if id := p.known[l.mark]; id != "" {
		return id, nil
	}
	out := l.outgoing()
	out.Nonce, out.Enforce = "", false // Discord has none for this
	var t *thread
	err = b.roomy(ctx, ch, func() (err error) {
		t, err = by.openPost(ctx, ch.id, name, out)
		return err
	})
	if err != nil {
		p.failed(err)
		return "", err
	}
	p.known[l.mark] = t.ID
	return t.ID, nil
}

// roomMost is how many tasks are archived at once where there is no room for another one.
const roomMost = 20

// roomy opens a thread. A server has at most 1000 that are not archived; where there is no room, the tasks that were
// done longest ago are archived.
func (b *Backend) roomy(ctx context.Context, ch channel, open func() error) error {
	err := open()
	if !isCode(err, codeThreads) {
		return err
	}
	all, listed := b.fleet.active(ctx, b.server, ch.id)
	if listed != nil {
		return listed
	}
	all = slices.DeleteFunc(all, func(t *thread) bool {
		state, _ := parseName(t.Name)
		return state != backend.Done
	})
	if len(all) == 0 {
		return err
	}
	slices.SortFunc(all, func(x, y *thread) int { return compare(later(x.ID, x.Last), later(y.ID, y.Last)) })
	for _, t := range all[:min(len(all), roomMost)] {
		if err := b.fleet.edit(ctx, t.ID, map[string]any{"archived": true}); err != nil && !gone(err) {
			return err
		}
	}
	return open()
}

// lookForum reads the marks of the threads since an ID that our bots opened.
func (b *Backend) lookForum(ctx context.Context, p *place, ch channel, since string) error {
	if err := b.acquaint(ctx); err != nil {
		return err
	}
	active, err := b.fleet.active(ctx, b.server, ch.id)
	if err != nil {
		return err
	}
	archived, err := b.fleet.archived(ctx, ch.id, timeOf(since))
	if err != nil {
		return err
	}
	known := map[mark]string{}
	for _, t := range slices.Concat(active, archived) {
		if b.ours(t.OwnerID) == nil || before(t.ID, since) {
			continue
		}
		m, err := b.fleet.message(ctx, t.ID, t.ID)
		if isCode(err, codeUnknownMessage) {
			continue
		}
		if err != nil {
			return err
		}
		if mk, _, ok := b.markIn(m); ok {
			known[mk] = t.ID
		}
	}
	p.known, p.from = known, since
	return nil
}

// update leaves a line in the thread, if the task is not as it should be there, then makes reaction and title show it.
func (b *Backend) update(ctx context.Context, ch channel, e backend.Effect, v voice) (backend.Ref, error) {
	home, id, ok := parseRef(e.Thread)
	if !ok || home != ch.id || !ch.tasks {
		return "", fmt.Errorf("task %q must be one of the channel %q", e.Thread, ch.key)
	}
	now, err := b.review(ctx, ch, id)
	if err != nil {
		return "", err
	}
	if now.lines[e.ID] == "" && !now.is(e.Task) {
		if err := b.tell(ctx, e, v, now); err != nil {
			return "", err
		}
		now.task, now.digest = e.Task, digest(e.Task.Body)
	}
	// What the line said may have changed since an earlier try: now is how the task stands.
	return e.Thread, b.dress(ctx, ch, now)
}

// tell leaves the line. It has the task's text where that is new.
func (b *Backend) tell(ctx context.Context, e backend.Effect, v voice, now *review) error {
	text, sum := statusLine(e.Task), digest(e.Task.Body)
	if sum != now.digest {
		text += "\n\n" + e.Task.Body
	}
	_, err := b.write(ctx, script{
		effect: e, voice: v, where: now.thread.ID, kind: ofState, pieces: pieces(v.above, "", text), digest: sum,
	})
	return err
}
