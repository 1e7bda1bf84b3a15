// Package calls records each call of an agent in the journal: before the tool hears of it, so that what cannot be recorded
// is not called, and when it has ended. Refusals without end are counted.
package calls

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"fleet/cmd/internal/spool"
	"fleet/schemas/audit"
	"fleet/schemas/sidecar"
)

const (
	// Refusals of an agent that have records of their own: at once, and each second after. Further ones are counted.
	refusalBurst, refusalRate = 100, 5

	// window is how long refusals are counted until their number is recorded.
	window = time.Second

	// Allowed calls at once, and each second after; who goes on faster waits. It keeps an agent from being all that the
	// journal has room for.
	allowBurst, allowRate = 200_000, 500
)

// Log writes the records of a sidecar.
type Log struct {
	project, name string
	spool         *spool.Spool
	serial        atomic.Int64
}

// Open makes a log that writes to the journal whose socket is at path. Its records wait for that in a folder.
func Open(path, dir string, c *sidecar.Config) (*Log, error) {
	s, err := spool.Open(path, dir)
	if err != nil {
		return nil, err
	}
	return &Log{project: c.Project, name: c.Name, spool: s}, nil
}

// Agent writes the records of one agent.
type Agent struct {
	log      *Log
	of       sidecar.Agent
	allows   *rate.Limiter
	refusals *rate.Limiter

	mu     sync.Mutex
	count  int64 // refusals without a record
	sweep  *time.Timer
	closed bool
}

// Agent makes what writes the records of an agent.
func (l *Log) Agent(a sidecar.Agent) *Agent {
	return &Agent{
		log: l, of: a, allows: rate.NewLimiter(allowRate, allowBurst), refusals: rate.NewLimiter(refusalRate, refusalBurst),
	}
}

// Close writes what waits. The error tells how much the journal did not take.
func (l *Log) Close() error { return l.spool.Close() }

// record is a call as the spool takes it.
type record struct{ *sidecar.Call }

func (r record) Past() bool    { return r.Event != sidecar.Called }
func (r record) Serial() int64 { return r.Call.Serial }

func (r record) AppendWhole(b []byte) []byte {
	both := *r.Call
	both.Event = sidecar.Called
	return both.Append(b)
}

func (a *Agent) write(c *sidecar.Call) error {
	c.Project, c.Sidecar, c.Agent, c.UID = a.log.project, a.log.name, a.of.Key, a.of.UID
	return a.log.spool.Add(record{c})
}

// Begin records that a call is allowed, and returns what records its end. On an error it must not be made.
func (a *Agent) Begin(c sidecar.Call) (*Running, error) {
	if wait := a.allows.Reserve().Delay(); wait > 0 {
		time.Sleep(wait)
	}
	c.Event, c.Verdict, c.Serial = sidecar.Called, audit.Allow, a.log.serial.Add(1)
	if err := a.write(&c); err != nil {
		return nil, err
	}
	return &Running{a: a, call: c, began: time.Now()}, nil
}

// Running is a call that has not ended.
type Running struct {
	a     *Agent
	call  sidecar.Call
	began time.Time
}

// End records what came of a call.
func (r *Running) End(result string, bytes int) {
	r.call.Event, r.call.Result, r.call.BytesDown = sidecar.Ended, result, int64(bytes)
	r.call.Micros = max(1, time.Since(r.began).Microseconds())
	_ = r.a.write(&r.call) // its beginning is recorded; megabytes of ends wait for a journal before one is lost
}

// Refuse records a call that is refused.
func (a *Agent) Refuse(c sidecar.Call, reason string) {
	c.Event, c.Verdict, c.Reason = sidecar.Called, audit.Deny, reason
	if a.refusals.Allow() && a.write(&c) == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	a.sweepLater()
}

// sweepLater has Flush called in a while. a.mu is held.
func (a *Agent) sweepLater() {
	if a.sweep == nil && !a.closed {
		a.sweep = time.AfterFunc(window, a.Flush)
	}
}

// Flush records how many refusals had no record of their own. It is called by itself at the end of each window.
func (a *Agent) Flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep = nil
	if a.count == 0 {
		return
	}
	if a.write(&sidecar.Call{Event: sidecar.Repeated, Verdict: audit.Deny, Count: a.count}) != nil {
		a.sweepLater()
		return
	}
	a.count = 0
}

// Close records what has been counted.
func (a *Agent) Close() {
	a.mu.Lock()
	a.closed = true
	if a.sweep != nil {
		a.sweep.Stop()
	}
	a.mu.Unlock()
	a.Flush()
}
