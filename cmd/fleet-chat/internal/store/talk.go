package store

import (
	"bytes"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/schemas/chat"
)

const (
	// maxTalks wait for one agent. With one more, the oldest is dropped: its messages are still unread.
	maxTalks = 100

	// maxStrangers of them are with people who are not trusted, so that these push nobody out.
	maxStrangers = 10
)

// Talk is a conversation in which a person waits for an agent's answer.
type Talk struct {
	Channel   string    `json:"channel"`
	Thread    string    `json:"thread"` // where the answer goes
	Last      int64     `json:"last"`   // number of the last message
	Since     time.Time `json:"since"`
	Untrusted bool      `json:"untrusted,omitempty"` // a message is of somebody who is not trusted
}

// Talks returns the conversations that wait for an agent, the oldest first.
func (s *Store) Talks(agent string) (all []Talk, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		all, err = talks(tx, agent)
		return err
	})
	return all, err
}

func talks(tx *bolt.Tx, agent string) (all []Talk, err error) {
	prefix := joined(agent, "")
	c := tx.Bucket(bTalks).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		var t Talk
		if err := decode(v, &t); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	slices.SortStableFunc(all, func(a, b Talk) int { return a.Since.Compare(b.Since) })
	return all, nil
}

// Answer stores an agent's answer in a conversation, of which it has seen the messages up to seen, and has it not wait any
// more, unless there is a later one. With an empty text nothing is answered.
func (s *Store) Answer(n NewMessage, seen int64) (m *chat.Message, again bool, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		m, again = nil, false
		if messages(tx, n.Channel) == nil {
			return refuse("there is no channel %q", n.Channel)
		}
		if n.Text != "" {
			m = new(chat.Message)
			if again, err = s.before(tx, &n, m); err != nil {
				return err
			}
			if !again {
				if err := inThread(tx, n.Channel, n.Thread); err != nil {
					return err
				}
				if *m, err = s.addMessage(tx, &n); err != nil {
					return err
				}
			}
		}
		return settleTalk(tx, n.From.ID, n.Channel, n.Thread, seen)
	})
	return m, again, err
}

func talkKey(agent, channel, thread string) []byte { return joined(agent, place(channel, thread)) }

func settleTalk(tx *bolt.Tx, agent, channel, thread string, seen int64) error {
	b, at := tx.Bucket(bTalks), talkKey(agent, channel, thread)
	var t Talk
	if ok, err := get(b, at, &t); err != nil || !ok {
		return err
	}
	if t.Last <= seen {
		return b.Delete(at)
	}
	var m storedMessage
	if ok, err := get(messages(tx, channel), be8(t.Last), &m); err != nil {
		return err
	} else if ok {
		t.Since = m.Time
	}
	return put(b, at, t)
}

// noteTalks has a person's message wait for the agents that it is for.
func noteTalks(tx *bolt.Tx, m *chat.Message) error {
	if m.From.Kind != chat.KindPerson || m.From.Bot {
		return nil
	}
	thread := m.Thread
	if thread == "" {
		thread = messageThread(m.Seq)
	}
	b := tx.Bucket(bTalks)
	for _, agent := range m.To {
		at := talkKey(agent, m.Channel, thread)
		t := Talk{Channel: m.Channel, Thread: thread, Since: m.Time}
		known, err := get(b, at, &t)
		if err != nil {
			return err
		}
		t.Last, t.Untrusted = m.Seq, t.Untrusted || m.From.Untrusted
		if !known {
			if err := makeRoom(tx, agent, t.Untrusted); err != nil {
				return err
			}
		}
		if err := put(b, at, t); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom drops the oldest conversation where one more would be too many.
func makeRoom(tx *bolt.Tx, agent string, stranger bool) error {
	all, err := talks(tx, agent)
	if err != nil {
		return err
	}
	most := maxTalks
	if stranger {
		all = slices.DeleteFunc(all, func(t Talk) bool { return !t.Untrusted })
		most = maxStrangers
	}
	if len(all) < most {
		return nil
	}
	return tx.Bucket(bTalks).Delete(talkKey(agent, all[0].Channel, all[0].Thread))
}

// dropTalks drops conversations with whose last message is dropped.
func dropTalks(tx *bolt.Tx, m *chat.Message) error {
	thread := m.Thread
	if thread == "" {
		thread = messageThread(m.Seq)
	}
	for _, agent := range m.To {
		if err := settleTalk(tx, agent, m.Channel, thread, m.Seq); err != nil {
			return err
		}
	}
	return nil
}

// addressed are the agents that a message is for: of those in To the ones that see the channel. What a person has said to
// nobody in particular is for the agent whose own channel it is in, or else for whose thread it is.
func (s *Store) addressed(tx *bolt.Tx, n *NewMessage) ([]string, error) {
	to := s.seeing(n.Channel, n.To)
	if len(to) > 0 || !n.Said || n.From.Kind != chat.KindPerson {
		return to, nil
	}
	if n.Thread != "" {
		keys, err := owners(tx, n.Channel, n.Thread)
		if to = s.seeing(n.Channel, keys); len(to) > 0 || err != nil {
			return to, err
		}
	}
	if key := s.index.own[n.Channel]; key != "" {
		to = append(to, key)
	}
	return to, nil
}

// seeing returns those of the keys that are agents which see a channel, each once, sorted.
func (s *Store) seeing(channel string, keys []string) (out []string) {
	for _, key := range keys {
		if a := s.index.agents[key]; a != nil && Sees(a, channel) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// owners are the agents whose thread it is: the assignee of its task, or who began it, or else all that have written in it.
func owners(tx *bolt.Tx, channel, thread string) (keys []string, err error) {
	switch kind, number, _ := Thread(thread); kind {
	case "message":
		var m storedMessage
		if ok, err := get(messages(tx, channel), be8(number), &m); err != nil {
			return nil, err
		} else if ok && m.From.Kind == chat.KindAgent {
			return []string{m.From.ID}, nil
		} else if ok && len(m.To) > 0 {
			return m.To, nil // it began with a question to these
		}
	case "task":
		var t storedTask
		if ok, err := get(tx.Bucket(bTasks), be8(number), &t); err != nil {
			return nil, err
		} else if ok && t.Assignee != "" {
			return []string{t.Assignee}, nil
		}
	}
	prefix := joined(place(channel, thread), "")
	c := tx.Bucket(bParts).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, string(k[len(prefix):]))
	}
	return keys, nil
}
