package store

import (
	"bytes"
	"sort"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/schemas/chat"
)

// Positions are numbers of messages by channel.
type Positions map[string]int64

// firstRead is how many messages from before its time a new agent reads.
const firstRead = 50

// cursor is the last message of a channel that an agent has acknowledged. Until it has acknowledged one, it is one from a
// little before the agent was new.
func cursor(tx *bolt.Tx, agent, channel string) (int64, error) {
	if at := tx.Bucket(bCursors).Get(cursorKey(agent, channel)); at != nil {
		return num(at), nil
	}
	b := messages(tx, channel)
	k, _ := b.Cursor().First()
	if k == nil {
		return int64(b.Sequence()), nil
	}
	first, last := num(k), int64(b.Sequence())
	since := time.Unix(0, num(tx.Bucket(bJoined).Get([]byte(agent))))
	var failed error
	old := sort.Search(int(last-first)+1, func(i int) bool {
		var m storedMessage
		if _, err := get(b, be8(first+int64(i)), &m); err != nil {
			failed = err
		}
		return !m.Time.Before(since)
	})
	return max(0, first+int64(old)-1-firstRead), failed
}

// Acknowledge moves an agent's cursors: it will not be handed messages up to these again. A cursor never moves back. A
// number that no message has had yet is refused.
func (s *Store) Acknowledge(agent string, to Positions) error {
	moves, err := s.moves(agent, to)
	if err != nil || !moves {
		return err // nearly always there is nothing to write
	}
	return s.update(func(tx *bolt.Tx) error {
		if err := behind(tx, to); err != nil {
			return err
		}
		b := tx.Bucket(bCursors)
		for channel, seq := range to {
			if at, err := cursor(tx, agent, channel); err != nil {
				return err
			} else if at >= seq {
				continue
			}
			if err := b.Put(cursorKey(agent, channel), be8(seq)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) moves(agent string, to Positions) (moves bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if err := behind(tx, to); err != nil {
			return err
		}
		for channel, seq := range to {
			at, err := cursor(tx, agent, channel)
			if err != nil {
				return err
			}
			moves = moves || at < seq
		}
		return nil
	})
	return moves, err
}

// behind refuses positions that are not in a channel, or that lie ahead of what was said.
func behind(tx *bolt.Tx, to Positions) error {
	for channel, seq := range to {
		b := messages(tx, channel)
		if b == nil {
			return refuse("there is no channel %q", channel)
		}
		if last := int64(b.Sequence()); seq < 0 || seq > last {
			return refuse("%q has no message %d, its last one is %d", channel, seq, last)
		}
	}
	return nil
}

// Bounds of what is read at once.
type Bounds struct {
	Messages int
	Bytes    int // of texts, but for the first message
}

// maxLooked messages are looked at in one reading: own ones are passed over.
const maxLooked = 1000

// Unread returns what an agent has not acknowledged of these channels, the oldest first, without its own messages, and
// the positions that acknowledge what was returned. more tells that there is more.
func (s *Store) Unread(agent string, channels []string, most Bounds) (all []chat.Message, to Positions, more bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		all, to, more = nil, Positions{}, false
		heads, err := openHeads(tx, agent, channels)
		if err != nil {
			return err
		}
		size := 0
		for looked := 0; ; looked++ {
			h := earliest(heads)
			if h == nil {
				return nil
			}
			own := h.m.From.Kind == chat.KindAgent && h.m.From.ID == agent
			if !own && len(all) > 0 && (len(all) == most.Messages || size+len(h.m.Text) > most.Bytes) || looked == maxLooked {
				more = true
				return nil
			}
			if !own {
				all = append(all, h.m.Message)
				size += len(h.m.Text)
			}
			to[h.m.Channel] = h.m.Seq
			if err := h.next(); err != nil {
				return err
			}
		}
	})
	return all, to, more, err
}

// head is the next message of a channel.
type head struct {
	c    *bolt.Cursor
	m    storedMessage
	over bool
}

func openHeads(tx *bolt.Tx, agent string, channels []string) ([]*head, error) {
	var heads []*head
	for _, channel := range channels {
		b := messages(tx, channel)
		if b == nil {
			return nil, refuse("there is no channel %q", channel)
		}
		if b.Sequence() == 0 {
			continue
		}
		acked, err := cursor(tx, agent, channel)
		if err != nil {
			return nil, err
		}
		if acked == int64(b.Sequence()) {
			continue
		}
		h := &head{c: b.Cursor()}
		if err := h.take(h.c.Seek(be8(acked + 1))); err != nil {
			return nil, err
		}
		heads = append(heads, h)
	}
	return heads, nil
}

func (h *head) next() error { return h.take(h.c.Next()) }

func (h *head) take(k, v []byte) error {
	h.m, h.over = storedMessage{}, k == nil
	if h.over {
		return nil
	}
	return decode(v, &h.m)
}

func earliest(heads []*head) *head {
	var first *head
	for _, h := range heads {
		if !h.over && (first == nil || h.m.Time.Before(first.m.Time)) {
			first = h
		}
	}
	return first
}

// History returns at most so many messages of a channel, the newest, the oldest of them first: of one thread, or of all
// where thread is "", and before a number, or up to the end where before is 0.
func (s *Store) History(channel, thread string, before int64, most Bounds) (all []chat.Message, more bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := messages(tx, channel)
		if b == nil {
			return refuse("there is no channel %q", channel)
		}
		if before <= 0 {
			before = int64(b.Sequence()) + 1
		}
		if all, more, err = back(tx, channel, thread, before, most); err != nil || thread == "" || len(all) > 0 {
			return err
		}
		return inThread(tx, channel, thread)
	})
	return all, more, err
}

func back(tx *bolt.Tx, channel, thread string, before int64, most Bounds) (all []chat.Message, more bool, err error) {
	b := messages(tx, channel)
	var prefix []byte
	c := b.Cursor()
	if thread != "" {
		prefix = joined(place(channel, thread), "")
		c = tx.Bucket(bThread).Cursor()
	}
	size := 0
	for k := lastBefore(c, append(prefix, be8(before)...)); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
		var m storedMessage
		if ok, err := get(b, k[len(prefix):], &m); err != nil {
			return nil, false, err
		} else if !ok {
			continue
		}
		if size += len(m.Text); len(all) > 0 && (len(all) == most.Messages || size > most.Bytes) {
			more = true
			break
		}
		all = append(all, m.Message)
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all, more, nil
}

// lastBefore is the last key before another one.
func lastBefore(c *bolt.Cursor, before []byte) []byte {
	k, _ := c.Seek(before)
	if k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ = c.Prev()
	return k
}

// After returns at most so many messages of a channel, of one thread or of all where thread is "", behind a number, the oldest
// first, and whether there are more.
func (s *Store) After(channel, thread string, seq int64, most Bounds) (all []chat.Message, more bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := messages(tx, channel)
		if b == nil {
			return refuse("there is no channel %q", channel)
		}
		if err := inThread(tx, channel, thread); err != nil {
			return err
		}
		all, more, err = ahead(tx, channel, thread, seq, most)
		return err
	})
	return all, more, err
}

func ahead(tx *bolt.Tx, channel, thread string, seq int64, most Bounds) (all []chat.Message, more bool, err error) {
	b := messages(tx, channel)
	var prefix []byte
	c := b.Cursor()
	if thread != "" {
		prefix = joined(place(channel, thread), "")
		c = tx.Bucket(bThread).Cursor()
	}
	size := 0
	for k, _ := c.Seek(append(prefix, be8(seq+1)...)); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		var m storedMessage
		if _, err := get(b, k[len(prefix):], &m); err != nil {
			return nil, false, err
		}
		if size += len(m.Text); len(all) > 0 && (len(all) == most.Messages || size > most.Bytes) {
			return all, true, nil
		}
		all = append(all, m.Message)
	}
	return all, false, nil
}

// Last is the number of a channel's last message, 0 where it has none.
func (s *Store) Last(channel string) (seq int64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := messages(tx, channel)
		if b == nil {
			return refuse("there is no channel %q", channel)
		}
		seq = int64(b.Sequence())
		return nil
	})
	return seq, err
}

// Waiting is how many messages of a channel, its own included, an agent has not acknowledged.
func (s *Store) Waiting(agent, channel string) (n int64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := messages(tx, channel)
		if b == nil {
			return refuse("there is no channel %q", channel)
		}
		first, _ := b.Cursor().First()
		if first == nil {
			return nil
		}
		acked, err := cursor(tx, agent, channel)
		if err != nil {
			return err
		}
		n = int64(b.Sequence()) - max(acked, num(first)-1)
		return nil
	})
	return n, err
}
