// Package session is what an agent's runner leaves of its work: a record of each session and job, and a line that says
// what it does now. The agent can write all of it itself, so that whoever reads it believes nothing: Parse refuses what
// does not have this form, and no text in it but fixed words is shown.
package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Names in the agent's folder of records. Transcripts are named N.log by the number of the session; what a headless
// one said at the end is in N.txt.
const (
	RecordsFile = "sessions.jsonl"
	SessionsDir = "sessions"
	JobsDir     = "jobs"
)

// MaxMessage bounds what a session said at the end, in bytes.
const MaxMessage = 16 << 10

// MaxLine bounds a record in bytes; the runner's own have some 250.
const MaxLine = 1 << 10

// Kinds of a record.
const (
	KindSession = "session"
	KindJob     = "job"
)

// Results of a session.
const (
	OK      = "ok"
	Failed  = "failed"  // the harness or the hook before it failed, or the harness is missing
	Timeout = "timeout" // its wall-clock limit was reached
	Limit   = "limit"   // the account's usage limit was reached
	Ended   = "ended"   // the unit was stopped meanwhile
	Skipped = "skipped" // only jobs: the agent was busy, and the job does not wait or its wait was over
	Cost    = "cost"    // the day's costs had reached their limit; a session has no record of that
)

// Record is one line of RecordsFile.
type Record struct {
	N         int       `json:"n"` // counted for each agent, sessions and jobs together
	Kind      string    `json:"kind"`
	Job       string    `json:"job,omitempty"`    // name of the schedule
	Prompt    int       `json:"prompt,omitempty"` // number of the queued prompt that it worked on
	Thread    string    `json:"thread,omitempty"` // CHANNEL/THREAD of the conversation that it answered in
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Result    string    `json:"result"`
	Exit      int       `json:"exit"`
	TokensIn  int       `json:"tokensIn,omitempty"` // as the harness reports it, cached ones included
	TokensOut int       `json:"tokensOut,omitempty"`
	CostUSD   float64   `json:"costUSD,omitempty"`
}

var threadRe = regexp.MustCompile(`^[A-Za-z0-9@._-]{1,128}/[A-Za-z0-9@._-]{1,128}$`)

var jobRe = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

var results = map[string]bool{OK: true, Failed: true, Timeout: true, Limit: true, Ended: true, Skipped: true, Cost: true}

// Parse reads one line.
func Parse(line []byte) (Record, error) {
	var r Record
	if len(line) > MaxLine {
		return r, fmt.Errorf("record must have at most %d bytes, has %d", MaxLine, len(line))
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, errors.New("record must be JSON of this format") // the cause quotes the line
	}
	switch {
	case r.Kind != KindSession && r.Kind != KindJob:
		return r, errors.New("kind must be session or job")
	case r.Kind == KindJob && !jobRe.MatchString(r.Job), r.Kind == KindSession && r.Job != "":
		return r, errors.New("job must be the name of a schedule, and only a job has one")
	case r.Thread != "" && (!threadRe.MatchString(r.Thread) || r.Kind != KindSession):
		return r, errors.New("thread must be CHANNEL/THREAD, and a job has none")
	case !results[r.Result]:
		return r, errors.New("result is unknown")
	case r.N < 1 || r.Prompt < 0 || r.TokensIn < 0 || r.TokensOut < 0 || r.CostUSD < 0:
		return r, errors.New("numbers must not be negative")
	}
	return r, nil
}

// All returns the records in the text of RecordsFile in their order. Lines that are no record are left out; so is a
// first line that was cut where the text is the end of a longer file.
func All(text []byte) []Record {
	var out []Record
	for line := range bytes.Lines(text) {
		if r, err := Parse(bytes.TrimSpace(line)); err == nil {
			out = append(out, r)
		}
	}
	return out
}
