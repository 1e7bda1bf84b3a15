package discord

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
)

// review is what a task's thread tells of the task: its messages in their order.
type review struct {
	thread  *thread
	task    backend.Task // as it stands
	digest  string       // of its text
	changed string       // ID of the message that last changed it, that of the thread if none did
	signs   []string     // emojis of ours at the first message that show a state
	first   bool         // the first message is there
	partial bool         // there are older messages than were read

	lines  map[string]string // first message of each status line, by the effect's ID
	claims []backend.Claim   // since the task was last to do, the first one first
	marks  map[string]string // messages of claims, by the claim's ID

	texts map[mark]string // of our pieces, those of the same message once
}

// review reads a task's thread.
func (b *Backend) review(ctx context.Context, ch channel, id string) (*review, error) {
	if err := b.acquaint(ctx); err != nil {
		return nil, err
	}
	forum, err := b.forum(ctx, ch)
	if err != nil {
		return nil, err
	}
	t, err := b.fleet.place(ctx, id)
	if err != nil {
		return nil, err
	}
	b.learn(t)
	if !t.isThread() || t.ParentID != ch.id {
		return nil, fmt.Errorf("task %s must be a thread of the channel %q", id, ch.key)
	}
	all, partial, err := b.history(ctx, id)
	if err != nil {
		return nil, err
	}
	if !forum || partial {
		m, err := b.fleet.message(ctx, home(ch, id, forum), id)
		switch {
		case err == nil:
			all = append([]message{m}, all...)
		case !isCode(err, codeUnknownMessage):
			return nil, err
		}
	}
	r := b.judge(t, all)
	r.partial = partial
	return r, nil
}

// home returns where the first message of a task is, which has the thread's ID: in a text channel the thread is opened
// at it.
func home(ch channel, task string, forum bool) string {
	if forum {
		return task
	}
	return ch.id
}

// history returns a thread's last messages, the oldest first, and whether there are older ones.
func (b *Backend) history(ctx context.Context, id string) (all []message, partial bool, err error) {
	for last := ""; ; {
		page, err := b.fleet.page(ctx, id, "before", last)
		if err != nil {
			return nil, false, err
		}
		all = append(all, page...)
		if len(page) < pageLength || len(all) >= b.pace.review {
			slices.Reverse(all)
			return all, len(page) == pageLength, nil
		}
		last = page[len(page)-1].ID
	}
}

// judge makes of a thread's messages what the task is.
func (b *Backend) judge(t *thread, all []message) *review {
	r := &review{
		thread: t, changed: t.ID, lines: map[string]string{}, marks: map[string]string{}, texts: map[mark]string{},
	}
	_, r.task.Title = parseName(t.Name)
	r.task.State = backend.Todo
	heads := map[string]string{}
	for _, m := range all {
		if mk, n, ok := b.markIn(m); ok && r.texts[mk] == "" {
			var head string
			head, r.texts[mk] = pieceOf(m, n).read()
			if head != "" {
				heads[mk.id] = head
			}
		}
	}
	for _, m := range all {
		b.judgeMessage(r, m, heads)
	}
	if r.changed == t.ID {
		// Nothing but the name tells the state.
		r.task.State, _ = parseName(t.Name)
	}
	return r
}

// pieceOf is a message of ours without its mark.
func pieceOf(m message, n note) piece {
	_, _, rest, _ := readMark(m.Content)
	return piece{rest, n.form}
}

func (b *Backend) judgeMessage(r *review, m message, heads map[string]string) {
	mk, n, ours := b.markIn(m)
	if m.ID == r.thread.ID {
		r.first = true
		r.signs = ownSigns(m)
		if !ours {
			r.task.Body = b.text(m)
			r.digest = digest(r.task.Body)
		}
	}
	switch {
	case m.Type == typeRenamed && b.ours(m.Author.ID) == nil:
		state, title := parseName(m.Content)
		if r.changed = m.ID; r.turn(state) && state == backend.Todo {
			r.task.Assignee = ""
		}
		r.task.Title = retitled(r.task.Title, title)
	case !ours:
	case mk.kind == ofTask && mk.part == 0:
		r.task.Title = retitled(heads[mk.id], r.task.Title)
		r.setBody(r.joined(mk), n.digest)
	case mk.kind.isLine() && mk.part == 0:
		r.judgeLine(mk, n, m.ID)
	case mk.kind == ofClaim:
		r.judgeClaim(mk, m)
	}
}

// turn gives the task another state, and tells whether it had another one. What was claimed before it was to do again
// is free.
func (r *review) turn(state backend.State) bool {
	was := r.task.State
	r.task.State = state
	if state == backend.Todo && was != state {
		r.claims = nil
	}
	return was != state
}

func (r *review) judgeLine(mk mark, n note, id string) {
	t, ok := parseStatus(r.joined(mk))
	if !ok || r.lines[mk.id] != "" {
		return
	}
	r.lines[mk.id], r.changed = id, id
	r.turn(t.State)
	r.task.Title, r.task.Assignee = retitled(r.task.Title, t.Title), t.Assignee
	if n.digest != r.digest {
		r.setBody(t.Body, n.digest)
	}
}

func (r *review) setBody(body, sum string) {
	if sum == digest("") {
		body = ""
	}
	r.task.Body, r.digest = strings.TrimSpace(body), sum
}

// joined returns the whole text that a message is the first part of.
func (r *review) joined(first mark) string {
	var s strings.Builder
	for mk := first; ; mk.part++ {
		text, ok := r.texts[mk]
		if !ok {
			return s.String()
		}
		s.WriteString(text)
	}
}

func (r *review) judgeClaim(mk mark, m message) {
	found := claimPattern.FindStringSubmatch(r.texts[mk])
	if found == nil || r.marks[mk.id] != "" {
		return
	}
	r.marks[mk.id] = m.ID
	r.claims = append(r.claims, backend.Claim{ID: mk.id, Agent: found[1], Time: timeOf(m.ID)})
}

func ownSigns(m message) (emojis []string) {
	for _, r := range m.Reactions {
		if _, ok := signBy(r.Emoji.Name); ok && r.Me {
			emojis = append(emojis, r.Emoji.Name)
		}
	}
	return emojis
}

// is tells whether the task stands at Discord as it should.
func (r *review) is(t backend.Task) bool {
	return r.task.State == signOf(t.State).state && shown(r.task.Title) == shown(t.Title) &&
		r.task.Assignee == assigneeShown(t.Assignee) && r.digest == digest(t.Body)
}

// A line says in the thread what became of the task. It is how other hosts learn of it.
const arrow = "➜ "

var statusPattern = regexp.MustCompile("^" + arrow + "(\\[[A-Z ]+\\][^\n]*?)(?: · `([^`\n]*)`)?(?:\n\n((?s:.*)))?$")

func statusLine(t backend.Task) string {
	text := strings.TrimSpace(arrow + signOf(t.State).tag + " " + escape(shown(t.Title)))
	if who := assigneeShown(t.Assignee); who != "" {
		text += " · `" + who + "`"
	}
	return text
}

// assigneeShown is a name as it stands between two backticks.
func assigneeShown(who string) string {
	return cut(oneLine(strings.ReplaceAll(who, "`", "'")), nameMost)
}

// parseStatus reads the line, with the task's new text where it has one.
func parseStatus(text string) (t backend.Task, ok bool) {
	m := statusPattern.FindStringSubmatch(text)
	if m == nil {
		return t, false
	}
	t.State, t.Title = parseName(m[1])
	t.Title, t.Assignee, t.Body = unescape(t.Title), m[2], m[3]
	return t, true
}
