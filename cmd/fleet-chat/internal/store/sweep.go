package store

import (
	"bytes"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/schemas/chat"
)

const (
	// perWrite is how many messages or tasks too many a write drops: more than it adds, so that a lowered limit is reached.
	perWrite = 2

	// perSweep are dropped in one commit of a sweep, so that nobody waits for long.
	perSweep = 500

	// keepThreads that began where we did not see it are kept.
	keepThreads = 10_000
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Sweep drops what is too old or too much.
func (s *Store) Sweep(now time.Time) error {
	before := now.Add(-s.config.Age())
	for _, key := range s.index.keys {
		if due, err := s.due(key, before); err != nil {
			return err
		} else if !due {
			continue // nearly always
		}
		if err := s.sweepAll(func(tx *bolt.Tx) (int, error) { return s.sweepChannel(tx, key, before) }); err != nil {
			return err
		}
	}
	if err := s.sweepAll(func(tx *bolt.Tx) (int, error) { return sweepTasks(tx, before) }); err != nil {
		return err
	}
	return s.sweepAll(sweepThreads)
}

// sweepAll commits steps until one has found little to do.
func (s *Store) sweepAll(step func(tx *bolt.Tx) (int, error)) error {
	for {
		n := 0
		err := s.update(func(tx *bolt.Tx) (err error) {
			n, err = step(tx)
			return err
		})
		if err != nil || n < perSweep {
			return err
		}
	}
}

// due tells whether a channel has a message that is to be dropped.
func (s *Store) due(channel string, before time.Time) (due bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := messages(tx, channel)
		k, v := b.Cursor().First()
		if k == nil {
			return nil
		}
		var m storedMessage
		err := decode(v, &m)
		due = s.tooOld(&m, channel, before) || s.tooMany(b, m.Seq, channel)
		return err
	})
	return due, err
}

// tooOld tells whether a message is to be dropped for its age, as no lesson is.
func (s *Store) tooOld(m *storedMessage, channel string, before time.Time) bool {
	return channel != chat.Lessons && m.Time.Before(before)
}

// tooMany tells whether there are too many messages behind one.
func (s *Store) tooMany(b *bolt.Bucket, seq int64, channel string) bool {
	return int64(b.Sequence())-seq >= s.most(channel)
}

// sweepChannel drops messages, the oldest first.
func (s *Store) sweepChannel(tx *bolt.Tx, channel string, before time.Time) (int, error) {
	b := messages(tx, channel)
	c := b.Cursor()
	n := 0
	for k, v := c.First(); k != nil && n < perSweep; k, v = c.First() {
		var m storedMessage
		if err := decode(v, &m); err != nil {
			return n, err
		}
		if !s.tooOld(&m, channel, before) && !s.tooMany(b, m.Seq, channel) {
			return n, nil
		}
		if err := dropMessage(tx, b, &m); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// most is how many messages of a channel are kept.
func (s *Store) most(channel string) int64 {
	if channel == chat.Lessons {
		return int64(s.config.Limits.KeepLessons)
	}
	return int64(s.config.Limits.KeepMessages)
}

// trim drops at most so many messages that are too many.
func (s *Store) trim(tx *bolt.Tx, channel string, n int) error {
	b := messages(tx, channel)
	for range n {
		k, v := b.Cursor().First()
		if k == nil || !s.tooMany(b, num(k), channel) {
			return nil
		}
		var m storedMessage
		if err := decode(v, &m); err != nil {
			return err
		}
		if err := dropMessage(tx, b, &m); err != nil {
			return err
		}
	}
	return nil
}

func dropMessage(tx *bolt.Tx, b *bolt.Bucket, m *storedMessage) error {
	if err := b.Delete(be8(m.Seq)); err != nil {
		return err
	}
	if m.Thread != "" {
		at := append(joined(place(m.Channel, m.Thread), ""), be8(m.Seq)...)
		if err := tx.Bucket(bThread).Delete(at); err != nil {
			return err
		}
	}
	if err := dropTalks(tx, &m.Message); err != nil {
		return err
	}
	return dropPlace(tx, place(m.Channel, messageThread(m.Seq)), m.Key, m.Effect)
}

// dropPlace drops what is noted about a message, a task or a thread elsewhere.
func dropPlace(tx *bolt.Tx, at, key string, effects ...string) error {
	if key != "" {
		if err := tx.Bucket(bKeys).Delete([]byte(key)); err != nil {
			return err
		}
	}
	for _, id := range effects {
		if err := tx.Bucket(bEffects).Delete([]byte(id)); err != nil {
			return err
		}
	}
	if ref := tx.Bucket(bPlaces).Get([]byte(at)); ref != nil {
		if string(tx.Bucket(bRefs).Get(ref)) == at {
			if err := tx.Bucket(bRefs).Delete(ref); err != nil {
				return err
			}
		}
		if err := tx.Bucket(bPlaces).Delete([]byte(at)); err != nil {
			return err
		}
	}
	if err := tx.Bucket(bDirect).Delete([]byte(at)); err != nil {
		return err
	}
	return deletePrefix(tx.Bucket(bParts), joined(at, ""))
}

func deletePrefix(b *bolt.Bucket, prefix []byte) error {
	c := b.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Seek(prefix) {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// trimTasks drops done tasks that are too many, those with the lowest numbers first, but not the one that is just done.
func (s *Store) trimTasks(tx *bolt.Tx, but int64) error {
	for range perWrite {
		if num(tx.Bucket(bMeta).Get(kDone)) <= int64(s.config.Limits.KeepTasks) {
			return nil
		}
		from := stateKey(chat.Done, 1)
		c := tx.Bucket(bStates).Cursor()
		k, _ := c.Seek(from)
		if len(k) == 9 && num(k[1:]) == but {
			k, _ = c.Next()
		}
		if len(k) != 9 || k[0] != from[0] {
			return nil
		}
		if err := dropTask(tx, num(k[1:])); err != nil {
			return err
		}
	}
	return nil
}

func dropTask(tx *bolt.Tx, number int64) error {
	t, err := task(tx, number)
	if err != nil {
		return err
	}
	if err := tx.Bucket(bTasks).Delete(be8(number)); err != nil {
		return err
	}
	if err := tx.Bucket(bStates).Delete(stateKey(t.State, number)); err != nil {
		return err
	}
	if t.State == chat.Done {
		if err := count(tx, -1); err != nil {
			return err
		}
	}
	if err := deletePrefix(tx.Bucket(bClaims), be8(number)); err != nil {
		return err
	}
	return dropPlace(tx, taskPlace(number), t.Key, t.Effects...)
}

// sweepTasks drops done tasks that have not changed since.
func sweepTasks(tx *bolt.Tx, before time.Time) (int, error) {
	from := stateKey(chat.Done, 1)
	var old []int64
	c := tx.Bucket(bStates).Cursor()
	for k, _ := c.Seek(from); len(k) == 9 && k[0] == from[0] && len(old) < perSweep; k, _ = c.Next() {
		t, err := task(tx, num(k[1:]))
		if err != nil {
			return 0, err
		}
		if t.Updated.Before(before) {
			old = append(old, t.Number)
		}
	}
	for _, number := range old {
		if err := dropTask(tx, number); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}

// sweepThreads drops threads of which too many are known, the oldest first.
func sweepThreads(tx *bolt.Tx) (int, error) {
	b := tx.Bucket(bThreads)
	n := 0
	for ; n < perSweep; n++ {
		k, v := b.Cursor().First()
		if k == nil || int64(b.Sequence())-num(k) < keepThreads {
			return n, nil
		}
		at := string(v)
		if err := b.Delete(k); err != nil {
			return n, err
		}
		if err := dropPlace(tx, at, ""); err != nil {
			return n, err
		}
	}
	return n, nil
}
