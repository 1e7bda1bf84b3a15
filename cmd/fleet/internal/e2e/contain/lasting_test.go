//go:build machine

package contain

import (
	"context"
	"slices"
	"sync"
	"testing"

	"fleet/activate/machine"
)

// lasting is the test that runs, as the machine sees it that several tests share: what is to be done at its end is done
// at the end of all.
type lasting struct {
	testing.TB
	ends []func()
}

func (l *lasting) Cleanup(f func())         { l.ends = append(l.ends, f) }
func (l *lasting) Context() context.Context { return context.Background() }
func (l *lasting) Failed() bool             { return false } // at its end no test is left to log to

// shared is the machine of the tests that leave it as it was.
var shared struct {
	sync.Mutex
	lasting lasting
	begun   bool // a test has tried to make it
	fleet   *fleet
}

// share returns the machine that such tests share, with the origin and the services that they need. It is theirs, one
// after the other.
func share(t *testing.T) *fleet {
	t.Helper()
	shared.Lock()
	t.Cleanup(shared.Unlock)
	shared.lasting.TB = t
	if shared.begun && shared.fleet == nil {
		t.Fatal("another test could not make the machine that tests share")
	}
	if shared.begun = true; shared.fleet == nil {
		f := boot(&shared.lasting, machine.Options{})
		f.startOrigin()
		f.startServices()
		f.startWatch()
		shared.fleet = f
	}
	return shared.fleet
}

// endShared ends the machine that tests shared.
func endShared() {
	for _, end := range slices.Backward(shared.lasting.ends) {
		end()
	}
}
