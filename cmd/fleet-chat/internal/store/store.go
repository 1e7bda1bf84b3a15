// Package store keeps a project's chat in one file: messages, what each agent has read of them, tasks, and what is still to
// be shown at the backend. What a method has returned without an error outlives a kill and a power cut.
package store

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	bolt "go.etcd.io/bbolt"

	"fleet/schemas/chat"
)

// Store is the database. All methods may be called at once by several goroutines. A method that returns Refused has
// changed nothing.
type Store struct {
	path   string
	config *chat.Config
	index  index
	db     *bolt.DB
	writes chan *write
	ended  chan struct{} // the writer has ended

	mu     sync.RWMutex // held for reading while a change is handed to the writer
	closed bool

	faulty sync.Mutex
	fault  error // the file is damaged; nothing is read and written any more
	failed chan struct{}
}

// Refused is why something cannot be done that was asked for, such as that there is no such task.
type Refused string

// Error is the reason.
func (r Refused) Error() string { return string(r) }

func refuse(format string, args ...any) error { return Refused(fmt.Sprintf(format, args...)) }

// Damaged is the error where the file is not what was written to it.
type Damaged struct {
	Path string
	Err  error
}

// Error names the file and what to do.
func (d *Damaged) Error() string {
	return fmt.Sprintf("%s is damaged: %v\n  hint: stop the chat, then put a copy of the file there, "+
		"or move it away to begin with an empty chat", d.Path, d.Err)
}

// Unwrap returns the cause.
func (d *Damaged) Unwrap() error { return d.Err }

var errClosed = errors.New("the store is closed")

// Failed is closed when the file has turned out to be damaged: the store is of no use any more, and Fault says why.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Fault returns a *Damaged, or nil.
func (s *Store) Fault() error {
	s.faulty.Lock()
	defer s.faulty.Unlock()
	return s.fault
}

// judge notes damage.
func (s *Store) judge(err error) {
	var damaged *Damaged
	if !errors.As(err, &damaged) {
		return
	}
	s.faulty.Lock()
	defer s.faulty.Unlock()
	if s.fault == nil {
		s.fault = damaged
		close(s.failed)
	}
}

// Alive reads something, and hangs where that does.
func (s *Store) Alive() error {
	return s.view(func(tx *bolt.Tx) error {
		if len(tx.Bucket(bMeta).Get(kProject)) == 0 {
			return &unreadable{errors.New("it has no project")}
		}
		return nil
	})
}

// Close waits for what is being written and closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.writes)
	s.mu.Unlock()
	<-s.ended
	if s.Fault() != nil {
		return nil // a transaction that has panicked may still hold the locks that closing takes
	}
	return s.db.Close()
}

// guard runs f, which reads pages of the file by a map of memory: bbolt panics where one is not what it expects, and the
// processor faults where the file has become shorter.
func guard(path string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &Damaged{path, fmt.Errorf("%v", p)}
		}
		if bad := (*unreadable)(nil); errors.As(err, &bad) {
			err = &Damaged{path, bad}
		}
	}()
	return f()
}

// view reads what has been written. f must keep nothing of what it is given.
func (s *Store) view(f func(tx *bolt.Tx) error) error {
	if err := s.Fault(); err != nil {
		return err
	}
	err := guard(s.path, func() error { return s.db.View(f) })
	s.judge(err)
	return err
}

// write is one change, which waits for its commit.
type write struct {
	f    func(tx *bolt.Tx) error
	err  error // of f
	done chan error
}

// maxGroup changes are committed together at most, and as many wait.
const maxGroup = 512

// update makes a change durable. Changes of several goroutines are committed together: each commit waits for the disk
// twice, however many changes are in it. f must change nothing before an error that is Refused; any other error undoes
// all changes of its commit.
func (s *Store) update(f func(tx *bolt.Tx) error) error {
	w := &write{f: f, done: make(chan error, 1)}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return errClosed
	}
	s.writes <- w
	s.mu.RUnlock()
	return <-w.done
}

// run is the writer.
func (s *Store) run() {
	defer close(s.ended)
	group := make([]*write, 0, maxGroup)
	for w := range s.writes {
		group = s.gather(append(group[:0], w))
		s.commit(group)
	}
}

// gather takes along what waits already.
func (s *Store) gather(group []*write) []*write {
	for len(group) < maxGroup {
		select {
		case w, ok := <-s.writes:
			if !ok {
				return group
			}
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

func (s *Store) commit(group []*write) {
	err := s.Fault()
	if err == nil {
		err = guard(s.path, func() error {
			return s.db.Update(func(tx *bolt.Tx) error { return apply(tx, group) })
		})
	}
	s.judge(err) // before an answer, so that who gets it finds the store failed
	for _, w := range group {
		if err != nil {
			w.done <- err
		} else {
			w.done <- w.err
		}
	}
}

// apply makes each change of a group.
func apply(tx *bolt.Tx, group []*write) error {
	for _, w := range group {
		w.err = w.f(tx)
		var refused Refused
		if w.err != nil && !errors.As(w.err, &refused) {
			return w.err
		}
	}
	return nil
}
