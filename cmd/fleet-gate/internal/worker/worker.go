// Package worker runs functions on goroutines that are used again. One that serves a connection grows its stack several
// times, for which the runtime copies it each time; one that has done so before has the room.
package worker

import "sync/atomic"

// most is how many goroutines wait for work. The garbage collector takes back what their stacks do not need.
const most = 64

var (
	work    = make(chan func())
	waiting atomic.Int32
)

// Go runs f on a goroutine that waits, or on a new one.
func Go(f func()) {
	select {
	case work <- f:
	default:
		go run(f)
	}
}

func run(f func()) {
	for {
		f()
		if waiting.Add(1) > most {
			waiting.Add(-1)
			return
		}
		f = <-work
		waiting.Add(-1)
	}
}
