// Package spool sends records to the journal so that none is lost: each lies in a file before anything is done that it
// tells of, and what a daemon that was killed had not sent yet its next start sends.
package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// gather is how long entries are gathered before they go to the journal. To wake journald for each of them costs a
	// request through a gate more than all else that is done for it.
	gather = 10 * time.Millisecond

	// maxWaiting bounds the bytes that wait for the journal before a decision waits too. maxEnds is more, so that there
	// is room for the ends of what is open while the journal takes nothing and so nothing new is allowed.
	maxWaiting, maxEnds = 256 << 10, 8 << 20

	// maxLeft bounds what is read of a file that a daemon before has left.
	maxLeft = maxEnds + maxWaiting
)

// Record is what a spool keeps. No entry of one has an empty line inside or a NUL at its beginning.
type Record interface {
	// Append appends the record as an entry of the journal's native protocol: a line NAME=VALUE for each field.
	Append(b []byte) []byte

	// AppendWhole appends, for the end of what an earlier record began, the one record that stands for both.
	AppendWhole(b []byte) []byte

	// Past tells that the record is of something that has been, such as an end. While the journal takes nothing it is kept,
	// where one that must come before what it tells of is an error.
	Past() bool

	// Serial is the same in a beginning and its end, and 0 where a record has no other.
	Serial() int64
}

// Spool keeps entries from when they are recorded until the journal has them. They lie in files that outlive the daemon,
// whose next start sends what one that was killed has left; what it was sending just then may be in the journal twice.
type Spool struct {
	dir     string
	journal *journal

	mu      sync.Mutex
	room    sync.Cond // something was sent, or cannot be
	files   [2]*os.File
	to      int           // the file that entries are added to; what is sent is in the other one
	kept    int64         // how many bytes are in it
	line    []byte        // what is written to it
	waiting []byte        // what will be sent, each entry ended by an empty line
	begun   map[int64]int // where in waiting are the beginnings whose end may still come, by their serial number
	fault   error         // of the last attempt to send
	timer   *time.Timer
	armed   bool // timer runs, or send does
	closed  bool

	sending sync.Mutex // held by who sends; taken before mu
	turned  []byte     // what is sent
	unsent  []byte     // the rest of it
}

// Open opens the spool in a folder and begins to send what is left in it to the journal whose socket is at path.
func Open(path, dir string) (s *Spool, err error) {
	j, err := openJournal(path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if s, err = open(dir, j); err != nil {
		return nil, errors.Join(fmt.Errorf("audit records: %w", err), j.close())
	}
	return s, nil
}

func open(dir string, j *journal) (s *Spool, err error) {
	s = &Spool{dir: dir, journal: j, armed: true, begun: map[int64]int{}}
	s.room.L = &s.mu
	for i := range s.files {
		name := filepath.Join(dir, fmt.Sprintf("audit.%d", i))
		if s.files[i], err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return s, errors.Join(err, s.closeFiles())
		}
	}
	if err := s.takeOver(); err != nil {
		return s, errors.Join(err, s.closeFiles())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(gather, s.send)
	return s, nil
}

// takeOver makes what is left in the files, the older one first, what is to be sent first, and leaves the first file
// empty.
func (s *Spool) takeOver() error {
	var left [2][]byte
	var changed [2]time.Time
	for i, f := range s.files {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(io.LimitReader(f, maxLeft))
		if err != nil {
			return err
		}
		left[i], changed[i] = whole(b), info.ModTime()
	}
	if err := s.files[1].Truncate(int64(len(left[1]))); err != nil {
		return err
	}
	if _, err := s.files[1].Write(left[0]); err != nil {
		return err
	}
	if changed[1].Before(changed[0]) {
		left[0], left[1] = left[1], left[0]
	}
	s.unsent = slices.Concat(left[0], left[1])
	return s.files[0].Truncate(0)
}

// whole is what is in b without an entry whose writing was broken off, for which nothing was allowed.
func whole(b []byte) []byte {
	end := bytes.LastIndex(b, mark)
	if end < 0 {
		return nil
	}
	return b[:end+len(mark)]
}

// mark is the end of an entry's last line and the empty line behind it; no entry has one inside.
var mark = []byte("\n\n")

// void begins an entry in whose place a later one is sent. No other has such a byte.
const void = 0

// Add records r: the journal has it after some milliseconds, also when the daemon is killed before. While the journal takes
// nothing that is an error, but for what tells of what has been. An end takes the place of its beginning where that has
// not been sent yet.
func (s *Spool) Add(r Record) error {
	past := r.Past()
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := maxWaiting
	if past {
		limit = maxEnds
	}
	for !past && s.fault == nil && len(s.waiting) >= limit {
		s.room.Wait()
	}
	switch {
	case s.fault != nil && !past:
		return s.fault
	case s.closed || len(s.waiting) >= limit:
		return ErrStuck
	}
	s.line = append(r.Append(s.line[:0]), '\n')
	if _, err := s.files[s.to].Write(s.line); err != nil {
		return errors.Join(err, s.files[s.to].Truncate(s.kept))
	}
	s.kept += int64(len(s.line))
	s.queue(r)
	if !s.armed {
		s.armed = true
		s.timer.Reset(gather)
	}
	return nil
}

// queue adds r to what is sent; the end of what waits there takes its place. s.mu is held.
func (s *Spool) queue(r Record) {
	had, serial := len(s.waiting), r.Serial()
	began, waits := s.begun[serial]
	switch {
	case waits:
		s.waiting[began] = void
		delete(s.begun, serial)
		s.waiting = append(r.AppendWhole(s.waiting), '\n')
		return
	case serial != 0 && !r.Past():
		s.begun[serial] = had
	}
	s.waiting = append(s.waiting, s.line...)
}

// Stuck tells that the journal takes nothing now.
func (s *Spool) Stuck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault != nil
}

// send sends what waits, and has itself called again where there is more.
func (s *Spool) send() {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return
	}
	err := s.turn()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
	s.room.Broadcast()
	s.armed = err != nil || len(s.waiting) > 0
	switch {
	case s.closed:
	case err != nil:
		s.timer.Reset(pause)
	case s.armed:
		s.timer.Reset(gather)
	}
}

// turn sends what was not sent the last time, or else what has come since. s.sending is held.
func (s *Spool) turn() error {
	if len(s.unsent) == 0 {
		s.mu.Lock()
		if cap(s.turned) > 2*maxWaiting {
			s.turned = nil // the journal had taken nothing for long
		}
		s.turned, s.unsent, s.waiting = s.waiting, s.waiting, s.turned[:0]
		s.to, s.kept = 1-s.to, 0
		clear(s.begun)
		s.room.Broadcast()
		s.mu.Unlock()
	}
	for len(s.unsent) > 0 {
		end := bytes.Index(s.unsent, mark) + 1
		if s.unsent[0] != void {
			if err := s.journal.send(s.unsent[:end]); err != nil {
				return err
			}
		}
		s.unsent = s.unsent[end+1:]
	}
	return s.files[1-s.to].Truncate(0)
}

// Close sends what waits. What the journal does not take then stays for the next start, and the error tells how much.
func (s *Spool) Close() error {
	s.mu.Lock()
	s.closed = true
	s.timer.Stop()
	s.mu.Unlock()
	s.sending.Lock()
	defer s.sending.Unlock()
	fault := s.turn()
	if fault == nil {
		fault = s.turn() // the first may have been for the rest of one before
	}
	if n := entries(s.unsent) + entries(s.waiting); n > 0 {
		fault = fmt.Errorf("%d audit records wait in %s for the next start: %w", n, s.dir, fault)
	}
	return errors.Join(fault, s.journal.close(), s.closeFiles())
}

// entries counts those that are to be sent.
func entries(b []byte) int { return bytes.Count(b, mark) - bytes.Count(b, []byte{void}) }

func (s *Spool) closeFiles() error {
	var errs []error
	for _, f := range s.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
