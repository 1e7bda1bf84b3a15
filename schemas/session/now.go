package session

import (
	"errors"
	"regexp"
	"strconv"
	"time"
)

// NowFile is the name of the line that says what the runner does, in the agent's own folder in /run.
const NowFile = "status"

// What the runner does.
const (
	Working = "working" // a session is in progress
	Pausing = "pausing" // between two sessions
	Waiting = "waiting" // for the end of a job
)

// Now is the content of NowFile: "STATE N EPOCH RESULT", such as "pausing 41 1795181012 ok".
type Now struct {
	State  string
	N      int       // number of the session in progress, or of the last one; 0 is none yet
	At     time.Time // when the session began, or when the next one will
	Result string    // of the last session, "" is none yet
}

var nowRe = regexp.MustCompile(`^(working|pausing|waiting) ([0-9]{1,9}) ([0-9]{1,11}) ([a-z-]{1,16})\n?$`)

// ParseNow reads the line.
func ParseNow(line []byte) (Now, error) {
	m := nowRe.FindSubmatch(line)
	if m == nil {
		return Now{}, errors.New(`must be "STATE N EPOCH RESULT"`)
	}
	n, _ := strconv.Atoi(string(m[2]))              // nine digits by the pattern
	at, _ := strconv.ParseInt(string(m[3]), 10, 64) // eleven
	now := Now{State: string(m[1]), N: n, At: time.Unix(at, 0), Result: string(m[4])}
	if now.Result == "-" {
		now.Result = ""
	}
	if now.Result != "" && !results[now.Result] {
		return Now{}, errors.New("result is unknown")
	}
	return now, nil
}
