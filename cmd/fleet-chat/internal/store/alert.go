package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"fleet/schemas/chat"
)

const (
	// alertTime is how long the same alert is not told again, and in which alertsTold are told at most. What is raised
	// beyond that is counted and told as one message.
	alertTime, alertsTold = 10 * time.Minute, 6

	// maxAlerts different alerts are counted; further ones are counted together.
	maxAlerts = 100

	// other stands for those.
	other = "other alerts"

	// alertLine is how much of a text the message has in which several are told.
	alertLine = 200

	// MaxAlert is how many bytes an alert may have: it is a key of the database.
	MaxAlert = 2 << 10
)

// lately tells whether something was no longer ago than alertTime, by a clock that may have been put back.
func lately(t, now time.Time) bool { return !now.Before(t) && now.Sub(t) < alertTime }

// raised is an alert that was told not long ago, or waits to be.
type raised struct {
	Told  time.Time `json:"told"` // zero is never
	Count int       `json:"count,omitempty"`
	First time.Time `json:"first"` // of those counted
}

// Alert stores an alert of at most MaxAlert bytes: told returns the message, nil where it was counted only. It is told by
// Alerts then.
func (s *Store) Alert(n NewMessage) (told *chat.Message, err error) {
	if len(n.Text) > MaxAlert {
		return nil, refuse("an alert must have at most %d bytes", MaxAlert)
	}
	err = s.update(func(tx *bolt.Tx) error {
		told = nil
		var m chat.Message
		if again, err := s.before(tx, &n, &m); again || err != nil {
			told = &m
			return err
		}
		b := tx.Bucket(bAlerts)
		text := n.Text
		var r raised
		known, err := get(b, []byte(text), &r)
		if err != nil {
			return err
		}
		if !known && b.Stats().KeyN >= maxAlerts {
			text = other
			if _, err := get(b, []byte(text), &r); err != nil {
				return err
			}
		}
		open, err := mayTell(tx, n.Time)
		if err != nil {
			return err
		}
		if !open || r.Count > 0 || lately(r.Told, n.Time) {
			if r.Count == 0 {
				r.First = n.Time
			}
			r.Count++
			return put(b, []byte(text), r)
		}
		if m, err = s.addMessage(tx, &n); err != nil {
			return err
		}
		told = &m
		if err := noteTold(tx, n.Time); err != nil {
			return err
		}
		return put(b, []byte(text), raised{Told: n.Time})
	})
	return told, err
}

// toldTimes are when the last alerts were told.
func toldTimes(tx *bolt.Tx) (times []time.Time, err error) {
	_, err = get(tx.Bucket(bMeta), kTold, &times)
	return times, err
}

func mayTell(tx *bolt.Tx, now time.Time) (bool, error) {
	times, err := toldTimes(tx)
	return len(times) < alertsTold || !lately(times[0], now), err
}

func noteTold(tx *bolt.Tx, now time.Time) error {
	times, err := toldTimes(tx)
	if err != nil {
		return err
	}
	times = append(times, now)
	if len(times) > alertsTold {
		times = times[len(times)-alertsTold:]
	}
	return put(tx.Bucket(bMeta), kTold, times)
}

// Alerts tells in one message, with n's author and time, what was counted for long enough, and forgets what was told long
// ago. told is nil where there is nothing.
func (s *Store) Alerts(n NewMessage) (told *chat.Message, err error) {
	err = s.view(func(tx *bolt.Tx) error { // nearly always there is nothing to write
		if k, _ := tx.Bucket(bAlerts).Cursor().First(); k == nil {
			return errNothing
		}
		return nil
	})
	if err != nil {
		if err == errNothing { //nolint:errorlint // view returns it bare
			err = nil
		}
		return nil, err
	}
	err = s.update(func(tx *bolt.Tx) error {
		told = nil
		lines, err := s.ripe(tx, n.Time)
		if err != nil || len(lines) == 0 {
			return err
		}
		n.Text = strings.Join(lines, "\n")
		m, err := s.addMessage(tx, &n)
		told = &m
		return err
	})
	return told, err
}

const errNothing = Refused("there is nothing")

// ripe takes out what is to be told.
func (s *Store) ripe(tx *bolt.Tx, now time.Time) (lines []string, err error) {
	b := tx.Bucket(bAlerts)
	type line struct {
		text string
		r    raised
	}
	var due []line
	var old []string
	err = b.ForEach(func(k, v []byte) error {
		var r raised
		if err := json.Unmarshal(v, &r); err != nil {
			return &unreadable{err}
		}
		switch {
		case r.Count > 0 && (now.Before(r.First) || now.Sub(r.First) >= alertTime/alertsTold):
			due = append(due, line{string(k), r})
		case r.Count == 0 && !lately(r.Told, now):
			old = append(old, string(k))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, text := range old {
		if err := b.Delete([]byte(text)); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(due, func(a, b line) int { return a.r.First.Compare(b.r.First) })
	size := 0
	for _, l := range due {
		text, _, more := strings.Cut(l.text, "\n")
		if len(text) > alertLine || more {
			text = strings.ToValidUTF8(text[:min(len(text), alertLine)], "") + " …"
		}
		text = fmt.Sprintf("%d × %s", l.r.Count, text)
		if size += len(text) + 1; size > s.config.Limits.Message && len(lines) > 0 {
			break // the rest is told the next time
		}
		lines = append(lines, text)
		if err := put(b, []byte(l.text), raised{Told: now}); err != nil {
			return nil, err
		}
	}
	return lines, nil
}
