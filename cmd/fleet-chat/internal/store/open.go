package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"fleet/schemas/chat"
)

// FileName is the database's name in the state folder.
const FileName = "chat.db"

const (
	// version is that of what the buckets hold.
	version = 1

	// lockTime is how long a daemon that ends may keep the file.
	lockTime = 5 * time.Second

	// checkSize is up to which size each page is looked at before anything else. A larger file would keep agents waiting
	// for long; damage in it is found where it is met.
	checkSize = 128 << 20

	fileMode = 0o600
)

// Open opens the database in a folder, or makes one. A file that is damaged, another project's or no database of the chat
// is an error and stays as it is.
func Open(dir string, c *chat.Config) (*Store, error) {
	path := filepath.Join(dir, FileName)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path, c.Project); err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s must be a file", path)
	case info.Size() == 0:
		return nil, &Damaged{path, errors.New("it is empty")} // a new one gets its name when it is whole
	}
	if err := inspect(path, c.Project); err != nil {
		return nil, err
	}
	s := &Store{
		path: path, config: c, index: newIndex(c),
		writes: make(chan *write, maxGroup), ended: make(chan struct{}), failed: make(chan struct{}),
	}
	if s.db, err = open(path, false); err != nil {
		return nil, err
	}
	go s.run()
	if err := s.update(func(tx *bolt.Tx) error { return s.prepare(tx, time.Now()) }); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open opens a file that there is.
func open(path string, readOnly bool) (db *bolt.DB, err error) {
	err = guard(path, func() error {
		db, err = bolt.Open(path, fileMode, &bolt.Options{
			Timeout: lockTime, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType,
		})
		return err
	})
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%s is in use: is another fleet-chat of this project running?", path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return nil, &Damaged{path, fmt.Errorf("it is no database, or its head is destroyed: %w", err)}
	}
	return nil, err
}

// create makes an empty database under another name first: at its own there is a whole one or none.
func create(path, project string) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := bolt.Open(fresh, fileMode, &bolt.Options{Timeout: lockTime})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bMeta)
		return errors.Join(meta.Put(kVersion, []byte(strconv.Itoa(version))), meta.Put(kProject, []byte(project)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// inspect looks at a file without changing it.
func inspect(path, project string) error {
	db, err := open(path, true)
	if err != nil {
		return err
	}
	err = guard(path, func() error {
		return db.View(func(tx *bolt.Tx) error {
			if err := belongs(tx, path, project); err != nil || tx.Size() > checkSize {
				return err
			}
			return whole(tx, path)
		})
	})
	var damaged *Damaged
	if errors.As(err, &damaged) {
		return err // a transaction that has panicked may still hold the locks that closing takes
	}
	return errors.Join(err, db.Close())
}

// belongs tells whether it is this project's chat.
func belongs(tx *bolt.Tx, path, project string) error {
	meta := tx.Bucket(bMeta)
	if meta == nil {
		return fmt.Errorf("%s is a database of another program: move it away", path)
	}
	if v := string(meta.Get(kVersion)); v != strconv.Itoa(version) {
		return fmt.Errorf("%s has version %.20q, this fleet-chat reads %d: switch to a generation that knows it", path, v, version)
	}
	if of := meta.Get(kProject); !bytes.Equal(of, []byte(project)) {
		return fmt.Errorf("%s is the chat of project %.20q, not of %q", path, of, project)
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return &Damaged{path, fmt.Errorf("it has no %s", name)}
		}
	}
	return nil
}

// whole tells whether each page is where it should be.
func whole(tx *bolt.Tx, path string) error {
	var first error
	for err := range tx.Check() {
		if first == nil {
			first = &Damaged{path, err}
		}
	}
	return first
}

// prepare makes what the configuration names. An agent begins with what is said from now on, and a little before.
func (s *Store) prepare(tx *bolt.Tx, now time.Time) error {
	if err := s.sameBackend(tx); err != nil {
		return err
	}
	for _, key := range s.index.keys {
		for _, parent := range [][]byte{bMessages, bOutbox} {
			if _, err := tx.Bucket(parent).CreateBucketIfNotExists([]byte(key)); err != nil {
				return err
			}
		}
	}
	if err := s.showOpen(tx, now); err != nil {
		return err
	}
	joined := tx.Bucket(bJoined)
	for _, a := range s.config.Agents {
		if at := []byte(a.Key); joined.Get(at) == nil {
			if err := joined.Put(at, be8(now.UnixNano())); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameBackend forgets what belongs to another place than the one where people read along now. What was said stays.
func (s *Store) sameBackend(tx *bolt.Tx) error {
	b := &s.config.Backend
	is := joined(b.Kind, b.Server, b.Repo, b.API)
	meta := tx.Bucket(bMeta)
	if was := meta.Get(kBackend); bytes.Equal(was, is) {
		return errors.Join(s.dropUnshown(tx), s.sameTasks(tx))
	}
	for _, name := range [][]byte{bClaims, bOutbox, bEffects, bRefs, bPlaces, bDirect, bMarks, bEvents, bEventLog} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return errors.Join(meta.Put(kBackend, is), meta.Put(kTasks, []byte(s.index.channels[chat.Tasks])))
}

// sameTasks forgets where open tasks are when their channel is another one than before.
func (s *Store) sameTasks(tx *bolt.Tx) error {
	is, meta := []byte(s.index.channels[chat.Tasks]), tx.Bucket(bMeta)
	if bytes.Equal(meta.Get(kTasks), is) {
		return nil
	}
	if b := tx.Bucket(bOutbox).Bucket([]byte(chat.Tasks)); b != nil {
		if err := deletePrefix(b, nil); err != nil {
			return err
		}
	}
	for _, number := range openTasks(tx) {
		t, err := task(tx, number)
		if err != nil {
			return err
		}
		if err := errors.Join(deletePrefix(tx.Bucket(bClaims), be8(number)), dropPlace(tx, taskPlace(number), "", t.Effects...)); err != nil {
			return err
		}
	}
	return meta.Put(kTasks, is)
}

// dropUnshown forgets what was to be shown of channels that are only on this host now.
func (s *Store) dropUnshown(tx *bolt.Tx) error {
	for _, c := range s.config.Channels {
		if c.ID != "" || tx.Bucket(bOutbox).Bucket([]byte(c.Key)) == nil {
			continue
		}
		if err := tx.Bucket(bOutbox).DeleteBucket([]byte(c.Key)); err != nil {
			return err
		}
	}
	return nil
}
