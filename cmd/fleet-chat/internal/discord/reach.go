package discord

import (
	"strings"
	"time"
)

// reach is how far a channel is read.
type reach struct {
	last  string // the greatest ID of what was handed on; "" is that the channel is read for the first time
	first string // nothing up to this ID is handed on: it is from before the first time
}

// mark is how the hub stores it: the last ID, and the first one as long as it matters.
func (r reach) mark(overlap time.Duration) string {
	if r.last == "" || r.first == "" || r.after(overlap) != r.first {
		return r.last
	}
	return r.last + "/" + r.first
}

// after returns the ID after which the history is read: some time before the last one, since IDs are not given out in
// perfect order.
func (r reach) after(overlap time.Duration) string {
	return later(idAt(timeOf(r.last).Add(-overlap)), r.first)
}

// readReach reads a mark. One that cannot be read is that of a first time.
func readReach(mark string) reach {
	last, first, two := strings.Cut(mark, "/")
	if !isID(last) || two && !isID(first) {
		return reach{}
	}
	return reach{last, first}
}
