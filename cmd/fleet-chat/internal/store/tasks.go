package store

import (
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// storedTask is a task with what belongs to it elsewhere.
type storedTask struct {
	chat.Task
	Key     string   `json:"key,omitempty"`     // in bKeys
	Effects []string `json:"effects,omitempty"` // in bEffects: those of its creation and of what is not settled
}

// Notice is a message about a task that the same change leaves in the task's thread.
type Notice struct {
	Text string
	To   []string
	Show bool // at the backend, which shows the change itself anyway
}

// Change is who changes a task, and how it is told.
type Change struct {
	By   chat.Author
	Time time.Time
	Show bool // at the backend
}

// CreateTask stores a task with the next number and returns it, or the one that its author has made with the same key
// before.
func (s *Store) CreateTask(t chat.Task, key string, show bool, n Notice) (made chat.Task, again bool, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		again = false
		if key != "" {
			if at := tx.Bucket(bKeys).Get([]byte(keyOf(t.From, key))); at != nil {
				_, thread := splitPlace(string(at))
				again = true
				made, err = taskOf(tx, thread)
				return err
			}
		}
		stored := storedTask{Task: t}
		if err := s.addTask(tx, &stored, key, show); err != nil {
			return err
		}
		made = stored.Task
		return s.notice(tx, &stored.Task, Change{By: t.From, Time: t.Created}, n)
	})
	return made, again, err
}

func taskOf(tx *bolt.Tx, thread string) (chat.Task, error) {
	kind, number, _ := Thread(thread)
	if kind != "task" {
		return chat.Task{}, refuse("the key was used for %s", thread)
	}
	t, err := task(tx, number)
	return t.Task, err
}

// addTask gives a task its number and stores it.
func (s *Store) addTask(tx *bolt.Tx, t *storedTask, key string, show bool) error {
	b := tx.Bucket(bTasks)
	next, err := b.NextSequence()
	if err != nil {
		return err
	}
	t.Number = int64(next)
	at := taskPlace(t.Number)
	if key != "" {
		t.Key = keyOf(t.From, key)
		if err := tx.Bucket(bKeys).Put([]byte(t.Key), []byte(at)); err != nil {
			return err
		}
	}
	if show {
		id, err := addEffect(tx, chat.Tasks, storedEffect{Kind: backend.Create, Place: at, Time: t.Created})
		if err != nil {
			return err
		}
		t.Effects = []string{id}
	}
	b.FillPercent = 0.9
	return s.putTask(tx, nil, t)
}

// task reads one.
func task(tx *bolt.Tx, number int64) (t storedTask, err error) {
	ok, err := get(tx.Bucket(bTasks), be8(number), &t)
	if err == nil && !ok {
		err = refuse("there is no task %d", number)
	}
	return t, err
}

// putTask stores a task in the place of what it was, nil where it is new, and keeps account of its state.
func (s *Store) putTask(tx *bolt.Tx, was, t *storedTask) error {
	if err := put(tx.Bucket(bTasks), be8(t.Number), t); err != nil {
		return err
	}
	if was != nil && was.State == t.State {
		return nil
	}
	states := tx.Bucket(bStates)
	if was != nil {
		if err := states.Delete(stateKey(was.State, t.Number)); err != nil {
			return err
		}
		if was.State == chat.Done {
			if err := count(tx, -1); err != nil {
				return err
			}
		}
	}
	if err := states.Put(stateKey(t.State, t.Number), nil); err != nil {
		return err
	}
	switch t.State {
	case chat.Todo: // who claims it now claims it anew
		return deletePrefix(tx.Bucket(bClaims), be8(t.Number))
	case chat.Done:
		if err := count(tx, 1); err != nil {
			return err
		}
		return s.trimTasks(tx, t.Number)
	}
	return nil
}

// count keeps the number of done tasks.
func count(tx *bolt.Tx, by int64) error {
	meta := tx.Bucket(bMeta)
	return meta.Put(kDone, be8(num(meta.Get(kDone))+by))
}

func (s *Store) notice(tx *bolt.Tx, t *chat.Task, c Change, n Notice) error {
	if n.Text == "" {
		return nil
	}
	_, err := s.addMessage(tx, &NewMessage{
		Channel: chat.Tasks, Thread: TaskThread(t.Number), Time: c.Time, From: c.By, To: n.To, Text: n.Text,
		Show: n.Show,
	})
	return err
}

// Task returns a task.
func (s *Store) Task(number int64) (t chat.Task, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		stored, err := task(tx, number)
		t = stored.Task
		return err
	})
	return t, err
}

// TaskRef is where a task is at the backend, "" where it is not there. It is not yet as it stands here while something
// waits to be shown.
func (s *Store) TaskRef(number int64) (ref backend.Ref, waits bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		t, err := task(tx, number)
		ref, waits = refOf(tx, taskPlace(number)), slices.ContainsFunc(t.Effects, func(id string) bool { return waiting(tx, id) })
		return err
	})
	return ref, waits, err
}

// ChangeTask changes a task as f says, which may refuse with Refused and returns what is told about it. It is called while
// nothing else changes, and must be quick. Where f has changed nothing nothing is told and shown.
func (s *Store) ChangeTask(number int64, c Change, f func(t *chat.Task) (Notice, error)) (chat.Task, error) {
	var out chat.Task
	err := s.update(func(tx *bolt.Tx) error {
		t, err := task(tx, number)
		if err != nil {
			return err
		}
		out, err = s.change(tx, t, c, f)
		return err
	})
	return out, err
}

func (s *Store) change(tx *bolt.Tx, was storedTask, c Change, f func(t *chat.Task) (Notice, error)) (chat.Task, error) {
	t := was
	n, err := f(&t.Task)
	if err != nil || t.Task == was.Task {
		return t.Task, err
	}
	t.Updated = c.Time
	if c.Show {
		if err := s.showTask(tx, &t); err != nil {
			return t.Task, err
		}
	}
	if err := s.putTask(tx, &was, &t); err != nil {
		return t.Task, err
	}
	return t.Task, s.notice(tx, &t.Task, c, n)
}

// showTask has the task shown at the backend as it stands when its turn comes. One effect is enough for changes that wait;
// the first one of the queue may be under way with what the task was.
func (s *Store) showTask(tx *bolt.Tx, t *storedTask) error {
	at := taskPlace(t.Number)
	if waits, err := lastWaits(tx, chat.Tasks, at); waits || err != nil {
		return err
	}
	id, err := addEffect(tx, chat.Tasks, storedEffect{Kind: backend.Update, Place: at, Time: t.Updated})
	if err == nil {
		t.Effects = append(slices.Clone(t.Effects), id)
	}
	return err
}

// ClaimTask gives a task that is to do to one assignee, or with number 0 the first one that FirstTodo has for it. Of several
// that claim a task at once one gets it. Whose it is already gets it again.
func (s *Store) ClaimTask(number int64, assignee string, c Change, n Notice) (out chat.Task, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		number := number
		if number == 0 {
			if number, err = firstTodo(tx, 0, assignee); err != nil {
				return err
			}
			if number == 0 {
				return ErrNoTask
			}
		}
		t, err := task(tx, number)
		if err != nil {
			return err
		}
		out, err = s.change(tx, t, c, func(t *chat.Task) (Notice, error) { return n, Claim(t, assignee) })
		return err
	})
	return out, err
}

// ErrNoTask is the error where there is nothing to claim.
const ErrNoTask = Refused("there is no task to do")

// Claim has a task be its assignee's, or says why it cannot be.
func Claim(t *chat.Task, assignee string) error {
	switch {
	case t.State == chat.InProgress && t.Assignee == assignee:
		return nil
	case t.State == chat.Todo && t.Assignee != "" && t.Assignee != assignee:
		return refuse("task %d is meant for %s", t.Number, t.Assignee)
	case t.State != chat.Todo && t.Assignee != "":
		return refuse("task %d is %s, of %s", t.Number, t.State, t.Assignee)
	case t.State != chat.Todo:
		return refuse("task %d is %s", t.Number, t.State)
	}
	t.State, t.Assignee = chat.InProgress, assignee
	return nil
}

// FirstTodo returns the first task behind a number that is to do and that an assignee may claim, 0 where there is none. One
// whose text is in part of a stranger is not chosen: it is taken by who has read it, by its number.
func (s *Store) FirstTodo(after int64, assignee string) (number int64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		number, err = firstTodo(tx, after, assignee)
		return err
	})
	return number, err
}

func firstTodo(tx *bolt.Tx, after int64, assignee string) (int64, error) {
	c := tx.Bucket(bStates).Cursor()
	from := stateKey(chat.Todo, after+1)
	for k, _ := c.Seek(from); len(k) == 9 && k[0] == from[0]; k, _ = c.Next() {
		t, err := task(tx, num(k[1:]))
		if err != nil {
			return 0, err
		}
		if !t.Untrusted && (t.Assignee == "" || t.Assignee == assignee) {
			return t.Number, nil
		}
	}
	return 0, nil
}

// ClaimID returns the ID with which an assignee claims a task at the backend: the same until the task is to do again.
func (s *Store) ClaimID(number int64, assignee string) (id string, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		if _, err := task(tx, number); err != nil {
			return err
		}
		b, at := tx.Bucket(bClaims), append(be8(number), assignee...)
		if id = string(b.Get(at)); id != "" {
			return nil
		}
		id = newID()
		return b.Put(at, []byte(id))
	})
	return id, err
}

// Filter says which tasks are listed.
type Filter struct {
	States   []string // empty is all but done
	Assignee string   // "" is anybody's
	After    int64    // those with higher numbers
	Limit    int
}

// maxListed tasks are looked at for one list.
const maxListed = 20_000

// Tasks lists tasks by state, and by rising number within a state. more tells that there are more.
func (s *Store) Tasks(f Filter) (all []chat.Task, more bool, err error) {
	states := f.States
	if len(states) == 0 {
		states = []string{chat.InProgress, chat.Blocked, chat.Todo}
	}
	err = s.view(func(tx *bolt.Tx) error {
		all, more = nil, false
		looked := 0
		c := tx.Bucket(bStates).Cursor()
		for _, state := range states {
			from := stateKey(state, f.After+1)
			for k, _ := c.Seek(from); len(k) == 9 && k[0] == from[0]; k, _ = c.Next() {
				if looked++; len(all) == f.Limit || looked > maxListed {
					more = true
					return nil
				}
				t, err := task(tx, num(k[1:]))
				if err != nil {
					return err
				}
				if f.Assignee == "" || t.Assignee == f.Assignee {
					all = append(all, t.Task)
				}
			}
		}
		return nil
	})
	return all, more, err
}
