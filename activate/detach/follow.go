package detach

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// pollEvery is how often a client looks for progress.
const pollEvery = 100 * time.Millisecond

// ErrDied says that the detached process ended without a result.
var ErrDied = errors.New("the switch ended without a result")

// Follow copies the progress of a request to w until there is a result. Where ctx ends first, its error is returned and
// the switch goes on. alive reports whether the detached process still runs.
func Follow(ctx context.Context, d Dir, w io.Writer, alive func() bool) (Result, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var at int64
	for {
		running := alive() // asked first: a process that ends after it has its result written by the time we look
		r, done := d.Result()
		at = copyFrom(w, d.Progress(), at)
		switch {
		case done:
			return r, nil
		case !running:
			return Result{}, ErrDied
		}
		select {
		case <-ctx.Done():
			return Result{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// copyFrom copies what the file holds beyond offset at and returns the new offset. A file that is not there yet is empty.
func copyFrom(w io.Writer, path string, at int64) int64 {
	f, err := os.Open(path)
	if err != nil {
		return at
	}
	defer f.Close()
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return at
	}
	n, _ := io.Copy(w, f) // a client whose terminal is gone still waits for the result
	return at + n
}
