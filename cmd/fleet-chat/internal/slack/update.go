package slack

import (
	"context"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"fleet/cmd/fleet-chat/internal/backend"
)

func (b *Backend) create(ctx context.Context, at spot, e backend.Effect) (backend.Ref, error) {
	if err := b.identify(ctx, b.fleet, ""); err != nil {
		return "", err
	}
	at, e.Task.State = at.root(), state(e.Task.State)
	texts := b.texts(e.Task)
	m := mark{
		kind: taskMark, id: e.ID, state: string(e.Task.State), assignee: e.Task.Assignee, text: digest(e.Task),
	}
	// The fleet's bot writes it, so that any host can write it anew.
	s := speaker{client: b.fleet, name: b.shown(e.Author)}
	ts, err := b.writeAs(ctx, s, at, letter{mark: m, texts: texts[:1], first: 1, asked: e.Time})
	if err != nil {
		return "", err
	}
	in := spot{channel: at.channel, thread: ts}
	if len(texts) > 1 {
		rest := letter{mark: mark{kind: taskMark, id: e.ID}, texts: texts[1:], first: 2, asked: e.Time}
		if _, err := b.writeAs(ctx, s, in, rest); err != nil {
			return "", err
		}
	}
	return at.ref(ts), b.fleet.react(ctx, at.channel, ts, reaction(e.Task.State), true)
}

// updateTask writes a task anew. The news in its thread comes last: where that is, all is done.
func (b *Backend) updateTask(ctx context.Context, at spot, e backend.Effect) (backend.Ref, error) {
	if at.thread == "" {
		return "", errNoTask
	}
	if err := b.identify(ctx, b.fleet, ""); err != nil {
		return "", err
	}
	t, err := b.thread(ctx, at)
	if err != nil {
		return "", err
	}
	done := false
	t.marks(b, stateMark, func(_ string, m mark) { done = done || m.id == e.ID })
	if done {
		return at.root().ref(at.thread), nil
	}
	e.Task.State = state(e.Task.State)
	u := update{b: b, t: t, e: e, ours: b.ours(&t.root)}
	u.anew = t.shown(b) != digest(e.Task)
	for _, step := range []func(context.Context) error{u.rewrite, u.show, u.tell} {
		if err := step(ctx); err != nil {
			return "", err
		}
	}
	return at.root().ref(at.thread), nil
}

// update is the writing of a task anew.
type update struct {
	b    *Backend
	t    *thread
	e    backend.Effect
	ours bool // the task's message is ours
	anew bool // its title or body is another
}

// rewrite shows the task in its own text, where that is ours.
func (u *update) rewrite(ctx context.Context) error {
	text := u.b.texts(u.e.Task)[0]
	if !u.ours || u.t.root.Text == text {
		return nil
	}
	mk := markOf(&u.t.root)
	mk.state, mk.assignee, mk.text = string(u.e.Task.State), u.e.Task.Assignee, digest(u.e.Task)
	return u.b.fleet.update(ctx, u.t.channel, u.t.root.Timestamp, message{text: text, mark: mk})
}

// show has the fleet's bot react with the state, and with no other.
func (u *update) show(ctx context.Context) error {
	for _, st := range states {
		name := st.reactions[0]
		has := slices.ContainsFunc(u.t.root.Reactions, func(r slackgo.ItemReaction) bool {
			return r.Name == name && slices.Contains(r.Users, u.b.fleetUser())
		})
		if want := st.state == u.e.Task.State; want != has {
			if err := u.b.fleet.react(ctx, u.t.channel, u.t.root.Timestamp, name, want); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Backend) fleetUser() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fleet.user
}

// maxSeen bounds how many reactions the news remembers: metadata has a limit.
const maxSeen = 400

// tell writes the news into the thread, with what the task's own text cannot show.
func (u *update) tell(ctx context.Context) error {
	e, was := &u.e, parseTask(plainText(u.t.root.Text))
	m := mark{
		kind: stateMark, id: e.ID, state: string(e.Task.State), assignee: e.Task.Assignee, text: digest(e.Task),
		prefix: string(was.State), anew: u.anew,
	}
	if u.ours {
		m.prefix = m.state // as rewritten
	}
	var seen []string
	for _, w := range u.b.wishes(&u.t.root) {
		seen = append(seen, w.key())
	}
	m.seen = strings.Join(seen[:min(len(seen), maxSeen)], " ")
	s := speaker{client: u.b.fleet, name: u.b.shown(e.Author)}
	// The news is written last, so that all is there when it is.
	if bodies := u.bodies(was); len(bodies) > 0 {
		body := letter{mark: mark{kind: taskMark, id: e.ID}, texts: bodies, first: 2, asked: e.Time}
		if _, err := u.b.writeAs(ctx, s, u.t.spot, body); err != nil {
			return err
		}
	}
	line := letter{mark: m, texts: []string{u.line(was)}, first: 1, asked: e.Time}
	_, err := u.b.writeAs(ctx, s, u.t.spot, line)
	return err
}

// bodies are the messages of a new body that the task's own text has no room for.
func (u *update) bodies(was backend.Task) []string {
	switch {
	case !u.anew:
		return nil
	case u.ours:
		return u.b.texts(u.e.Task)[1:]
	case u.e.Task.Body == was.Body:
		return nil
	}
	return parts(u.e.Task.Body, 0)
}

// line is the news in a line.
func (u *update) line(was backend.Task) string {
	line := "*" + prefix(u.e.Task.State) + "*"
	if !u.ours && u.e.Task.Title != was.Title {
		line += " " + titleLine(u.e.Task.Title)
	}
	if u.e.Task.Assignee != "" {
		line += assigned + titleLine(u.b.name(u.e.Task.Assignee))
	}
	return line
}
