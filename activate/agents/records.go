package agents

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"fleet/activate/plaintext"
	"fleet/activate/safefile"
	"fleet/schemas/session"
	"fleet/schemas/status"
)

// Limits of what is read of an agent's files.
const (
	recordsTail    = 256 << 10 // bytes: about a thousand sessions
	TranscriptTail = 4 << 20
	nowLimit       = 256
)

// beatFile is what the runner and the harness's hooks touch, in the agent's own folder in /run.
const beatFile = "beat"

// Sessions returns the agent's last records, newest first, at most max. No record is no error.
func (f *Fleet) Sessions(key string, max int) ([]session.Record, error) {
	d, err := safefile.Open(f.Records(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", key, err)
	}
	defer d.Close()
	text, err := d.Tail(session.RecordsFile, recordsTail)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", key, err)
	}
	all := session.All(text)
	slices.Reverse(all)
	return all[:min(max, len(all))], nil
}

// Summaries returns records in the form of a status.
func Summaries(records []session.Record) []status.Session {
	out := []status.Session{}
	for _, r := range records {
		out = append(out, status.Session{
			N: r.N, Kind: r.Kind, Job: r.Job, Thread: r.Thread, Start: r.Start, End: r.End, Result: r.Result,
			TokensIn: r.TokensIn, TokensOut: r.TokensOut, Cost: r.CostUSD,
		})
	}
	return out
}

// Signs is what the agent's own folder in /run tells. The agent can write all of it.
type Signs struct {
	Beat time.Time   // last heartbeat; may lie in the future, which is as bad as none
	Now  session.Now // State is "" where the runner has said nothing
}

// Signs reads the agent's signs of life.
func (f *Fleet) Signs(key string) Signs {
	var s Signs
	d, err := safefile.Open(f.AgentOwn(key))
	if err != nil {
		return s
	}
	defer d.Close()
	if info, err := d.Stat(beatFile); err == nil && info.Mode.IsRegular() {
		s.Beat = info.ModTime.UTC()
	}
	line, err := d.Read(session.NowFile, nowLimit)
	if err != nil {
		return s
	}
	if now, err := session.ParseNow(line); err == nil {
		s.Now = now
	}
	return s
}

// Transcript calls each for every line of what session or job n printed, printable. Of a long one only the end is shown,
// and cut tells so.
func (f *Fleet) Transcript(key string, n int, each func(line string) error) (cut bool, err error) {
	d, err := safefile.Open(f.Records(key))
	if err != nil {
		return false, f.noTranscript(key, n, err)
	}
	defer d.Close()
	text, err := transcript(d, n)
	if err != nil {
		return false, f.noTranscript(key, n, err)
	}
	cut = len(text) == TranscriptTail
	if cut {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	for line := range strings.Lines(string(text)) {
		if err := each(plaintext.Line(line)); err != nil {
			return cut, err
		}
	}
	return cut, nil
}

func transcript(d *safefile.Folder, n int) ([]byte, error) {
	text, err := d.Tail(fmt.Sprintf("%s/%d.log", session.SessionsDir, n), TranscriptTail)
	if errors.Is(err, fs.ErrNotExist) {
		return d.Tail(fmt.Sprintf("%s/%d.log", session.JobsDir, n), TranscriptTail)
	}
	return text, err
}

// Message returns the lines of what a headless session or a job said at the end, printable. None is no error.
func (f *Fleet) Message(key string, r session.Record) ([]string, error) {
	d, err := safefile.Open(f.Records(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", key, err)
	}
	defer d.Close()
	dir := session.SessionsDir
	if r.Kind == session.KindJob {
		dir = session.JobsDir
	}
	text, err := d.Tail(fmt.Sprintf("%s/%d.txt", dir, r.N), session.MaxMessage)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("message of session %d of %s: %w", r.N, key, err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, plaintext.Line(line))
	}
	return lines, nil
}

func (f *Fleet) noTranscript(key string, n int, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("transcript of session %d of %s: %w", n, key, err)
	}
	return fmt.Errorf("agent %s has no transcript of a session %d\n  hint: sudo fleet logs %s lists the sessions; old transcripts are removed", key, n, key)
}
