package profile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fleet/schemas/report"
)

// Lock is a held lock. The kernel lets go of it when its process ends, however it ends.
type Lock struct{ f *os.File }

// Holder says who holds a lock and what for, so that another one can name it.
type Holder struct {
	PID    int
	What   string // such as "switch" or "gc"
	Target string // id of the generation that is switched to, "" if none
}

// Look is what a holder does that lets go at once: it only wants to know who else is at work.
const Look = "look"

// Busy is the error of a lock that another process holds.
type Busy struct {
	Path   string
	Holder Holder
}

// Error names the holder.
func (b *Busy) Error() string {
	h := b.Holder
	if h.PID == 0 {
		return fmt.Sprintf("%s is held by a revert or by another program", b.Path)
	}
	s := fmt.Sprintf("%s is held by process %d, which does a %s", b.Path, h.PID, h.What)
	if h.Target != "" {
		s += " to " + h.Target
	}
	return s
}

// Who only looks, and who has not yet written what for, lets go of the lock or says so within a moment.
const (
	lookTime  = 2 * time.Second
	lookPause = 10 * time.Millisecond
)

// Lock takes the project's lock, or gives a *Busy where somebody is at work.
func (p *Profile) Lock(h Holder) (*Lock, error) {
	if err := p.mkdir(p.at("/run/fleet"), 0o755); err != nil {
		return nil, err
	}
	for end := time.Now().Add(lookTime); ; time.Sleep(lookPause) {
		l, err := acquire(p.LockFile(), h)
		var busy *Busy
		if !errors.As(err, &busy) || busy.Holder.PID != 0 && busy.Holder.What != Look || time.Now().After(end) {
			return l, err
		}
	}
}

// LockStore takes the host-wide lock of the store, and waits for it as long as ctx allows.
func (p *Profile) LockStore(ctx context.Context, h Holder) (*Lock, error) {
	for {
		l, err := acquire(p.StoreLockFile(), h)
		var busy *Busy
		if !errors.As(err, &busy) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, busy
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// acquire takes flock(2) on path, the lock that flock(1) in the revert script takes as well, and writes the holder into
// it. The text is for people only.
func acquire(path string, h Holder) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, &Busy{Path: path, Holder: readHolder(f)}
	}
	if err == nil {
		err = writeHolder(f, h)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

func writeHolder(f *os.File, h Holder) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendf(nil, "%d %s %s\n", h.PID, h.What, h.Target), 0)
	return err
}

func readHolder(f *os.File) Holder {
	b := make([]byte, 512)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Holder{}
	}
	var h Holder
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	fmt.Sscan(line, &h.PID, &h.What, &h.Target) //nolint:errcheck // what is missing stays empty
	h.What, h.Target = report.Printable(h.What), report.Printable(h.Target)
	return h
}

// Release gives the lock back. The file stays: removing it would let two hold a lock of one name.
func (l *Lock) Release() error {
	return errors.Join(l.f.Truncate(0), l.f.Close())
}
