// Package budget counts what an agent sends by each rule that has limits, and says when a day's limit is used up.
package budget

import (
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/activate/boottime"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/keep"
	"fleet/schemas/policy"
)

// day is how long a day's counts stay at most while the gate's machine runs.
const day = 24 * time.Hour

// Book holds the counts of one day, UTC. The day only goes forward, so that nobody who sets the clock back renews a
// limit; where the clock was ahead, the counts are renewed after a day of CLOCK_BOOTTIME. A nil Book has no limits.
type Book struct {
	file  *keep.File
	now   func() time.Time
	ticks func() time.Duration // CLOCK_BOOTTIME

	mu     sync.Mutex
	page   page
	limits map[string]policy.Limits // in force, by budget
}

// Configure puts limits in force, which hold also for what is open where they are stricter.
func (b *Book) Configure(limits map[string]policy.Limits) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limits = limits
}

// Open reads the counts at path.
func Open(path string, log *logrus.Logger) (*Book, error) {
	b := &Book{now: time.Now, ticks: boottime.Now}
	b.file = keep.New(path, b.encode, log)
	boot, err := boottime.ID()
	if err != nil {
		log.WithError(err).Warn("the boot has no name, so that counts are taken for those of another one")
	}
	if err := b.file.Load(maxSize, b.parse); err != nil {
		return nil, err
	}
	b.begin(boot)
	return b, nil
}

// begin makes the page one of this boot.
func (b *Book) begin(boot string) {
	if b.page.Used == nil {
		b.page = page{Version: version, Day: b.today(), Used: map[string]*used{}}
	}
	if boot == "" || b.page.BootID != boot {
		b.page.BootID, b.page.Began = boot, int64(b.ticks())
	}
}

// Close writes what has not been written.
func (b *Book) Close() error { return b.file.Write() }

func (b *Book) today() int64 { return b.now().Unix() / int64(day/time.Second) }

// turn begins a new day when it is time. b.mu is held.
func (b *Book) turn() {
	today := b.today()
	if long := b.ticks()-time.Duration(b.page.Began) >= day; today > b.page.Day || long {
		b.page.Day, b.page.Began, b.page.Used = today, int64(b.ticks()), map[string]*used{}
	}
}

// at returns the counts of a budget. b.mu is held.
func (b *Book) at(key string) *used {
	b.turn()
	u := b.page.Used[key]
	if u == nil {
		u = new(used)
		b.page.Used[key] = u
	}
	return u
}

// Begin counts a request, or a connection whose requests are not read, that d allows. The Meter counts its bytes, and is
// nil where they have no limit.
func (b *Book) Begin(d policy.Decision, q policy.Request) (*Meter, *judge.Refusal) {
	if b == nil || d.Budget == "" {
		return nil, nil
	}
	m := &Meter{book: b, key: d.Budget, limit: d.Limits.BytesUpPerDay, rule: d.Rule, host: q.Host}
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.at(d.Budget)
	if n := d.Limits.RequestsPerDay; n > 0 && u.Requests >= n {
		return nil, m.refuse(fmt.Sprintf("%d requests", n))
	}
	if m.limit > 0 && u.BytesUp >= m.limit {
		return nil, m.Refusal()
	}
	u.Requests++
	b.file.Changed()
	if m.limit == 0 {
		return nil, nil
	}
	return m, nil
}

// Meter counts the bytes of one request or connection. A nil Meter has no limit.
type Meter struct {
	book       *Book
	key        string
	limit      int64
	rule, host string
}

// Take counts n bytes that are to go out and tells how many of them may; fewer than n is the end of the budget.
func (m *Meter) Take(n int) int {
	if m == nil || n == 0 {
		return n
	}
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	u := m.book.at(m.key)
	limit := m.limit
	if now := m.book.limits[m.key].BytesUpPerDay; now > 0 {
		limit = min(limit, now)
	}
	may := min(int64(n), max(0, limit-u.BytesUp))
	u.BytesUp += may
	m.book.file.Changed()
	return int(may)
}

// Refusal tells that the bytes are used up.
func (m *Meter) Refusal() *judge.Refusal { return m.refuse(fmt.Sprintf("%d bytes", m.limit)) }

func (m *Meter) refuse(what string) *judge.Refusal {
	return &judge.Refusal{
		Reason: judge.Budget, Rule: m.rule,
		Text: fmt.Sprintf("%s is refused: the %s a day of %s are used up; they are renewed at 00:00 UTC, or the operator raises "+
			"its limits, then builds and switches", m.host, what, m.rule),
	}
}
