// Package journal reads systemd's journal through journalctl(1), since the library needs cgo. What units wrote is
// untrusted: messages are bounded and hold printable text only.
package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"fleet/activate/plaintext"
)

// program is named in full: it runs as root.
const program = "/usr/bin/journalctl"

// environment is all that journalctl is given.
var environment = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER="}

// systemdUnit is where systemd itself runs: only its records may say that they are about another unit.
const systemdUnit = "init.scope"

// maxRecord bounds one record in journalctl's JSON, where each of a stdout line's at most 48 KiB may take five bytes.
const maxRecord = 1 << 20

// Entry is one record.
type Entry struct {
	Time     time.Time `json:"time"`
	Unit     string    `json:"unit"`
	Priority int       `json:"priority"` // as syslog(3): 3 is an error
	Message  string    `json:"message"`  // printable
}

// Query says which records are wanted.
type Query struct {
	Units  []string
	Lines  int  // the newest so many
	Follow bool // go on with new ones until ctx ends
}

// Read calls each for every record, oldest first. An error of each ends it and is returned.
func Read(ctx context.Context, q Query, each func(Entry) error) error {
	return read(ctx, q.arguments(), func(out io.Reader) error { return Parse(out, each) })
}

// read runs journalctl and gives parse what it prints. An error of parse ends it and is returned; the end of ctx is no
// error.
func read(ctx context.Context, args []string, parse func(io.Reader) error) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = environment
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	readErr := parse(out)
	if readErr != nil {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
	}
	waitErr := cmd.Wait()
	switch {
	case readErr != nil:
		return readErr
	case waitErr != nil && ctx.Err() == nil:
		return fmt.Errorf("read the journal: %s: %w: %s", program, waitErr, plaintext.Line(complaint.String()))
	}
	return nil
}

func (q Query) arguments() []string {
	args := []string{
		"--quiet", "--no-pager", "--all", "--output=json",
		"--output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT", "--lines=" + strconv.Itoa(q.Lines),
	}
	if q.Follow {
		args = append(args, "--follow")
	}
	for _, u := range q.Units {
		args = append(args, "--unit="+u)
	}
	return args
}

// Tail returns the newest n records of a unit.
func Tail(ctx context.Context, unit string, n int) ([]Entry, error) {
	var out []Entry
	err := Read(ctx, Query{Units: []string{unit}, Lines: n}, func(e Entry) error {
		out = append(out, e)
		return nil
	})
	return out, err
}

// record is one object of journalctl's JSON. A field is a text, a list of byte values where it is not printable UTF-8,
// or a list of such where it came more than once.
type record struct {
	Time     string          `json:"__REALTIME_TIMESTAMP"` // microseconds
	Priority string          `json:"PRIORITY"`
	Unit     json.RawMessage `json:"_SYSTEMD_UNIT"` // who wrote
	About    json.RawMessage `json:"UNIT"`          // whom systemd wrote about
	Message  json.RawMessage `json:"MESSAGE"`
}

// Parse reads journalctl's JSON, one object a line. Lines that are too long or no record are passed by.
func Parse(r io.Reader, each func(Entry) error) error {
	return lines(r, func(line []byte) error {
		if e, ok := parseRecord(line); ok {
			return each(e)
		}
		return nil
	})
}

// lines calls each for every line that is not too long.
func lines(r io.Reader, each func(line []byte) error) error {
	in := bufio.NewReaderSize(r, maxRecord)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if err := skipLine(in); err != nil {
				return ignoreEOF(err)
			}
			continue
		}
		if err := each(line); err != nil {
			return err
		}
		if err != nil {
			return ignoreEOF(err)
		}
	}
}

func skipLine(in *bufio.Reader) error {
	for {
		if _, err := in.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func parseRecord(line []byte) (Entry, bool) {
	var r record
	if json.Unmarshal(line, &r) != nil {
		return Entry{}, false
	}
	usec, err := strconv.ParseInt(r.Time, 10, 64)
	if err != nil {
		return Entry{}, false
	}
	e := Entry{Time: time.UnixMicro(usec).UTC(), Unit: plaintext.Line(field(r.Unit)), Message: plaintext.Line(field(r.Message)), Priority: 6}
	if e.Unit == systemdUnit {
		e.Unit = plaintext.Line(field(r.About))
	}
	if p, err := strconv.Atoi(r.Priority); err == nil && p >= 0 && p <= 7 {
		e.Priority = p
	}
	return e, true
}

// field returns the text of a field in any of its three forms, the last value where there are more.
func field(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var bytes []uint8
	var numbers []int
	if json.Unmarshal(raw, &numbers) == nil {
		for _, n := range numbers {
			bytes = append(bytes, uint8(n)) //nolint:gosec // byte values by journalctl(1)
		}
		return string(bytes)
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) == nil && len(many) > 0 {
		return field(many[len(many)-1])
	}
	return ""
}
