//go:build machine

package machinetest

import (
	"context"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"fleet/activate/machine"
)

const (
	// commandTimeout is for the slowest command, a switch with its health window that ends in a rollback, on a host
	// that does several at a time.
	commandTimeout = 5 * time.Minute
	// defaultMachines is what two cores serve without waiting for each other.
	defaultMachines = 3
)

// Options say what the machine consists of.
type Options struct {
	machine.Options
	// BuildTags are the tags, separated by commas, that the fleet programs are built with.
	BuildTags string
	// Bare leaves the fleet programs out.
	Bare bool
}

// M is a machine of a test. Its methods end the test where they fail; they must be called by the test's goroutine,
// Try and Fleet excepted.
type M struct {
	*machine.Machine
	t testing.TB
}

var slots = sync.OnceValue(func() chan struct{} {
	n, err := strconv.Atoi(os.Getenv("FLEET_TEST_MACHINES"))
	if err != nil || n < 1 {
		n = defaultMachines
	}
	return make(chan struct{}, n)
})

// New boots a machine that ends with the test. Where the test has failed, the end of the machine's journal is logged. A
// test with more than one machine at a time would wait for itself where machines are limited to one.
func New(t testing.TB, o Options) *M {
	t.Helper()
	if !o.Bare {
		bin, err := programs(o.BuildTags)
		if err != nil {
			t.Fatal(err)
		}
		o.Files = append(append([]machine.File(nil), o.Files...), bin...)
	}
	slots() <- struct{}{}
	t.Cleanup(func() { <-slots() })
	m, err := machine.Boot(t.Context(), o.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &M{Machine: m, t: t}
	t.Cleanup(w.logJournal)
	return w
}

// On returns the machine for a subtest: its helpers end that one where they fail.
func (m *M) On(t testing.TB) *M { return &M{Machine: m.Machine, t: t} }

// logJournal shows what the machine has to say about a failure.
func (m *M) logJournal() {
	if !m.t.Failed() || !m.Running() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, _, err := m.Run(ctx, "journalctl", "--no-pager", "--lines=80", "--output=short-precise")
	m.t.Logf("end of the machine's journal (%v):\n%s", err, out)
}
