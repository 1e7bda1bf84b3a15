package proxy

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"fleet/cmd/fleet-gate/internal/broker"
	"fleet/cmd/fleet-gate/internal/judge"
)

const (
	// maxAhead is how much of a body is read, where it is not longer, before anything goes out.
	maxAhead = 256 << 10

	// pause and longPause are how long a body whose length nobody knows is waited for: since its last bytes, and in all.
	// One that goes on for as long as the answer does, as streams of gRPC do, must go out before it ends.
	pause     = 100 * time.Millisecond
	longPause = time.Second

	// smallAhead is a body that is no burden. Of larger ones maxAheads may be in memory at once, and maxHashing of those
	// that are read whole to be signed.
	smallAhead            = 4 << 10
	maxAheads, maxHashing = 256, 2
)

var aheads, hashings = make(chan struct{}, maxAheads), make(chan struct{}, maxHashing)

// look looks for placeholders in a body: before anything goes out if it is short, else while it does. length is -1 where
// it is not known.
func (b *body) look(u *broker.Use, length int64) *judge.Refusal {
	if b.closed == nil {
		if u.Hashes() {
			u.Hashed(nil)
		}
		return nil
	}
	b.from.Reader = u.Body(&checked{b.from.Reader, u, b.from.trailer})
	switch {
	case u.Hashes():
		return b.hash(u)
	case !u.Guards() || length > maxAhead:
		return nil
	}
	a := b.ahead()
	if length > smallAhead || length < 0 {
		a.hold(aheads)
	}
	if length < 0 {
		go a.fill(maxAhead)
		a.waitFor(pause, longPause)
	} else {
		a.fill(maxAhead)
	}
	return a.refusal()
}

// hash reads a body whole.
func (b *body) hash(u *broker.Use) *judge.Refusal {
	a := b.ahead()
	a.hold(hashings)
	a.fill(broker.MaxHashed + 1)
	if r := a.refusal(); r != nil {
		return r
	}
	if len(a.buf) > broker.MaxHashed {
		return u.TooLong()
	}
	u.Hashed(a.buf)
	return nil
}

// ahead begins to read the body before the request goes out.
func (b *body) ahead() *ahead {
	a := &ahead{r: b.from.Reader, more: b.from.more, busy: true}
	a.ready.L = &a.mu
	if b.from.first != nil {
		a.err = b.from.first()
	}
	b.begun, b.early, b.from.Reader = true, a, a
	return a
}

// quit ends a body that nobody will read.
func (b *body) quit() {
	if b.early != nil {
		b.stop()
	}
	b.settle()
}

// settle waits until nobody reads ahead, and forgets what was.
func (b *body) settle() {
	if b.early != nil {
		b.early.settle()
	}
}

// checked looks at the trailer before the end of a body is told.
type checked struct {
	io.Reader
	u       *broker.Use
	trailer func() http.Header
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) && c.trailer != nil {
		if r := c.u.Trailer(c.trailer()); r != nil {
			err = r
		}
	}
	return n, err
}

// ahead is a body of which the begin was read already, or is being read.
type ahead struct {
	r    io.Reader
	more func() // may be nil

	mu    sync.Mutex
	ready sync.Cond // buf, err or busy has changed
	buf   []byte    // read and not taken
	err   error     // behind it
	busy  bool      // fill reads
	over  bool      // fill is to end
	last  time.Time // that something came
	token chan struct{}
}

// hold waits for its turn. settle or the end of what was read ahead gives it back.
func (a *ahead) hold(turns chan struct{}) {
	turns <- struct{}{}
	a.token = turns
}

func (a *ahead) release() {
	if a.token != nil {
		<-a.token
		a.token = nil
	}
}

// fill reads up to limit bytes.
func (a *ahead) fill(limit int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.err == nil && !a.over && len(a.buf) < limit {
		if cap(a.buf)-len(a.buf) < readBuffer {
			a.buf = slices.Grow(a.buf, max(readBuffer, len(a.buf)))
		}
		room := a.buf[len(a.buf):min(cap(a.buf), limit)]
		a.mu.Unlock()
		if a.more != nil {
			a.more()
		}
		n, err := a.r.Read(room)
		a.mu.Lock()
		a.buf, a.err, a.last = a.buf[:len(a.buf)+n], err, time.Now()
		a.ready.Broadcast()
	}
	a.busy = false
	a.ready.Broadcast()
}

// waitFor waits until fill has ended or nothing comes any more; fill ends with its next read then.
func (a *ahead) waitFor(since, all time.Duration) {
	begun := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = begun
	for a.busy {
		left := min(since-time.Since(a.last), all-time.Since(begun))
		if left <= 0 {
			a.over = true
			return
		}
		t := time.AfterFunc(left, a.ready.Broadcast)
		a.ready.Wait()
		t.Stop()
	}
}

// refusal is that of what was read.
func (a *ahead) refusal() *judge.Refusal {
	a.mu.Lock()
	defer a.mu.Unlock()
	var r *judge.Refusal
	if errors.As(a.err, &r) {
		return r
	}
	return nil
}

// Read gives what was read ahead, and then reads on.
func (a *ahead) Read(p []byte) (int, error) {
	a.mu.Lock()
	for len(a.buf) == 0 && a.busy {
		a.ready.Wait()
	}
	n := copy(p, a.buf)
	a.buf = a.buf[n:]
	err := a.err
	switch {
	case len(a.buf) > 0:
		err = nil
	case !a.busy:
		a.buf = nil
		a.release()
	}
	a.mu.Unlock()
	if n > 0 || err != nil || len(p) == 0 {
		return n, err
	}
	return a.r.Read(p)
}

func (a *ahead) settle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	for a.busy {
		a.ready.Wait()
	}
	a.buf = nil
	a.release()
}
