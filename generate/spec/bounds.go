package spec

import (
	"fmt"
	"strings"
	"time"

	"fleet/schemas/fleet"
)

const day = 24 * time.Hour

// span is what a duration must lie in, ends included, and why.
type span struct {
	least, most time.Duration
	why         string
}

// The bounds of durations. The least ones keep a host from spinning, the most ones from waiting for ever by a slip.
var (
	iterationSpan = span{time.Second, 30 * day, "a shorter pause is a hot loop, a longer one is a schedule"}
	sessionSpan   = span{5 * time.Second, 7 * day, "a session needs time to start and must end some day"}
	hookSpan      = span{5 * time.Second, 300 * time.Second, "a session waits for its hooks"}
	callSpan      = span{time.Second, time.Hour, "the agent waits for it"}
	everySpan     = span{time.Minute, 365 * day, "systemd's timers are exact to a minute"}
	chatSpan      = span{time.Hour, 10 * 365 * day, "the chat keeps messages between an hour and ten years"}
	jitterSpan    = span{0, 7 * day, "a delay of more than a week is another schedule"}
	watchdogSpan  = span{5 * time.Second, time.Hour, "a dead agent should not lie for more than an hour"}
	stillSpan     = span{10 * time.Second, time.Hour, "it is looked every five seconds, and a session is not to wait for longer"}
	stalledSpan   = span{10 * time.Second, day, "it is the longest that a healthy session may be silent"}
	keepSpan      = span{time.Hour, 3650 * day, "what is removed sooner cannot be read by anybody"}
	healthSpan    = span{time.Second, 10 * time.Minute, "the switch waits for it"}
	deadmanSpan   = span{5 * time.Second, time.Hour, "until then a broken host stays broken"}
	jobSpan       = span{time.Second, 15 * time.Minute, "the switch waits for it"}
)

// duration returns d parsed, and reports one that is out of bounds. An empty one is 0.
func (c *checker) duration(p place, d fleet.Duration, s span) time.Duration {
	if d == "" {
		return 0
	}
	got, err := d.Parse()
	switch {
	case err != nil:
		c.error(p, err.Error(), "at most "+written(s.most))
	case got < s.least:
		c.error(p, fmt.Sprintf("%q must be at least %s", string(d), written(s.least)), s.why)
	case got > s.most:
		c.error(p, fmt.Sprintf("%q must be at most %s", string(d), written(s.most)), s.why)
	}
	return got
}

// written is a duration as a spec writes it.
func written(d time.Duration) string {
	var b strings.Builder
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.of; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.of
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
	tib = 1 << 40
)

// Bounds of sizes in bytes.
const (
	leastMemory = 16 * mib // a shell and tmux need about 8
	leastFolder = mib      // of a tmpfs or a home
	mostSize    = 64 * tib // more than any host has
)

// size returns s parsed, and reports one that is out of bounds. An empty one is 0.
func (c *checker) size(p place, s fleet.Size, least uint64) uint64 {
	if s == "" {
		return 0
	}
	got, err := s.Parse()
	switch {
	case err != nil:
		c.error(p, err.Error(), `at most "64T"`)
	case got < least:
		c.error(p, fmt.Sprintf("%q must be at least %dM", string(s), least/mib),
			`a number alone is bytes: write "512M" or "4G"`)
	case got > mostSize:
		c.error(p, fmt.Sprintf("%q must be at most 64T", string(s)), "")
	}
	return got
}

// Bounds of texts in bytes.
const (
	promptLimit       = 100 * kib // Linux takes 128 KiB in one argument (MAX_ARG_STRLEN), and variables lengthen it
	valueLimit        = 32 * kib  // of one environment variable
	envLimit          = 128 * kib // of all of them, so that the programs' own have room
	instructionsLimit = mib       // of all texts together: a model reads them in every session
	hookLimit         = 256 * kib
	homeLimit         = 256 * kib // of a file that a harness wants in the home
)

// length reports a text that is too long.
func (c *checker) length(p place, s string, most int) {
	if len(s) > most {
		c.error(p, fmt.Sprintf("must have at most %d KiB, has %d", most/kib, (len(s)+kib-1)/kib), "")
	}
}
