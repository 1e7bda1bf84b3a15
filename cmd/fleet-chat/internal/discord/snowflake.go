package discord

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
)

// epoch is the first millisecond of 2015, from which snowflakes count.
const epoch = 1420070400000

// before orders IDs as Discord gave them out: by time, for a longer number is a greater one.
func before(a, b string) bool { return compare(a, b) < 0 }

func compare(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func later(a, b string) string {
	if before(a, b) {
		return b
	}
	return a
}

// timeOf returns when an ID was given out.
func timeOf(id string) time.Time {
	n, _ := strconv.ParseUint(id, 10, 64)
	return time.UnixMilli(int64(n>>22) + epoch)
}

// idAt returns the first ID of a time.
func idAt(t time.Time) string {
	return strconv.FormatInt(max(t.UnixMilli()-epoch, 0)<<22, 10)
}

// References. A thread is "channel/thread", a message is "channel/message", with the thread in the place of the
// channel if it is in one. So the thread that is opened at a message, which gets the message's ID, has the message's
// reference too. A conversation of direct messages is "@/channel".
func refOf(channel, id string) backend.Ref { return backend.Ref(channel + "/" + id) }

// parseRef takes a reference apart.
func parseRef(r backend.Ref) (channel, id string, ok bool) {
	channel, id, _ = strings.Cut(string(r), "/")
	return channel, id, isID(id) && (isID(channel) || channel == backend.Direct)
}
