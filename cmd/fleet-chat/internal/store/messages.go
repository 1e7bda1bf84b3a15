package store

import (
	"crypto/rand"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

// NewMessage is one that is to be stored.
type NewMessage struct {
	Channel string
	Thread  string // which must be there; "" is the channel itself
	Time    time.Time
	From    chat.Author
	To      []string
	Text    string
	Cut     bool
	Key     string // with the same key its author gets the message that is there; "" is none
	Show    bool   // at the backend

	// Said is a message that somebody has written, not a notice. What a person has said is for the agents in To, or else
	// for those that its place says: it begins or goes on with a conversation with each, if the person is no program.
	Said bool
}

// storedMessage is a message with what belongs to it elsewhere.
type storedMessage struct {
	chat.Message
	Key    string `json:"key,omitempty"`    // in bKeys
	Effect string `json:"effect,omitempty"` // in bEffects
}

// Post stores a message and returns it, or the one that its author has stored with the same key before.
func (s *Store) Post(n NewMessage) (m chat.Message, again bool, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		again = false
		if b := messages(tx, n.Channel); b == nil {
			return refuse("there is no channel %q", n.Channel)
		}
		if again, err = s.before(tx, &n, &m); again || err != nil {
			return err
		}
		if err := inThread(tx, n.Channel, n.Thread); err != nil {
			return err
		}
		m, err = s.addMessage(tx, &n)
		return err
	})
	return m, again, err
}

// keyOf is an author's key in bKeys.
func keyOf(from chat.Author, key string) string {
	return string(joined(from.Kind, from.ID, key))
}

// before finds what a message's author has stored with the same key.
func (s *Store) before(tx *bolt.Tx, n *NewMessage, m *chat.Message) (bool, error) {
	if n.Key == "" {
		return false, nil
	}
	at := tx.Bucket(bKeys).Get([]byte(keyOf(n.From, n.Key)))
	if at == nil {
		return false, nil
	}
	channel, thread := splitPlace(string(at))
	kind, number, _ := Thread(thread)
	if kind != "message" {
		return false, refuse("the key %q was used for %s", n.Key, thread)
	}
	b := messages(tx, channel)
	if b == nil {
		return false, nil // of a configuration before
	}
	var stored storedMessage
	ok, err := get(b, be8(number), &stored)
	*m = stored.Message
	return ok, err
}

// inThread refuses a thread that a channel does not have.
func inThread(tx *bolt.Tx, channel, thread string) error {
	if thread == "" {
		return nil
	}
	kind, number, ok := Thread(thread)
	if ok {
		switch kind {
		case "task":
			ok = channel == chat.Tasks && tx.Bucket(bTasks).Get(be8(number)) != nil
		case "message":
			ok = messages(tx, channel).Get(be8(number)) != nil
		case "thread":
			ok = string(tx.Bucket(bThreads).Get(be8(number))) == place(channel, thread)
		}
	}
	if !ok {
		return refuse("there is no thread %q in channel %q", thread, channel)
	}
	return nil
}

// addMessage stores a message whose channel and thread are there.
func (s *Store) addMessage(tx *bolt.Tx, n *NewMessage) (chat.Message, error) {
	b := messages(tx, n.Channel)
	to, err := s.addressed(tx, n)
	if err != nil {
		return chat.Message{}, err
	}
	next, err := b.NextSequence()
	if err != nil {
		return chat.Message{}, err
	}
	seq := int64(next)
	stored := storedMessage{Message: chat.Message{
		Channel: n.Channel, Seq: seq, Time: n.Time, From: n.From, Thread: n.Thread, To: to, Text: n.Text, Cut: n.Cut,
	}}
	at := place(n.Channel, messageThread(seq))
	if n.Key != "" {
		stored.Key = keyOf(n.From, n.Key)
		if err := tx.Bucket(bKeys).Put([]byte(stored.Key), []byte(at)); err != nil {
			return chat.Message{}, err
		}
	}
	if n.Show {
		if stored.Effect, err = addEffect(tx, n.Channel, storedEffect{Kind: backend.Post, Place: at, Time: n.Time}); err != nil {
			return chat.Message{}, err
		}
	}
	b.FillPercent = 0.9 // keys only rise: pages that are split in the middle would stay half empty
	if err := put(b, be8(seq), &stored); err != nil {
		return chat.Message{}, err
	}
	if err := noteThread(tx, &stored.Message); err != nil {
		return chat.Message{}, err
	}
	if err := passOwn(tx, &stored.Message); err != nil {
		return chat.Message{}, err
	}
	if n.Said {
		if err := noteTalks(tx, &stored.Message); err != nil {
			return chat.Message{}, err
		}
	}
	return stored.Message, s.trim(tx, n.Channel, perWrite)
}

// noteThread notes that a thread has the message, and that its author is one of those who write there.
func noteThread(tx *bolt.Tx, m *chat.Message) error {
	if m.Thread == "" {
		return nil
	}
	at := place(m.Channel, m.Thread)
	if err := tx.Bucket(bThread).Put(append(joined(at, ""), be8(m.Seq)...), nil); err != nil {
		return err
	}
	if m.From.Kind != chat.KindAgent {
		return nil
	}
	return tx.Bucket(bParts).Put(joined(at, m.From.ID), nil)
}

// passOwn has an agent that has read all before its own message have read that too.
func passOwn(tx *bolt.Tx, m *chat.Message) error {
	if m.From.Kind != chat.KindAgent {
		return nil
	}
	b, at := tx.Bucket(bCursors), cursorKey(m.From.ID, m.Channel)
	if num(b.Get(at)) != m.Seq-1 { // none is 0: it has read the nothing that was there
		return nil
	}
	return b.Put(at, be8(m.Seq))
}

// newID makes the ID of an effect or a claim: 26 letters and digits.
func newID() string { return rand.Text() }
