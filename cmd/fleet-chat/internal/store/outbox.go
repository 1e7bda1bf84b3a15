package store

import (
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// storedEffect is one that is still to be brought about. What it shows is taken when its turn comes.
type storedEffect struct {
	ID    string       `json:"id"`
	Kind  backend.Kind `json:"kind"`
	Place string       `json:"place"`
	Time  time.Time    `json:"time"` // when it was asked for
}

// Pending is the next effect of a channel.
type Pending struct {
	Number int64 // in the channel's queue
	Effect backend.Effect
	Gone   string // why it cannot be brought about any more, "" is none
}

func addEffect(tx *bolt.Tx, channel string, e storedEffect) (id string, err error) {
	b := tx.Bucket(bOutbox).Bucket([]byte(channel))
	next, err := b.NextSequence()
	if err != nil {
		return "", err
	}
	e.ID = newID()
	if err := tx.Bucket(bEffects).Put([]byte(e.ID), []byte(e.Place)); err != nil {
		return "", err
	}
	return e.ID, put(b, be8(int64(next)), e)
}

// showOpen has the tasks shown that are not done and not at the backend: those of before people read along there. It
// decides on claims, so that nobody could have them. What another host made, that host shows.
func (s *Store) showOpen(tx *bolt.Tx, now time.Time) error {
	if s.config.Backend.Kind == chat.Local || s.index.channels[chat.Tasks] == "" {
		return nil
	}
	queued := map[string]bool{}
	c := tx.Bucket(bOutbox).Bucket([]byte(chat.Tasks)).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var e storedEffect
		if err := decode(v, &e); err != nil {
			return err
		}
		queued[e.Place] = queued[e.Place] || e.Kind == backend.Create
	}
	for _, number := range openTasks(tx) {
		at := taskPlace(number)
		if queued[at] || refOf(tx, at) != "" {
			continue
		}
		t, err := task(tx, number)
		if err != nil {
			return err
		}
		if t.From.Kind == chat.KindPerson && t.From.Bot {
			continue
		}
		id, err := addEffect(tx, chat.Tasks, storedEffect{Kind: backend.Create, Place: at, Time: now})
		if err != nil {
			return err
		}
		t.Effects = append(t.Effects, id)
		if err := put(tx.Bucket(bTasks), be8(number), &t); err != nil {
			return err
		}
	}
	return nil
}

// openTasks are the numbers of those that are not done, rising.
func openTasks(tx *bolt.Tx) (all []int64) {
	done := stateKey(chat.Done, 0)[0]
	c := tx.Bucket(bStates).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(k) == 9 && k[0] != done {
			all = append(all, num(k[1:]))
		}
	}
	slices.Sort(all)
	return all
}

// lastWaits tells whether the last effect of a channel will show a task and has not begun to.
func lastWaits(tx *bolt.Tx, channel, at string) (bool, error) {
	c := tx.Bucket(bOutbox).Bucket([]byte(channel)).Cursor()
	k, v := c.Last()
	first, _ := c.First()
	if k == nil || num(k) == num(first) {
		return false, nil
	}
	var e storedEffect
	err := decode(v, &e)
	return e.Place == at && e.Kind == backend.Update, err
}

// Queued is how many effects of a channel wait.
func (s *Store) Queued(channel string) (n int64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bOutbox).Bucket([]byte(channel))
		if first, _ := b.Cursor().First(); first != nil {
			n = int64(b.Sequence()) - num(first) + 1
		}
		return nil
	})
	return n, err
}

// Unshown are the channels that have effects to be brought about.
func (s *Store) Unshown() (keys []string, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		keys = nil
		for _, key := range s.index.keys {
			if first, _ := tx.Bucket(bOutbox).Bucket([]byte(key)).Cursor().First(); first != nil {
				keys = append(keys, key)
			}
		}
		return nil
	})
	return keys, err
}

// Next returns the first effect of a channel that is still to be brought about, nil where there is none.
func (s *Store) Next(channel string) (p *Pending, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		p = nil
		k, v := tx.Bucket(bOutbox).Bucket([]byte(channel)).Cursor().First()
		if k == nil {
			return nil
		}
		var e storedEffect
		if err := decode(v, &e); err != nil {
			return err
		}
		p = &Pending{Number: num(k), Effect: backend.Effect{ID: e.ID, Kind: e.Kind, Channel: channel, Time: e.Time}}
		return p.fill(tx, e)
	})
	return p, err
}

// fill takes what the effect shows, and where.
func (p *Pending) fill(tx *bolt.Tx, e storedEffect) error {
	channel, thread := splitPlace(e.Place)
	kind, number, _ := Thread(thread)
	if kind == "message" {
		var m storedMessage
		if ok, err := get(messages(tx, channel), be8(number), &m); err != nil {
			return err
		} else if !ok {
			p.Gone = "the message is older than what is kept"
			return nil
		}
		p.Effect.Author, p.Effect.Text = authorOf(m.From), m.Text
		if m.Thread != "" {
			// Where the thread itself could not be shown, the channel shows what is said in it.
			at := place(channel, m.Thread)
			p.Effect.Thread = refOf(tx, at)
			if direct := tx.Bucket(bDirect).Get([]byte(at)); direct != nil {
				p.Effect.Channel = string(direct)
			}
		}
		if p.Effect.Thread == "" && strings.HasPrefix(channel, backend.Direct) {
			p.Gone = "the conversation is not at the backend"
		}
		return nil
	}
	var t storedTask
	if ok, err := get(tx.Bucket(bTasks), be8(number), &t); err != nil {
		return err
	} else if !ok {
		p.Gone = "the task is older than what is kept"
		return nil
	}
	p.Effect.Author = authorOf(t.From)
	p.Effect.Task = backend.Task{Title: t.Title, Body: t.Body, State: backend.State(t.State), Assignee: t.Assignee}
	if e.Kind == backend.Update {
		if p.Effect.Thread = refOf(tx, e.Place); p.Effect.Thread == "" {
			p.Gone = "the task is not at the backend"
		}
	}
	return nil
}

// authorOf is who speaks: a person on the host does by the fleet's own voice.
func authorOf(a chat.Author) backend.Author {
	if a.Kind == chat.KindAgent {
		return backend.Author{Key: a.ID, Name: a.Name}
	}
	return backend.Author{Name: a.Name}
}

func refOf(tx *bolt.Tx, at string) backend.Ref {
	return backend.Ref(tx.Bucket(bPlaces).Get([]byte(at)))
}

// Settle takes an effect out of its queue: it is brought about, at ref, or never will be where ref is "".
func (s *Store) Settle(channel string, p *Pending, ref backend.Ref) error {
	return s.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bOutbox).Bucket([]byte(channel))
		var e storedEffect
		if ok, err := get(b, be8(p.Number), &e); err != nil || !ok || e.ID != p.Effect.ID {
			return err
		}
		if err := b.Delete(be8(p.Number)); err != nil {
			return err
		}
		if e.Kind == backend.Update {
			return s.settleUpdate(tx, e)
		}
		return link(tx, e.Place, ref)
	})
}

// settleUpdate forgets an update's ID at its task, and remembers it among the events: it may be told back.
func (s *Store) settleUpdate(tx *bolt.Tx, e storedEffect) error {
	if err := tx.Bucket(bEffects).Delete([]byte(e.ID)); err != nil {
		return err
	}
	if err := noteEvent(tx, echoPrefix+e.ID); err != nil {
		return err
	}
	_, thread := splitPlace(e.Place)
	_, number, _ := Thread(thread)
	var t storedTask
	if ok, err := get(tx.Bucket(bTasks), be8(number), &t); err != nil || !ok {
		return err
	}
	t.Effects = slices.DeleteFunc(t.Effects, func(id string) bool { return id == e.ID })
	return put(tx.Bucket(bTasks), be8(number), &t)
}

// link notes where a place is at the backend, if it is still there.
func link(tx *bolt.Tx, at string, ref backend.Ref) error {
	if ref == "" || !exists(tx, at) {
		return nil
	}
	if err := tx.Bucket(bRefs).Put([]byte(ref), []byte(at)); err != nil {
		return err
	}
	return tx.Bucket(bPlaces).Put([]byte(at), []byte(ref))
}

func exists(tx *bolt.Tx, at string) bool {
	channel, thread := splitPlace(at)
	switch kind, number, _ := Thread(thread); kind {
	case "message":
		b := messages(tx, channel)
		return b != nil && b.Get(be8(number)) != nil
	case "task":
		return tx.Bucket(bTasks).Get(be8(number)) != nil
	case "thread":
		return tx.Bucket(bThreads).Get(be8(number)) != nil
	}
	return false
}

func splitPlace(at string) (channel, thread string) {
	channel, thread, _ = strings.Cut(at, "/")
	return channel, thread
}
