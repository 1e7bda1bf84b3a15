// Package audit writes a gate's records to the journal, so that what cannot be recorded is not allowed, and so that an
// agent cannot drown one record in others: further denials of the same are counted instead, and whoever asks for
// allowed things without end is slowed down.
package audit

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fleet/cmd/internal/spool"
	"fleet/schemas/audit"
)

// Bounds of what is written.
const (
	// window is how long denials of the same are counted together after the first one, which is written at once.
	window = time.Second

	// denials of different things that are written at once, and each second after. Further ones are counted together.
	denialBurst, denialRate = 100, 10

	// maxCounted bounds the different denials that are counted apart.
	maxCounted = 256

	// allowed records at once, and each second after: those of a minute with four thousand tunnels a second, two for each.
	// Whoever goes on faster waits, and is recorded. It is not what bounds the journal: its size limit does (a record has
	// some 730 bytes there), and its socket, at which a sender waits while journald writes (37,000 a second, systemd 252).
	// It keeps one agent from being all that the journal has room for within a minute.
	allowBurst, allowRate = 500_000, 1_000
)

// Many is the reason in a record that stands for denials of different things.
const Many = "many"

// Log writes the records of one agent's gate.
type Log struct {
	of    Of
	spool *spool.Spool
	now   func() time.Time
	sleep func(time.Duration)

	repeated atomic.Int64

	mu      sync.Mutex
	allows  bucket
	denials bucket
	counted map[same]int64
	sweep   *time.Timer
	closed  bool
}

// Of is whose records a Log writes.
type Of struct {
	Project, Agent string
	UID            int64 // the agent's, 0 where it is not known
}

// same is what makes two denials the same for a reader.
type same struct {
	kind, host, reason, secrets string
	port                        int
}

// Open makes a log that writes to the journal whose socket is at path. Its records wait for that in a folder.
func Open(path, dir string, of Of) (*Log, error) {
	s, err := spool.Open(path, dir)
	if err != nil {
		return nil, err
	}
	l := &Log{of: of, spool: s, now: time.Now, sleep: time.Sleep, counted: map[same]int64{}}
	l.allows = newBucket(allowBurst, allowRate, l.now())
	l.denials = newBucket(denialBurst, denialRate, l.now())
	return l, nil
}

// Write records r, whose agent it sets: the journal has it after some milliseconds, also when the gate is killed before. On
// an error nothing was recorded: the caller refuses what it would have allowed. A denial may be counted and written later.
// What ends before the journal has its decision is one record there.
func (l *Log) Write(r audit.Record) error {
	if r.Verdict == audit.Deny {
		return l.deny(r)
	}
	l.mu.Lock()
	wait := l.allows.take(l.now())
	l.mu.Unlock()
	l.sleep(wait)
	return l.write(r)
}

// sweepLater has Flush called in a while. l.mu is held.
func (l *Log) sweepLater() {
	if l.sweep == nil && !l.closed {
		l.sweep = time.AfterFunc(window, l.Flush)
	}
}

func (l *Log) write(r audit.Record) error {
	r.Project, r.Agent, r.UID = l.of.Project, l.of.Agent, l.of.UID
	if err := l.spool.Add(record{&r}); err != nil {
		return fmt.Errorf("write the audit record: %w", err)
	}
	return nil
}

// record is one as the spool takes it.
type record struct{ *audit.Record }

// Past is all but a decision: nothing waits for it.
func (r record) Past() bool { return r.Event != audit.Decision }

// Serial is 0 for what is denied: it does not end.
func (r record) Serial() int64 {
	if r.Event == audit.Decision && r.Verdict == audit.Deny {
		return 0
	}
	return r.Record.Serial
}

func (r record) AppendWhole(b []byte) []byte {
	both := *r.Record
	both.Event = audit.Decision
	return both.Append(b)
}

func (l *Log) deny(r audit.Record) error {
	key := same{r.Kind, audit.Text(r.Host), r.Reason, r.Secrets, r.Port}
	l.mu.Lock()
	_, known := l.counted[key]
	switch {
	case known:
	case len(l.counted) >= maxCounted || !l.denials.try(l.now()):
		key, known = same{kind: r.Kind, reason: Many}, true
	}
	if known {
		l.counted[key]++
	} else {
		l.counted[key] = 0
	}
	l.sweepLater()
	l.mu.Unlock()
	if known {
		l.repeated.Add(1)
		return nil
	}
	if l.write(r) != nil {
		l.again(key, 1)
	}
	return nil
}

// Repeated is how many denials have no record of their own, but are counted in that of others.
func (l *Log) Repeated() int64 { return l.repeated.Load() }

// Mute tells that the journal takes nothing now, so that nothing can be allowed.
func (l *Log) Mute() bool { return l.spool.Stuck() }

// Flush writes what has been counted. It is called by itself at the end of each window.
func (l *Log) Flush() {
	l.mu.Lock()
	counted := l.counted
	l.counted, l.sweep = map[same]int64{}, nil
	l.mu.Unlock()
	for k, n := range counted {
		if n == 0 {
			continue
		}
		r := audit.Record{
			Event: audit.Repeated, Kind: k.kind, Host: k.host, Port: k.port, Verdict: audit.Deny, Reason: k.reason, Count: n,
			Secrets: k.secrets,
		}
		if err := l.write(r); err != nil {
			l.again(k, n)
		}
	}
}

// again keeps a count that could not be written for the next time.
func (l *Log) again(k same, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counted[k] += n
	l.sweepLater()
}

// Close writes what has been counted and ends the log. The error tells how much the journal did not take.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	if l.sweep != nil {
		l.sweep.Stop()
	}
	l.mu.Unlock()
	l.Flush()
	l.mu.Lock()
	lost := len(l.counted)
	l.mu.Unlock()
	if lost > 0 {
		return errors.Join(fmt.Errorf("%d counts of denials are lost: %w", lost, spool.ErrStuck), l.spool.Close())
	}
	return l.spool.Close()
}

// bucket lets a burst through, and then so many a second.
type bucket struct {
	burst, rate float64
	level       float64
	at          time.Time
}

func newBucket(burst, rate float64, now time.Time) bucket {
	return bucket{burst: burst, rate: rate, level: burst, at: now}
}

func (b *bucket) fill(now time.Time) {
	b.level = min(b.burst, b.level+b.rate*now.Sub(b.at).Seconds())
	b.at = now
}

// take takes one and tells how long to wait until it is there.
func (b *bucket) take(now time.Time) time.Duration {
	b.fill(now)
	b.level--
	if b.level >= 0 {
		return 0
	}
	return time.Duration(-b.level / b.rate * float64(time.Second))
}

// try takes one if there is one.
func (b *bucket) try(now time.Time) bool {
	b.fill(now)
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
