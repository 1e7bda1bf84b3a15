// Package keep holds small state in a file: written as a whole, a while after it has changed, so that a gate that is
// killed loses that while and nothing more.
package keep

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/renameio/v2"
	"github.com/sirupsen/logrus"
)

// Delay is how long a change may wait for the file.
const Delay = 10 * time.Second

// File is a file of state.
type File struct {
	path    string
	encode  func() ([]byte, error)
	log     *logrus.Logger
	delay   time.Duration
	waits   atomic.Bool // a write is to come
	failing atomic.Bool // logged once
}

// New makes a file whose text encode gives, at any time.
func New(path string, encode func() ([]byte, error), log *logrus.Logger) *File {
	return &File{path: path, encode: encode, log: log, delay: Delay}
}

// Load gives the text of the file to parse, if there is one. A file that parse refuses is set aside, with a line in the
// log: nobody should have to repair a gate's counts before it serves. The error is that of the disk.
func (f *File) Load(limit int64, parse func([]byte) error) error {
	b, err := read(f.path, limit)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = parse(b)
	}
	if err == nil {
		return nil
	}
	f.log.WithError(err).WithField("file", f.path).Error("the file cannot be read and is set aside as *.bad; counting begins anew")
	return os.Rename(f.path, f.path+".bad")
}

func read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("must have at most %d bytes", limit)
	}
	return b, err
}

// Changed has the file written within Delay. It costs nothing where a write is to come already.
func (f *File) Changed() {
	if !f.waits.Load() && !f.waits.Swap(true) {
		time.AfterFunc(f.delay, func() { _ = f.Write() })
	}
}

// Write writes the file if it is to be written. What cannot be written is tried again.
func (f *File) Write() error {
	if !f.waits.Swap(false) { // before encode, so that no later change is missed
		return nil
	}
	b, err := f.encode()
	if err == nil {
		err = renameio.WriteFile(f.path, b, 0o600)
	}
	if err == nil {
		f.failing.Store(false)
		return nil
	}
	if !f.failing.Swap(true) {
		f.log.WithError(err).WithField("file", f.path).Error("cannot write state; trying again")
	}
	f.Changed()
	return err
}
