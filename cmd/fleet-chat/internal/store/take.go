package store

import (
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// Arrival is what the backend told, as it is to be stored.
type Arrival struct {
	Event   string // the backend's ID of it
	Kind    backend.Kind
	Channel string
	Place   string      // the channel as the backend has it
	Mark    string      // of Place
	Echo    string      // the ID of the effect that it is the result of
	Ref     backend.Ref // of the message
	Thread  backend.Ref // of the thread it is in, or of the task

	From chat.Author
	Time time.Time
	To   []string
	Text string // of a message
	Cut  bool
	Task chat.Task // title, body, state, assignee
}

// Taken is what became of it.
type Taken struct {
	Again   bool          // it was known, or is this fleet's own doing
	Message *chat.Message // what was said, nil for none
	Task    *chat.Task    // the task that is new or has changed, nil for none
	Was     *chat.Task    // what it was, nil for a new one
}

// echoPrefix stands before an effect's ID among the events; no backend's event begins so.
const echoPrefix = "echo\x00"

// Mark returns the last mark of a channel of the backend's.
func (s *Store) Mark(channel string) (mark string, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		mark = string(tx.Bucket(bMarks).Get(s.markKey(channel)))
		return nil
	})
	return mark, err
}

func (s *Store) markKey(channel string) []byte {
	return joined(channel, s.index.channels[channel])
}

// PlaceOf returns the channel in which a thread of the backend's is, "" where it is not known.
func (s *Store) PlaceOf(thread backend.Ref) (channel string, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if thread != "" {
			channel, _ = splitPlace(string(tx.Bucket(bRefs).Get([]byte(thread))))
		}
		return nil
	})
	return channel, err
}

// Take stores what the backend told once, and the channel's mark.
func (s *Store) Take(a Arrival) (out Taken, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		out = Taken{}
		if messages(tx, a.Channel) == nil {
			return refuse("there is no channel %q", a.Channel)
		}
		if err := tx.Bucket(bMarks).Put(s.markKey(a.Place), []byte(a.Mark)); err != nil {
			return err
		}
		known, err := s.known(tx, &a)
		if err != nil || known {
			out.Again = known
			return err
		}
		switch a.Kind {
		case backend.Post:
			return s.takeMessage(tx, &a, &out)
		case backend.Create, backend.Update:
			return s.takeTask(tx, &a, &out)
		}
		return nil // a kind of a later time
	})
	return out, err
}

// known tells whether an event needs nothing to be done any more, and remembers it.
func (s *Store) known(tx *bolt.Tx, a *Arrival) (bool, error) {
	if a.Event != "" {
		if tx.Bucket(bEvents).Get([]byte(a.Event)) != nil {
			return true, nil
		}
		if err := noteEvent(tx, a.Event); err != nil {
			return false, err
		}
	}
	if a.Echo == "" {
		return false, nil
	}
	if tx.Bucket(bEvents).Get([]byte(echoPrefix+a.Echo)) != nil {
		return true, nil
	}
	at := string(tx.Bucket(bEffects).Get([]byte(a.Echo)))
	if at == "" {
		return false, nil // another host's
	}
	ref := a.Ref
	if a.Kind != backend.Post {
		ref = a.taskRef()
	}
	return true, link(tx, at, ref)
}

// taskRef is where the task of an event is.
func (a *Arrival) taskRef() backend.Ref {
	if a.Thread != "" {
		return a.Thread
	}
	return a.Ref
}

// keepEvents is how many IDs of events are kept. A backend tells again what it told last, never what is long past: it goes
// on from a mark.
const keepEvents = 50_000

func noteEvent(tx *bolt.Tx, id string) error {
	log, events := tx.Bucket(bEventLog), tx.Bucket(bEvents)
	next, err := log.NextSequence()
	if err != nil {
		return err
	}
	if err := log.Put(be8(int64(next)), []byte(id)); err != nil {
		return err
	}
	if err := events.Put([]byte(id), be8(int64(next))); err != nil {
		return err
	}
	c := log.Cursor()
	k, v := c.First()
	if int64(next)-num(k) < keepEvents {
		return nil
	}
	if err := events.Delete(v); err != nil {
		return err
	}
	return c.Delete()
}

func (s *Store) takeMessage(tx *bolt.Tx, a *Arrival, out *Taken) error {
	thread, err := threadOf(tx, a)
	if err != nil {
		return err
	}
	m, err := s.addMessage(tx, &NewMessage{
		Channel: a.Channel, Thread: thread, Time: a.Time, From: a.From, To: a.To, Text: a.Text, Cut: a.Cut, Said: true,
	})
	if err != nil {
		return err
	}
	out.Message = &m
	return link(tx, place(m.Channel, messageThread(m.Seq)), a.Ref)
}

// threadOf is the thread of a message, which begins where it is not known yet.
func threadOf(tx *bolt.Tx, a *Arrival) (string, error) {
	if a.Thread == "" {
		return "", nil
	}
	if at := string(tx.Bucket(bRefs).Get([]byte(a.Thread))); at != "" {
		if channel, thread := splitPlace(at); channel == a.Channel && exists(tx, at) {
			return thread, nil
		}
	}
	b := tx.Bucket(bThreads)
	next, err := b.NextSequence()
	if err != nil {
		return "", err
	}
	thread := "thread-" + itoa(int64(next))
	at := place(a.Channel, thread)
	if a.Place != a.Channel {
		if err := tx.Bucket(bDirect).Put([]byte(at), []byte(a.Place)); err != nil {
			return "", err
		}
	}
	if err := b.Put(be8(int64(next)), []byte(at)); err != nil {
		return "", err
	}
	return thread, link(tx, at, a.Thread)
}

func (s *Store) takeTask(tx *bolt.Tx, a *Arrival, out *Taken) error {
	ref := a.taskRef()
	_, thread := splitPlace(string(tx.Bucket(bRefs).Get([]byte(ref))))
	if kind, number, ok := Thread(thread); ok && kind == "task" {
		t, err := task(tx, number)
		if err == nil {
			return s.takeChange(tx, a, t, out)
		}
		if _, gone := err.(Refused); !gone { //nolint:errorlint // task returns it bare
			return err
		}
	}
	if a.Kind == backend.Update && a.Task.Title == "" {
		return nil // news of a task that is not kept any more
	}
	t := storedTask{Task: a.Task}
	t.From, t.Created, t.Updated, t.Untrusted = a.From, a.Time, a.Time, a.From.Untrusted
	if !slices.Contains(chat.States, t.State) {
		t.State = chat.Todo
	}
	if err := s.addTask(tx, &t, "", false); err != nil {
		return err
	}
	out.Task = &t.Task
	if err := link(tx, taskPlace(t.Number), ref); err != nil {
		return err
	}
	return s.notice(tx, &t.Task, Change{By: a.From, Time: a.Time}, Notice{Text: "created the task: " + t.Title})
}

// takeChange has a task be as the backend tells. What this fleet has changed and not shown yet stands. A change by a person
// is shown too: where a state is both a title and a label, a person changes one of them. One by another host of this fleet
// is not: shown after the next one, it would undo that.
func (s *Store) takeChange(tx *bolt.Tx, a *Arrival, was storedTask, out *Taken) error {
	waits := slices.ContainsFunc(was.Effects, func(id string) bool {
		return tx.Bucket(bEffects).Get([]byte(id)) != nil && waiting(tx, id)
	})
	t, err := s.change(tx, was, Change{By: a.From, Time: a.Time, Show: a.Echo == "" && !a.From.Bot}, func(t *chat.Task) (Notice, error) {
		if waits {
			return Notice{}, nil
		}
		if a.Task.Title != "" && (t.Title != a.Task.Title || t.Body != a.Task.Body) {
			t.Title, t.Body = a.Task.Title, a.Task.Body
			t.Untrusted = t.Untrusted || a.From.Untrusted
		}
		if slices.Contains(chat.States, a.Task.State) {
			t.State, t.Assignee = a.Task.State, a.Task.Assignee
		}
		return Notice{Text: Told(&was.Task, t)}, nil
	})
	if err == nil && t != was.Task {
		out.Task, out.Was = &t, &was.Task
	}
	return err
}

// waiting tells whether an effect of the tasks' channel is in its queue.
func waiting(tx *bolt.Tx, id string) bool {
	c := tx.Bucket(bOutbox).Bucket([]byte(chat.Tasks)).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var e storedEffect
		if decode(v, &e) == nil && e.ID == id {
			return true
		}
	}
	return false
}

// Told says in words what has become of a task.
func Told(was, is *chat.Task) string {
	switch {
	case was.State != is.State && is.State == chat.Todo:
		return "the task is to do again"
	case was.State != is.State && is.State == chat.InProgress && is.Assignee != "":
		return "the task is in progress, of " + is.Assignee
	case was.State != is.State:
		return "the task is " + is.State
	case was.Assignee != is.Assignee && is.Assignee != "":
		return "the task is for " + is.Assignee
	case was.Assignee != is.Assignee:
		return "the task is for nobody in particular"
	case was.Title != is.Title:
		return "the task is now: " + is.Title
	}
	return "the task's text has changed"
}
